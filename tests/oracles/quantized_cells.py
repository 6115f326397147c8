"""The LSTM on quantized numbers as the plainest loop: quantize, multiply integers, scale, add, then the gates."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from oracles import cells, quantized
from oracles.quantized import Quantizer


@dataclass
class QuantizedLayer(cells.Layer):
    """A layer in one direction: W and R without their zero points, and the scales of both products."""

    x_scales: dict = field(default_factory=dict)  # per gate: (hidden,)
    h_scales: dict = field(default_factory=dict)

    def sums(self, gate, x, h, peek=None):
        """Return x_scale * W_scale * x*W + h_scale * R_scale * h*R + P (.) C + Wb + Rb of one gate."""
        found = []
        for j in range(len(self.r[gate])):
            by_x = self.dot(self.w[gate][j], x, self.tally.number(0)) * self.x_scales[gate][j]
            total = by_x + self.dot(self.r[gate][j], h, self.tally.number(0)) * self.h_scales[gate][j]
            if self.peepholes and peek is not None:
                total = total + self.peepholes[gate][j] * peek[j]
            if self.wb:
                total = total + self.wb[gate][j] + self.rb[gate][j]
            found.append(total)
        return found


def lstm(tally, given, said):
    """Return Y for inputs by name, of which all but scales and zero points count.

    W: (directions, inputs, 4*hidden), R: (directions, hidden, 4*hidden).
    """
    x, hidden = given["X"], given["R"].shape[1]
    directions, (steps, batch, _) = len(given["W"]), x.shape
    q, x_scale, x_zero = quantized.dynamic_quantize_linear(tally, x)
    q = Quantizer(None, np.array(x_zero), np.uint8).shift(q)
    y = np.empty((steps, directions, batch, hidden), object)
    for d in range(directions):
        layer = _layer(tally, given, said, d)
        layer.x_scales = _scales(x_scale, given["W_scale"][d], layer.w, hidden)
        h, c = (_first(tally, given.get(name), d, batch, hidden) for name in ("initial_h", "initial_c"))
        for t in reversed(range(steps)) if d == 1 or said["direction"] == "reverse" else range(steps):
            shifted, h_scale = _quantized_state(tally, h)
            layer.h_scales = _scales(h_scale, given["R_scale"][d], layer.r, hidden)
            results = [cells.lstm_step(layer, q[t, n], shifted[n], c[n]) for n in range(batch)]
            h, c = (np.array([result[place] for result in results], object) for place in (0, 1))
            y[t, d] = h
    return y


def _quantized_state(tally, h):
    q, scale, zero = quantized.dynamic_quantize_linear(tally, h)
    return Quantizer(None, np.array(zero), np.uint8).shift(q), scale


def _layer(tally, given, said, d):
    gates = [0, 1, 3] if said.get("input_forget") else range(4)
    biases = np.split(given["B"][d], 8) if "B" in given else None
    return QuantizedLayer(
        tally,
        w=_shifted(given["W"][d], given["W_zero_point"][d], gates),
        r=_shifted(given["R"][d], given["R_zero_point"][d], gates),
        wb=biases and biases[:4],
        rb=biases and biases[4:],
        peepholes=np.split(given["P"][d], 3) if "P" in given else None,
        activations=("Sigmoid", "Tanh", "Tanh"),
        said=said,
    )


def _shifted(weights, zero_point, gates):
    """Return the weights of each gate that is used, as (hidden, inputs), without their zero points."""
    zeros = np.split(np.broadcast_to(zero_point, weights.shape[1]), 4)
    blocks = np.split(weights, 4, axis=1)
    return {gate: Quantizer(None, zeros[gate], np.uint8).shift(blocks[gate]).T for gate in gates}


def _scales(scale, of_weights, gates, hidden):
    """Return the product of two scales per column of each gate: made once for all columns, or once for each."""
    if of_weights.ndim == 0:
        product = scale * float(of_weights)
        return {gate: [product] * hidden for gate in gates}
    columns = np.split(of_weights, 4)
    return {gate: [scale * float(one) for one in columns[gate]] for gate in gates}


def _first(tally, state, d, batch, hidden):
    return np.full((batch, hidden), tally.number(0), object) if state is None else state[d]
