"""Types, tensors and attributes between protobuf and the nouns of types.py."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

from graphcost.errors import InvalidModelError
from graphcost.load import names, storage
from graphcost.load.payload import LARGEST_KEPT
from graphcost.load.quote import shown
from graphcost.types import UNKNOWN, DType, MapType, OptionalType, SequenceType, TensorType, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from graphcost.types import Array, Dim

HIGHEST_RANK = 64
"""The rank of the largest array that numpy can hold."""

_DTYPES: dict[int, DType] = {
    onnx.TensorProto.DataType.Value(name): DType(numpy_name)
    for name, numpy_name in (
        ("FLOAT", "float32"), ("UINT8", "uint8"), ("INT8", "int8"), ("UINT16", "uint16"), ("INT16", "int16"),
        ("INT32", "int32"), ("INT64", "int64"), ("STRING", "string"), ("BOOL", "bool"), ("FLOAT16", "float16"),
        ("DOUBLE", "float64"), ("UINT32", "uint32"), ("UINT64", "uint64"), ("COMPLEX64", "complex64"),
        ("COMPLEX128", "complex128"), ("BFLOAT16", "bfloat16"), ("FLOAT8E4M3FN", "float8_e4m3fn"),
        ("FLOAT8E4M3FNUZ", "float8_e4m3fnuz"), ("FLOAT8E5M2", "float8_e5m2"), ("FLOAT8E5M2FNUZ", "float8_e5m2fnuz"),
        ("UINT4", "uint4"), ("INT4", "int4"), ("FLOAT4E2M1", "float4_e2m1fn"), ("FLOAT8E8M0", "float8_e8m0fnu"),
        ("UINT2", "uint2"), ("INT2", "int2"), ("FLOAT6E2M3", "float6_e2m3fn"), ("FLOAT6E3M2", "float6_e3m2fn"),
    )
}  # fmt: skip
_BY_NAME = {dtype.value: dtype for dtype in DType}
_ELEMENT_TYPES = {dtype: number for number, dtype in _DTYPES.items()}


def type_of(proto: onnx.TypeProto) -> Type:
    """Return the type that a TypeProto declares."""
    match proto.WhichOneof("value"):
        case "tensor_type":
            return _tensor_type(proto.tensor_type)
        case "sparse_tensor_type":
            return _tensor_type(proto.sparse_tensor_type)
        case "sequence_type":
            return SequenceType(type_of(proto.sequence_type.elem_type))
        case "optional_type":
            return OptionalType(type_of(proto.optional_type.elem_type))
        case "map_type":
            return MapType(_DTYPES.get(proto.map_type.key_type), type_of(proto.map_type.value_type))
        case _:
            return UNKNOWN


def _tensor_type(proto: onnx.TypeProto.Tensor | onnx.TypeProto.SparseTensor) -> TensorType:
    shape = tuple(map(_dim, proto.shape.dim)) if proto.HasField("shape") else None
    return TensorType(_DTYPES.get(proto.elem_type), shape)


def _dim(proto: onnx.TensorShapeProto.Dimension) -> Dim:
    if proto.HasField("dim_value"):
        return proto.dim_value
    return names.text(proto.dim_param) or None


def proto_of(one: Type) -> onnx.TypeProto:
    """Return a type as a TypeProto; an unknown dimension has no name, an unknown type is an empty message."""
    match one:
        case TensorType(dtype, shape):
            return helper.make_tensor_type_proto(_ELEMENT_TYPES[dtype], shape) if dtype else onnx.TypeProto()
        case SequenceType(element):
            return helper.make_sequence_type_proto(proto_of(element))
        case OptionalType(element):
            return helper.make_optional_type_proto(proto_of(element))
        case MapType(key, value):
            return helper.make_map_type_proto(_ELEMENT_TYPES[key] if key else 0, proto_of(value))


class Stored(NamedTuple):
    """What a stored tensor is."""

    type: TensorType
    """Its type."""
    read: Callable[[], Array] | None
    """Reads its elements: None where they are many, in another file, or can't be read."""
    size: int
    """The bytes of its elements, by its type, or as far as they can be counted."""


def stored(proto: onnx.TensorProto) -> Stored:
    """Return what a stored tensor is; InvalidModelError where it has not as many elements as its dims need."""
    declared, elements, size = _layout_of(proto, proto.dims)
    if size is None:
        size = len(proto.raw_data) + sum(map(len, proto.string_data))
    is_kept = declared.dtype is not None and elements <= LARGEST_KEPT and len(proto.dims) <= HIGHEST_RANK
    if not is_kept or not is_stored_inside(proto):
        return Stored(declared, None, size)
    if declared.dtype is DType.STRING:
        return Stored(declared, partial(_as_is, _strings(proto, declared)), size)
    if proto.HasField("raw_data") and len(proto.raw_data) == size:
        return Stored(declared, partial(numpy_helper.to_array, proto), size)
    return Stored(declared, partial(_as_is, _numbers(proto, declared)), size)


def _as_is(elements: Array) -> Array:
    return elements


def tensor_type(proto: onnx.TensorProto) -> TensorType:
    """Return the type of a stored tensor; InvalidModelError where its dims make no sense."""
    return _layout_of(proto, proto.dims)[0]


def sparse_type(proto: onnx.SparseTensorProto) -> TensorType:
    """Return the type of a stored sparse tensor as a whole; InvalidModelError where its dims make no sense."""
    return _layout_of(proto.values, proto.dims)[0]


def array(proto: onnx.TensorProto) -> Array | None:
    """Return the elements of a stored tensor: None where they are many, external, or not stored at all."""
    read = stored(proto).read
    return read() if read else None


def _layout_of(proto: onnx.TensorProto, dims: Sequence[int]) -> tuple[TensorType, int, int | None]:
    try:
        return _layout(proto.data_type, tuple(dims))
    except InvalidModelError as fault:
        raise InvalidModelError(f"tensor {shown(names.text(proto.name))}: {fault}") from None


@lru_cache(4_096)
def _layout(data_type: int, dims: tuple[int, ...]) -> tuple[TensorType, int, int | None]:
    """Return a stored tensor's type, its elements and its bytes; weights of one shape share them."""
    return TensorType(_DTYPES.get(data_type), dims), storage.element_count(dims), storage.needed_bytes(dims, data_type)


def _strings(proto: onnx.TensorProto, declared: TensorType) -> Array:
    if len(proto.string_data) != declared.elements:
        raise _data_error(proto, declared, f"it has {len(proto.string_data)} strings")
    return np.array([*map(_text, proto.string_data)], np.object_).reshape(declared.dims)


def _numbers(proto: onnx.TensorProto, declared: TensorType) -> Array:
    try:
        return numpy_helper.to_array(proto)
    except (ValueError, TypeError) as fault:
        raise _data_error(proto, declared, str(fault)) from fault


def _data_error(proto: onnx.TensorProto, declared: TensorType, fault: str) -> InvalidModelError:
    name = shown(names.text(proto.name))
    return InvalidModelError(f"tensor {name}: {declared} wants {declared.elements} elements, its data differ: {fault}")


def dtype_of(elements: Array) -> DType | None:
    """Return the element type of an array; strings are stored as objects."""
    return DType.STRING if elements.dtype.kind in "OSU" else _BY_NAME.get(elements.dtype.name)


def is_external(proto: onnx.TensorProto) -> bool:
    """Return whether a tensor's elements are in another file."""
    return proto.data_location == onnx.TensorProto.EXTERNAL


def is_stored_inside(proto: onnx.TensorProto) -> bool:
    """Return whether a tensor's elements stand in the message itself: neither external nor left on disk."""
    if is_external(proto):
        return False
    return proto.HasField("raw_data") or any(len(getattr(proto, name)) for name in _TYPED_DATA) or 0 in proto.dims


_TYPED_DATA = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")


def attribute(proto: onnx.AttributeProto) -> Any:
    """Return an attribute as Python has it; a large tensor or list as its type, any other kind as None."""
    if proto.type in _LISTS and proto.HasField("i"):  # how the front door says that it left so many on disk
        return TensorType(_LISTS[proto.type], (proto.i,))
    read = _READERS.get(proto.type)
    return read(proto) if read else None


def attribute_proto(name: str, value: Any, kind: int | None = None) -> onnx.AttributeProto:
    """Return an attribute as protobuf has it; `kind`, its AttributeType, tells what an empty list lists."""
    held = numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
    return helper.make_attribute(name, held, attr_type=kind)


def _tensor_attribute(proto: onnx.AttributeProto) -> Array | TensorType:
    found = array(proto.t)
    return tensor_type(proto.t) if found is None else found


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


_LISTS = {
    onnx.AttributeProto.FLOATS: DType.FLOAT32,
    onnx.AttributeProto.INTS: DType.INT64,
    onnx.AttributeProto.STRINGS: DType.STRING,
}
_READERS: dict[int, Callable[[onnx.AttributeProto], Any]] = {
    onnx.AttributeProto.INT: lambda proto: proto.i,
    onnx.AttributeProto.FLOAT: lambda proto: proto.f,
    onnx.AttributeProto.STRING: lambda proto: None if proto.i and not proto.s else _text(proto.s),
    onnx.AttributeProto.INTS: lambda proto: tuple(proto.ints),
    onnx.AttributeProto.FLOATS: lambda proto: tuple(proto.floats),
    onnx.AttributeProto.STRINGS: lambda proto: tuple(map(_text, proto.strings)),
    onnx.AttributeProto.TENSOR: _tensor_attribute,
    onnx.AttributeProto.SPARSE_TENSOR: lambda proto: sparse_type(proto.sparse_tensor),
}
