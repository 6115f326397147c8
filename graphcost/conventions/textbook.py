"""The convention of course sheets: a layer's products, its activation, and a pool's window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.convention import Convention
from graphcost.conventions.quantities import elements_out, products, window

if TYPE_CHECKING:
    from graphcost.results import NodeCost


def _product(node: NodeCost) -> int:
    """2 per multiply-accumulate; the bias is left out."""
    return 2 * products(node)


def _pool(node: NodeCost) -> int:
    """The window's elements per output."""
    return elements_out(node) * window(node)


def _softmax(node: NodeCost) -> int:
    """6 per element."""
    return 6 * elements_out(node)


def _rnn(node: NodeCost) -> int | None:
    """2 * hidden * (hidden + input) + hidden per step: the products, and one per element for the activation."""
    x, w = node.call.input("X"), node.call.input("W")
    activations = node.call.attributes.get("activations", ("Tanh",))
    if not set(activations) <= {"Relu", "Tanh", "Sigmoid"}:
        return None
    directions, hidden, _ = w.dims
    return 2 * products(node) + x.dims[0] * x.dims[1] * directions * hidden


def _nothing(_node: NodeCost) -> int:
    """0: an Add of a product's output and a parameter is a bias, which is left out."""
    return 0


TEXTBOOK = Convention(
    name="textbook",
    title="2 per multiply-accumulate of Dense, Conv and SimpleRNN; 1 per relu, sigmoid, tanh; 6 per softmax element; "
    "a pool's window per output; no bias",
    source="Course sheets: Dense 2*in*out + out*act; Conv 2*kernel*in*positions*filters + act*out; pooling out*window",
    unit="FLOP",
    formulas={
        "Gemm": _product,
        "MatMul": _product,
        "Conv": _product,
        "RNN": _rnn,
        "MaxPool": _pool,
        "AveragePool": _pool,
        "GlobalMaxPool": _pool,
        "GlobalAveragePool": _pool,
        "Relu": elements_out,
        "Sigmoid": elements_out,
        "Tanh": elements_out,
        "Softmax": _softmax,
    },
    patterns={"bias": _nothing},
)
