"""Recurrent layers as the plainest loops, written from the operators' text, one hidden element at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ALPHA, BETA = 0.5, 0.25

ACTIVATIONS = {
    "Relu": lambda x: x.maximum(0.0),
    "Tanh": lambda x: x.tanh(),
    "Sigmoid": lambda x: 1.0 / (1.0 + (-x).exp()),
    "Affine": lambda x: ALPHA * x + BETA,
    "LeakyRelu": lambda x: _choose(x < 0.0, ALPHA * x, x),
    "ThresholdedRelu": lambda x: _choose(x > ALPHA, x, x.tally.number(0)),
    "ScaledTanh": lambda x: ALPHA * (BETA * x).tanh(),
    "HardSigmoid": lambda x: (ALPHA * x + BETA).maximum(0.0).minimum(1.0),
    "Elu": lambda x: _choose(x < 0.0, ALPHA * (x.exp() - 1.0), x),
    "Softsign": lambda x: x / (1.0 + abs(x)),
    "Softplus": lambda x: (1.0 + x.exp()).log(),
}


@dataclass
class Layer:
    """A layer in one direction: its weights, gate by gate, and how it computes."""

    tally: object
    w: list  # per gate: (hidden, inputs)
    r: list  # per gate: (hidden, hidden)
    wb: list | None  # per gate: (hidden,)
    rb: list | None
    peepholes: list | None  # for the gates i, o, f: (hidden,)
    activations: tuple
    said: dict

    def activate(self, letter, x):
        """Return an activation, f, g or h, of x, which is clipped before."""
        if "clip" in self.said:
            x = x.maximum(-self.said["clip"]).minimum(self.said["clip"])
        return ACTIVATIONS[self.activations["fgh".index(letter)]](x)

    def sums(self, gate, x, h, peek=None):
        """Return Xt*W + Ht-1*R + P (.) C + Wb + Rb of one gate; P only where there is one."""
        found = []
        for j in range(len(self.r[gate])):
            total = self.dot(self.w[gate][j], x, self.tally.number(0))
            total = self.dot(self.r[gate][j], h, total)
            if self.peepholes and peek is not None:
                total = total + self.peepholes[gate][j] * peek[j]
            if self.wb:
                total = total + self.wb[gate][j] + self.rb[gate][j]
            found.append(total)
        return found

    def dot(self, weights, values, total):
        """Return the total with the product of two vectors added."""
        for weight, value in zip(weights, values, strict=True):
            total = total.mac(weight, value)
        return total


def rnn_step(layer, x, h, _):
    """Ht = f(Xt*Wi + Ht-1*Ri + Wbi + Rbi)."""
    return [layer.activate("f", total) for total in layer.sums(0, x, h)], None


def gru_step(layer, x, h, _):
    """Gates z, r, h; see the operator's equations."""
    z = [layer.activate("f", total) for total in layer.sums(0, x, h)]
    r = [layer.activate("f", total) for total in layer.sums(1, x, h)]
    if layer.said.get("linear_before_reset"):
        totals = [_linear_before_reset(layer, j, x, h, r[j]) for j in range(len(h))]
    else:
        totals = layer.sums(2, x, [r[j] * h[j] for j in range(len(h))])
    new = [layer.activate("g", total) for total in totals]
    return [(1.0 - z[j]) * new[j] + z[j] * h[j] for j in range(len(h))], None


def _linear_before_reset(layer, j, x, h, r):
    """Xt*Wh + rt (.) (Ht-1*Rh + Rbh) + Wbh, element j."""
    recurrent = layer.dot(layer.r[2][j], h, layer.tally.number(0))
    if layer.rb:
        recurrent = recurrent + layer.rb[2][j]
    total = layer.dot(layer.w[2][j], x, layer.tally.number(0)) + r * recurrent
    return total + layer.wb[2][j] if layer.wb else total


def lstm_step(layer, x, h, c):
    """Gates i, o, f, c; see the operator's equations. With input_forget, f is 1 - i."""
    each = range(len(h))
    i = [layer.activate("f", total) for total in layer.sums(0, x, h, c)]
    if layer.said.get("input_forget"):
        f = [1.0 - i[j] for j in each]
    else:
        f = [layer.activate("f", total) for total in layer.sums(2, x, h, c)]
    new = [layer.activate("g", total) for total in layer.sums(3, x, h)]
    cell = [f[j] * c[j] + i[j] * new[j] for j in each]
    o = [layer.activate("f", total) for total in layer.sums(1, x, h, cell)]
    return [o[j] * layer.activate("h", cell[j]) for j in each], cell


STEPS = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


def run(tally, op_type, given, said):
    """Return the operator's output Y for its inputs by name and its attributes."""
    batchwise = said.get("layout", 0) == 1
    x = given["X"].transpose(1, 0, 2) if batchwise else given["X"]
    directions, hidden = len(given["W"]), given["R"].shape[2]
    y = np.empty((len(x), directions, x.shape[1], hidden), object)
    zeros = np.full((directions, x.shape[1], hidden), tally.number(0), object)
    first = [_first_state(given.get(name), zeros, batchwise) for name in ("initial_h", "initial_c")]
    for d in range(directions):
        backwards = d == 1 or said.get("direction") == "reverse"
        _sequence(op_type, _layer(tally, op_type, given, said, d), x, [state[d] for state in first], y[:, d], backwards)
    return y.transpose(2, 0, 1, 3) if batchwise else y


def _sequence(op_type, layer, x, first, y, backwards):
    for n in range(x.shape[1]):
        h, c = (state[n] for state in first)
        for t in reversed(range(len(x))) if backwards else range(len(x)):
            h, c = STEPS[op_type](layer, x[t, n], h, c)
            y[t, n] = h


def _layer(tally, op_type, given, said, d):
    gates, names = GATES[op_type], said.get("activations", DEFAULTS[op_type] * 2)
    each = len(DEFAULTS[op_type])
    biases = np.split(given["B"][d], 2 * gates) if "B" in given else None
    return Layer(
        tally,
        w=np.split(given["W"][d], gates),
        r=np.split(given["R"][d], gates),
        wb=biases and biases[:gates],
        rb=biases and biases[gates:],
        peepholes=np.split(given["P"][d], 3) if "P" in given else None,
        activations=tuple(names[d * each : (d + 1) * each]),
        said=said,
    )


def _first_state(state, zeros, batchwise):
    if state is None:
        return zeros
    return state.transpose(1, 0, 2) if batchwise else state


def _choose(condition, yes, no):
    """Return one of two values that both have been computed."""
    return yes if condition else no
