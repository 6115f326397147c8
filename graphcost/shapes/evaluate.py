"""The values of tensors that are known before any run, through onnx's reference implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphcost.load import protos, schema
from graphcost.load.payload import LARGEST_KEPT
from graphcost.load.storage import LARGEST_COUNT
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphcost.types import Array, Node, Type

RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
"""Operators that give another value in every run, even where their inputs are constant."""

ASKS_SHAPE = frozenset({"Shape", "Size"})
"""Operators that read a tensor's shape and none of its elements."""

SAFE = frozenset(
    {
        "Abs", "Add", "And", "ArgMax", "ArgMin", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr",
        "BitwiseXor", "Cast", "CastLike", "Ceil", "Clip", "Compress", "Concat", "ConstantOfShape", "Cos",
        "CumSum", "Div", "Equal", "Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor", "Gather",
        "GatherND", "Gemm", "Greater", "GreaterOrEqual", "Identity", "IsInf", "IsNaN", "Less",
        "LessOrEqual", "Log", "MatMul", "Max", "Mean", "Min", "Mod", "Mul", "Neg", "NonZero", "Not", "OneHot",
        "Or", "Pow", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
        "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape",
        "Round", "ScatterElements", "ScatterND", "Sigmoid", "Sign", "Sin", "Slice", "Softmax", "Split", "Sqrt",
        "Squeeze", "Sub", "Sum", "Tanh", "Tile", "TopK", "Transpose", "Trilu", "Unique", "Unsqueeze", "Where",
        "Xor",
    }
)  # fmt: skip
"""Operators whose work is bounded by the elements that they read and write. Others could be made to work for hours on
few elements: a window of 2^40 positions, a regular expression, a product of five vectors."""

SHRINKS = frozenset({"Compress", "NonZero", "Unique"})
"""Operators that write about as many elements as they read at most, whatever their output's shape turns out to be."""


def of_shape(op_type: str, attributes: Mapping[str, int], read: Type) -> Array | None:
    """Return the value of Shape or Size of a tensor whose shape is known."""
    if not isinstance(read, TensorType) or not read.is_known:
        return None
    if read.elements > LARGEST_COUNT:
        return None
    if op_type == "Size":
        return np.array(read.elements, np.int64)
    return np.array(read.dims[attributes.get("start", 0) : attributes.get("end")], np.int64)


def constant(node: Node) -> tuple[TensorType | None, Array | None]:
    """Return the type and, where they are few, the elements of what a Constant node holds."""
    kind, value = next(iter(node.attributes.items()), ("", None))
    if isinstance(value, TensorType):
        return value, None
    if kind in _LISTS and isinstance(value, _LISTS[kind][0]):
        value = np.array(value, _LISTS[kind][1])
    if not isinstance(value, np.ndarray):
        return None, None
    return TensorType(protos.dtype_of(value), value.shape), value if value.size <= LARGEST_KEPT else None


_LISTS: dict[str, tuple[type, type]] = {
    "value_int": (int, np.int64),
    "value_ints": (tuple, np.int64),
    "value_float": (float, np.float32),
    "value_floats": (tuple, np.float32),
    "value_string": (str, np.object_),
    "value_strings": (tuple, np.object_),
}
"""By attribute: what Python holds it as, and the element type that it stands for."""


def evaluate(node: Node, inputs: Sequence[Array | None], outputs: Sequence[Type | None]) -> list[Array] | None:
    """Return what a node computes from known inputs; None where that is too much, or the reference can't."""
    if node.domain or node.op_type not in SAFE or not all(_is_small(one, node.op_type) for one in outputs):
        return None
    try:
        with np.errstate(all="ignore"):
            found = _computed(node, inputs)
    except Exception:  # noqa: BLE001  # the reference raises whatever its numpy code raises; unknown stays unknown
        return None
    return [np.asarray(one) for one in found] if all(_is_array(one) for one in found) else None


def _computed(node: Node, inputs: Sequence[Array | None]) -> Sequence[object]:
    if node.op_type == "ConstantOfShape" and inputs[0] is not None:  # models that generate their weights hold hundreds
        value = node.attributes.get("value", np.zeros(1, np.float32))
        return [np.full(inputs[0].tolist(), value.item(), value.dtype)]
    feeds = {name: value for name, value in zip(node.inputs, inputs, strict=True) if name and value is not None}
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415  # 40 ms that a model without shape arithmetic saves

    reference = ReferenceEvaluator(node.proto, opsets={"": min(node.opset, schema.newest(""))})
    return [*reference.run(None, feeds)]


def _is_array(one: object) -> bool:
    return isinstance(one, np.ndarray | np.generic) and one.size <= LARGEST_KEPT


def _is_small(one: Type | None, op_type: str) -> bool:
    """Return whether a result is small enough to be evaluated."""
    if one is None:
        return True
    if not isinstance(one, TensorType):
        return False
    return one.elements <= LARGEST_KEPT if one.is_known else op_type in SHRINKS
