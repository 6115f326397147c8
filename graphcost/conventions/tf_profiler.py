"""What TensorFlow's profiler counts, operator by operator, on the ONNX operators that its own become."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from graphcost.convention import Convention
from graphcost.conventions.quantities import biased, elements_in, elements_out, products, rank, window

if TYPE_CHECKING:
    from graphcost.convention import Formula
    from graphcost.results import NodeCost


def _product(node: NodeCost) -> int:
    """MatMul: 2 * k * N_out. Conv2D, Conv3D: 2 * N_out * window * channels per group. BiasAdd: N_out."""
    return 2 * products(node) + biased(node)


def _conv_transpose(node: NodeCost) -> int | None:
    """Conv2DBackpropInput: 2 * N_out * N(filter) / (channels_out * stride_h * stride_w); there is none for 3-D."""
    w, y = node.call.input("W"), node.call.output("Y")
    if y.rank > 4:
        return None
    strides: int = prod(node.call.attr_or("strides", tuple, (1,)))
    return 2 * y.elements * w.elements // (y.dims[1] * strides) + biased(node)


def _pool(node: NodeCost) -> int | None:
    """MaxPool, AvgPool: window * N_out; MaxPool3D and AvgPool3D have no rule."""
    return window(node) * elements_out(node) if rank(node) <= 4 else None


def _reduced(node: NodeCost) -> int:
    """Sum, ArgMax, ArgMin: N_in - N_out."""
    return elements_in(node) - elements_out(node)


def _several(node: NodeCost) -> int:
    """AddN, and chains of Maximum or Minimum: N_out per further input."""
    return elements_out(node) * (len(node.call.inputs) - 1)


def _softmax(node: NodeCost) -> int:
    """Softmax: 5 * N_in."""
    return 5 * elements_in(node)


def _rsqrt(node: NodeCost) -> int:
    """A Reciprocal of a Sqrt is Rsqrt: 2 * N_in."""
    return 2 * elements_in(node)


_PER_INPUT = ("GlobalAveragePool", "Log", "Neg", "Reciprocal", "ReduceMean")
_PER_OUTPUT = (
    "Add", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Mul", "Pow", "Sub",
)  # fmt: skip

_FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(_PER_INPUT, elements_in),
    **dict.fromkeys(_PER_OUTPUT, elements_out),
    **dict.fromkeys(("ArgMax", "ArgMin", "ReduceSum"), _reduced),
    **dict.fromkeys(("Max", "Min", "Sum"), _several),
    **dict.fromkeys(("Conv", "Gemm", "MatMul"), _product),
    **dict.fromkeys(("AveragePool", "MaxPool"), _pool),
    "ConvTranspose": _conv_transpose,
    "Softmax": _softmax,
}

TF_PROFILER = Convention(
    name="tf-profiler",
    title="what TensorFlow's profiler registers: 2 per multiply-accumulate, 1 per bias, 5 per softmax element, "
    "a pool's window per output, nothing for most activations; work on weights alone included",
    source="TensorFlow 2.21: tensorflow/python/profiler/internal/flops_registry.py and ops/nn_ops.py",
    unit="FLOP",
    formulas=_FORMULAS,
    patterns={"bias": elements_out, "rsqrt": _rsqrt},
    includes_preparation=True,
)
