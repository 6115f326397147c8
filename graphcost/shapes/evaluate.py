"""The values of tensors that are known before any run, through onnx's reference implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx

from graphcost.load import protos, schema
from graphcost.load.payload import LARGEST_KEPT
from graphcost.load.storage import LARGEST_COUNT
from graphcost.shapes import amend
from graphcost.types import OptionalType, SequenceType, TensorType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphcost.types import Array, Node, Type

RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
"""Operators that give another value in every run, even where their inputs are constant."""

ASKS_TYPE = frozenset({"OptionalHasElement", "SequenceLength", "Shape", "Size"})
"""Operators that ask what a value is, and read none of its elements."""

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

READ_AS_NEWEST = {"Softmax": 13}
"""Operators that meant something else before an opset, which the reference does not know."""

SHRINKS = frozenset({"Compress", "NonZero", "Unique"})
"""Operators that write about as many elements as they read at most, whatever their output's shape turns out to be."""


def of_type(node: Node, types: Sequence[Type | None]) -> Array | None:
    """Return what an operator that asks what a value is finds out; None where only the run can tell."""
    if node.domain or node.op_type not in ASKS_TYPE:
        return None
    asked = types[0] if types else None
    match node.op_type:
        case "OptionalHasElement":
            is_there = _is_there(asked)
            return None if is_there is None else np.array(is_there)
        case "SequenceLength":
            length = asked.length if isinstance(asked, SequenceType) else None
            return None if length is None or length > LARGEST_COUNT else np.array(length, np.int64)
        case _:
            return of_shape(node.op_type, node.attributes, asked) if isinstance(asked, TensorType) else None


def _is_there(asked: Type | None) -> bool | None:
    match asked:
        case OptionalType(_, is_there):
            return is_there
        case TensorType(None, _):  # of which nothing is known, not even that it is a tensor
            return None
        case _:
            return asked is not None


def of_shape(op_type: str, attributes: Mapping[str, object], asked: TensorType) -> Array | None:
    """Return the value of Shape or Size of a tensor; None where a dimension of which it speaks isn't known."""
    start, end = attributes.get("start", 0), attributes.get("end")
    if not isinstance(start, int) or not isinstance(end, int | None):
        return None
    shape = (asked.shape or ())[start:end]
    known = TensorType(asked.dtype, None if asked.shape is None else shape)
    if not known.is_known or known.elements > LARGEST_COUNT:
        return None
    return np.array(known.elements if op_type == "Size" else known.dims, np.int64)


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


def evaluate(node: Node, inputs: Sequence[Array | None], outputs: Sequence[Type | None]) -> list[Array | None] | None:
    """Return what a node computes from known inputs, None for an output that is left out.

    Nothing where that is too much, or the reference can't, or what it gives is not of the inferred types.
    """
    if node.domain or node.op_type not in SAFE or node.opset < READ_AS_NEWEST.get(node.op_type, 0):
        return None
    if _is_in_any_order(node) or not all(_is_small(one, node.op_type) for one in outputs):
        return None
    on_fault: Literal["raise", "ignore"] = "raise" if any(map(_is_integer, outputs)) else "ignore"
    try:
        with np.errstate(divide=on_fault, invalid=on_fault, over="ignore", under="ignore"):
            found = iter(_computed(node, inputs))
    except Exception:  # noqa: BLE001  # the reference raises whatever its numpy code raises; unknown stays unknown
        return None
    given = [next(found, None) if name else None for name in node.outputs]
    pairs = zip(node.outputs, given, outputs, strict=True)
    return [*map(_array, given)] if all(_is_array(one, inferred) for name, one, inferred in pairs if name) else None


def _is_in_any_order(node: Node) -> bool:
    """Return whether a node leaves the order of its results open, or the reference does not keep to it."""
    return node.op_type in {"TopK", "Unique"} and node.attributes.get("sorted", 1) != 1


def _is_integer(one: Type | None) -> bool:
    """Return whether a type has integers, among which nothing stands for x / 0 or for what does not fit."""
    return isinstance(one, TensorType) and one.dtype is not None and one.dtype.is_integer


def _array(one: object) -> Array | None:
    return None if one is None else np.asarray(one)


def _computed(node: Node, inputs: Sequence[Array | None]) -> Sequence[object]:
    if node.op_type == "ConstantOfShape" and inputs[0] is not None:  # models that generate their weights hold hundreds
        value = node.attributes.get("value", np.zeros(1, np.float32))
        return [np.full(inputs[0].tolist(), value.item(), value.dtype)]
    feeds = {name: value for name, value in zip(node.inputs, inputs, strict=True) if name and value is not None}
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415  # 40 ms that a model without shape arithmetic saves

    rank = next((one.ndim for one in inputs if one is not None), None)
    return [*ReferenceEvaluator(_function(node, rank)).run(None, feeds, attributes={})]


def _function(node: Node, rank: int | None) -> onnx.FunctionProto:
    """Return a node as a function: of a node alone the reference takes the newest version, whatever its opset."""
    proto = amend.in_order(node, rank)
    found = onnx.FunctionProto(name="one", domain="one", input=filter(None, node.inputs), node=[proto])
    found.output.extend(filter(None, node.outputs))
    found.opset_import.add(version=min(node.opset, schema.newest("")))
    return found


def _is_array(one: object, inferred: Type | None) -> bool:
    """Return whether a result is an array that can be kept, of the type that was inferred for it."""
    if not isinstance(one, np.ndarray | np.generic) or one.size > LARGEST_KEPT or not isinstance(inferred, TensorType):
        return False
    if inferred.dtype not in {None, protos.dtype_of(np.asarray(one))}:
        return False
    shape = (None,) * one.ndim if inferred.shape is None else inferred.shape
    return len(shape) == one.ndim and all(dim in {None, size} for dim, size in zip(shape, one.shape, strict=True))


def _is_small(one: Type | None, op_type: str) -> bool:
    """Return whether a result is small enough to be evaluated."""
    if one is None:
        return True
    if not isinstance(one, TensorType):
        return False
    return one.elements <= LARGEST_KEPT if one.is_known else op_type in SHRINKS
