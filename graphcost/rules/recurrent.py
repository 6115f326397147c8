"""Recurrent layers: RNN, LSTM and GRU, step by step over a sequence.

All three count alike:

- Products: every gate of every step multiplies its input with W and the last hidden state with R. X*W + H*R is one
  sum over input_size + hidden_size products, so nothing is added between the two. A first state of zeros counts.
- B holds two biases per gate, Wb and Rb; the equations add both.
- Where sequence_lens is given, the steps past a sequence's end count as work: as many as X has room for.
- clip bounds what enters every activation: two comparisons.

X: (steps, batch, input_size), with layout=1 (batch, steps, input_size); W: (directions, gates*hidden_size, input_size);
R: (directions, gates*hidden_size, hidden_size); B: (directions, 2*gates*hidden_size).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypedDict

from graphcost.rules.elementwise import TABLE
from graphcost.rules.registry import rule
from graphcost.terms import Arith, Term, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call

_SHARED = ("Relu", "Tanh", "Sigmoid", "LeakyRelu", "ThresholdedRelu", "HardSigmoid", "Elu", "Softsign", "Softplus")
ACTIVATIONS = {name: TABLE[name].kinds for name in _SHARED} | {
    "Affine": (Arith.MUL, Arith.ADD),
    "ScaledTanh": (Arith.MUL, Arith.TANH, Arith.MUL),
}
"""The activations that the specification lets a recurrent layer choose from, and the work per element of each."""


class States(TypedDict):
    """How many elements all hidden states have together, as named factors."""

    steps: int
    """The length of the sequences, padding included."""
    batch: int
    """How many sequences there are."""
    directions: int
    """Two where the layer runs both ways, else one."""
    hidden: int
    """Elements of one state."""


@rule("RNN", not_weights="initial_h sequence_lens")
def rnn(call: Call) -> Iterator[Term]:
    """Ht = f(Xt*Wi + Ht-1*Ri + Wbi + Rbi), with f = Tanh unless activations says otherwise.

    Shapes and assumptions as for every recurrent layer: dense steps, both biases, no addition between the products.

    Source: https://onnx.ai/onnx/operators/onnx__RNN.html
    """
    states = _states(call, gates=1)
    yield from _products(call, states, gates=1)
    yield from _activations(call, states, {"f": 1}, ("Tanh",))


@rule("GRU", not_weights="initial_h sequence_lens")
def gru(call: Call) -> Iterator[Term]:
    """Ht = (1 - zt) (.) ht + zt (.) Ht-1, with an update gate z, a reset gate r and a hidden gate h.

    zt, rt = f(Xt*W + Ht-1*R + Wb + Rb)
    ht = g(Xt*Wh + (rt (.) Ht-1)*Rh + Rbh + Wbh), or with linear_before_reset
    ht = g(Xt*Wh + (rt (.) (Ht-1*Rh + Rbh)) + Wbh), where the products are two sums, which are added

    Shapes and assumptions as for every recurrent layer: dense steps, both biases. f = Sigmoid, g = Tanh by default.

    Source: https://onnx.ai/onnx/operators/onnx__GRU.html
    """
    states = _states(call, gates=3)
    yield from _products(call, states, gates=3)
    if call.attr_or("linear_before_reset", int, 0):
        yield work("rt (.) (Ht-1*Rh + Rbh)", Arith.MUL, **states)
        yield work("Xt*Wh + rt (.) (Ht-1*Rh + Rbh)", Arith.ADD, **states)
    else:
        yield work("rt (.) Ht-1", Arith.MUL, **states)
    yield from _activations(call, states, {"f": 2, "g": 1}, ("Sigmoid", "Tanh"))
    yield work("(1 - zt) (.) ht + zt (.) Ht-1", Arith.MUL, **states, products=2)
    yield work("(1 - zt) (.) ht + zt (.) Ht-1", Arith.ADD, **states, additions=2)


@rule("LSTM", not_weights="initial_h initial_c sequence_lens")
def lstm(call: Call) -> Iterator[Term]:
    """Ht = ot (.) h(Ct), Ct = ft (.) Ct-1 + it (.) ct, with an input, an output, a forget and a cell gate.

    it, ft = f(Xt*W + Ht-1*R + P (.) Ct-1 + Wb + Rb)
    ot = f(Xt*Wo + Ht-1*Ro + Po (.) Ct + Wbo + Rbo)
    ct = g(Xt*Wc + Ht-1*Rc + Wbc + Rbc)

    P: (directions, 3*hidden_size), the peepholes, is optional. With input_forget, ft = 1 - it, and nothing else is
    computed for the forget gate (its part of W, R, B and P lies idle). The outer gates are i, o and f.
    Shapes and assumptions as for every recurrent layer: dense steps, both biases, no addition between the products.
    f = Sigmoid, g = h = Tanh by default.

    Source: https://onnx.ai/onnx/operators/onnx__LSTM.html
    """
    states = _states(call, gates=4)
    coupled = call.attr("input_forget", int) != 0
    outer = 2 if coupled else 3
    yield from _products(call, states, gates=3 if coupled else 4)
    if call.optional("P"):
        yield work("P (.) C", Arith.MUL, **states, gates=outer)
        yield work("+ P (.) C", Arith.ADD, **states, gates=outer)
    yield from _activations(call, states, {"f": outer, "g": 1, "h": 1}, ("Sigmoid", "Tanh", "Tanh"))
    if coupled:
        yield work("ft = 1 - it", Arith.ADD, **states)
    yield work("ft (.) Ct-1 + it (.) ct", Arith.MUL, **states, products=2)
    yield work("ft (.) Ct-1 + it (.) ct", Arith.ADD, **states)
    yield work("ot (.) h(Ct)", Arith.MUL, **states)


def _states(call: Call, gates: int) -> States:
    """Return the sizes of all hidden states, after checking that the inputs' shapes agree on them."""
    x, w, r = call.input("X"), call.input("W"), call.input("R")
    for name, found in (("X", x), ("W", w), ("R", r)):
        if found.rank != 3:
            raise call.error(f"wants {name} of rank 3, it is of rank {found.rank}")
    swapped = call.attr_or("layout", int, 0) == 1
    steps, batch = x.dims[1::-1] if swapped else x.dims[:2]
    directions = 2 if call.attr("direction", str) == "bidirectional" else 1
    hidden = call.attr_or("hidden_size", int, r.dims[2])
    _check_shape(call, "W", directions, gates * hidden, x.dims[2])
    _check_shape(call, "R", directions, gates * hidden, hidden)
    _check_shape(call, "B", directions, 2 * gates * hidden)
    _check_shape(call, "P", directions, 3 * hidden)
    _check_shape(call, "sequence_lens", batch)
    first_state = (batch, directions, hidden) if swapped else (directions, batch, hidden)
    _check_shape(call, "initial_h", *first_state)
    _check_shape(call, "initial_c", *first_state)
    return {"steps": steps, "batch": batch, "directions": directions, "hidden": hidden}


def _check_shape(call: Call, name: str, *wanted: int) -> None:
    found = call.optional(name) if call.has_input(name) else None
    if found and found.dims != wanted:
        raise call.error(f"wants {name} of shape {wanted}, it is {found.dims}")


def _products(call: Call, states: States, gates: int) -> Iterator[Term]:
    inputs, hidden = call.input("X").dims[2], states["hidden"]
    yield work("X*W", Arith.MAC, wrt=("X", "W"), **states, gates=gates, inputs=inputs)
    yield work("H*R", Arith.MAC, wrt=("H", "R"), **states, gates=gates, previous_hidden=hidden)
    if call.optional("B"):
        yield work("+ Wb", Arith.ADD, **states, gates=gates)
        yield work("+ Rb", Arith.ADD, **states, gates=gates)


def _activations(call: Call, states: States, gates: dict[str, int], default: tuple[str, ...]) -> Iterator[Term]:
    """Yield the work of the activations f, g and h, each of which serves some gates, and of clipping their inputs."""
    if "clip" in call.attributes:
        yield work("clip", Arith.CMP, **states, gates=sum(gates.values()), bounds=2)
    names = _names(call, len(gates) * states["directions"], default * states["directions"])
    letters = (*gates,) * states["directions"]
    for (letter, name), directions in Counter(zip(letters, names, strict=True)).items():
        for arith in ACTIVATIONS[name]:
            yield work(f"{letter} = {name}", arith, **(states | {"directions": directions}), gates=gates[letter])


def _names(call: Call, wanted: int, default: tuple[str, ...]) -> tuple[str, ...]:
    names: tuple[str, ...] = call.attributes.get("activations", default)
    if names == call.schema.defaults.get("activations"):  # RNN's own default: two, even for one direction
        names = names[:wanted]
    if len(names) != wanted:
        raise call.error(f"wants {wanted} activations, there are {len(names)}")
    for name in names:
        if name not in ACTIVATIONS:
            raise call.error(f"wants activations of {', '.join(ACTIVATIONS)}, one is {name!r}")
    return names
