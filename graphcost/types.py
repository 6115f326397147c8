"""The nouns of a model: types, values, nodes, graphs. Frozen, and free of protobuf and networkx."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import prod
from typing import TYPE_CHECKING, Any, Literal

from graphcost.errors import UnknownShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from graphcost.results import Finding

    Array = NDArray[np.generic]

Dim = int | str | None
"""A size, the name of a symbolic dimension, or None: unknown."""
Shape = tuple[Dim, ...]


class DType(Enum):
    """An element type, by the name that numpy and ml_dtypes give it."""

    FLOAT64 = "float64"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT8E4M3FN = "float8_e4m3fn"
    FLOAT8E4M3FNUZ = "float8_e4m3fnuz"
    FLOAT8E5M2 = "float8_e5m2"
    FLOAT8E5M2FNUZ = "float8_e5m2fnuz"
    FLOAT8E8M0 = "float8_e8m0fnu"
    FLOAT6E2M3 = "float6_e2m3fn"
    FLOAT6E3M2 = "float6_e3m2fn"
    FLOAT4E2M1 = "float4_e2m1fn"
    COMPLEX128 = "complex128"
    COMPLEX64 = "complex64"
    INT64 = "int64"
    INT32 = "int32"
    INT16 = "int16"
    INT8 = "int8"
    INT4 = "int4"
    INT2 = "int2"
    UINT64 = "uint64"
    UINT32 = "uint32"
    UINT16 = "uint16"
    UINT8 = "uint8"
    UINT4 = "uint4"
    UINT2 = "uint2"
    BOOL = "bool"
    STRING = "string"

    __hash__ = object.__hash__  # each member exists once; Enum's own hash is slow, and types are hashed all the time

    @property
    def bits(self) -> int | None:
        """Bits per element as stored; None for strings, whose size no type tells."""
        return _BITS.get(self)

    @property
    def is_float(self) -> bool:
        """Whether it is a real floating-point type."""
        return self.value.startswith(("float", "bfloat"))

    @property
    def is_integer(self) -> bool:
        """Whether it is an integer type; bool is none."""
        return self.value.startswith(("int", "uint"))


_BITS = {
    DType.FLOAT64: 64, DType.FLOAT32: 32, DType.FLOAT16: 16, DType.BFLOAT16: 16, DType.FLOAT8E4M3FN: 8,
    DType.FLOAT8E4M3FNUZ: 8, DType.FLOAT8E5M2: 8, DType.FLOAT8E5M2FNUZ: 8, DType.FLOAT8E8M0: 8, DType.FLOAT6E2M3: 6,
    DType.FLOAT6E3M2: 6, DType.FLOAT4E2M1: 4, DType.COMPLEX128: 128, DType.COMPLEX64: 64, DType.INT64: 64,
    DType.INT32: 32, DType.INT16: 16, DType.INT8: 8, DType.INT4: 4, DType.INT2: 2, DType.UINT64: 64, DType.UINT32: 32,
    DType.UINT16: 16, DType.UINT8: 8, DType.UINT4: 4, DType.UINT2: 2, DType.BOOL: 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorType:
    """A tensor's element type and shape; either can be unknown."""

    dtype: DType | None
    """The element type, or None."""
    shape: Shape | None
    """One entry per axis, or None where not even the rank is known."""

    @property
    def is_known(self) -> bool:
        """Whether every dimension is a number."""
        return self.shape is not None and _INTEGERS.issuperset(map(type, self.shape))

    @property
    def dims(self) -> tuple[int, ...]:
        """The shape as integers; UnknownShapeError where it isn't known."""
        if not self.is_known:
            raise UnknownShapeError(f"the shape {self} is not known")
        return self.shape  # type: ignore[return-value]  # is_known says that it is there and all are int

    @property
    def rank(self) -> int:
        """The number of axes; UnknownShapeError where it isn't known."""
        if self.shape is None:
            raise UnknownShapeError("the rank is not known")
        return len(self.shape)

    @property
    def elements(self) -> int:
        """The number of elements; UnknownShapeError where it isn't known."""
        return prod(self.dims)

    @property
    def bytes(self) -> int:
        """The size as stored, types below a byte packed; UnknownShapeError where it isn't known."""
        bits = self.dtype.bits if self.dtype else None
        if bits is None:
            raise UnknownShapeError(f"the size of an element of {self} is not known")
        return (self.elements * bits + 7) // 8

    def __str__(self) -> str:
        dtype = self.dtype.value if self.dtype else "?"
        if self.shape is None:
            return f"{dtype}[...]"
        return f"{dtype}[{', '.join('?' if dim is None else str(dim) for dim in self.shape)}]"


Runs = tuple[tuple["Type", int], ...]
"""Types in order, each with how many follow one another."""


@dataclass(frozen=True, slots=True)
class SequenceType:
    """A list of values of one type."""

    element: Type
    """What holds for each entry."""
    entries: Runs | None = None
    """What the entries are one by one; None where not even how many there are is known."""

    @property
    def length(self) -> int | None:
        """How many entries there are, or None."""
        return None if self.entries is None else sum(times for _, times in self.entries)

    def __str__(self) -> str:
        return f"sequence({self.element})"


@dataclass(frozen=True, slots=True)
class OptionalType:
    """A value that may be absent at run time."""

    element: Type
    """What it is where it is there."""
    is_there: bool | None = None
    """Whether it is there; None where only the run can tell."""

    def __str__(self) -> str:
        return f"optional({self.element})"


@dataclass(frozen=True, slots=True)
class MapType:
    """A dictionary, as ai.onnx.ml's classifiers return it."""

    key: DType | None
    """The keys' type."""
    value: Type
    """The values' type."""

    def __str__(self) -> str:
        return f"map({self.key.value if self.key else '?'}, {self.value})"


_INTEGERS = frozenset({int})

Type = TensorType | SequenceType | OptionalType | MapType
UNKNOWN = TensorType(None, None)
"""A value of which nothing is known."""


def size_of(type_: Type | None) -> int | None:
    """Return the bytes of a value of a type, 0 where there is none; None where they aren't known."""
    if type_ is None:
        return 0
    try:
        return type_.bytes if isinstance(type_, TensorType) else None
    except UnknownShapeError:
        return None


def shape_of(type_: Type) -> Shape:
    """Return a type's shape, empty where it has none or the rank isn't known."""
    return (type_.shape or ()) if isinstance(type_, TensorType) else ()


Role = Literal["input", "initializer", "computed"]


@dataclass(frozen=True, slots=True)
class Value:
    """A named tensor in a graph."""

    name: str
    """Its name, unique in its graph."""
    role: Role
    """How it comes to be: given by the caller, stored in the graph, or computed by a node."""
    type: Type = UNKNOWN
    """Its type, as far as the source declares it."""
    read: Callable[[], Array] | None = None
    """Reads its elements, where they are stored and few (at most 4,096)."""
    stored_bytes: int = 0
    """For an initializer: what the source stores for it, in bytes; sparse and packed as it is stored."""
    is_variable: bool = False
    """Whether it stands for a variable of the model that the graph was made from: where there are such, nothing else
    is a weight."""

    @property
    def constant(self) -> Array | None:
        """Its elements, where they are stored and few."""
        return self.read() if self.read else None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One application of an operator in a graph."""

    name: str
    """Its name; may be empty, and need not be unique."""
    op_type: str
    """The operator, or the function that it calls."""
    domain: str
    """The operator's domain; empty for ai.onnx."""
    opset: int
    """The version of its domain that its graph imports."""
    inputs: tuple[str, ...]
    """Names of the values that it reads, in the operator's order; empty where an optional one is left out."""
    outputs: tuple[str, ...]
    """Names of the values that it computes; empty where an optional one is left out."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Python numbers, strings, arrays and tuples of these; graphs are in `subgraphs`."""
    subgraphs: Mapping[str, Graph] = field(default_factory=dict)
    """The bodies of If, Loop and Scan, by attribute."""
    captures: tuple[str, ...] = ()
    """Names of outer values that its subgraphs read."""
    overload: str = ""
    """Which of several functions of one name it calls."""
    layer: str | None = None
    """The call of a layer that it comes from, where the source says: `dense`, `dense#2` for the layer's second call."""
    proto: Any = field(default=None, repr=False)
    """The NodeProto it was read from, for type inference alone."""

    @property
    def operator(self) -> str:
        """The operator's name with its domain, where that isn't ai.onnx."""
        return f"{self.domain}.{self.op_type}" if self.domain else self.op_type


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph:
    """Nodes in an order in which they can run, and the values that they exchange."""

    name: str
    """The graph's name."""
    inputs: tuple[str, ...]
    """Names of the values that the caller gives, initializers left out."""
    outputs: tuple[str, ...]
    """Names of the values that it returns."""
    nodes: tuple[Node, ...]
    """The operators."""
    values: Mapping[str, Value]
    """Inputs, initializers, and the computed values whose types the source declares."""


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A local function of a model, or the body that the specification gives an operator."""

    name: str
    """The function's name."""
    domain: str
    """The domain under which nodes call it."""
    overload: str
    """Tells several functions of one name apart."""
    graph: Graph
    """Its body; the types of its inputs are those of each call."""
    defaults: Mapping[str, Any]
    """Its attributes that have a default, as AttributeProtos."""
    opsets: Mapping[str, int]
    """The version of each domain that its body imports."""


FunctionKey = tuple[str, str, str]
"""A function's domain, name and overload."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight of a layer."""

    name: str
    """What the layer calls it: `kernel`."""
    elements: int
    """How many numbers it holds."""
    is_trainable: bool
    """Whether training changes it."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of the model that a graph was made from."""

    path: str
    """Where it stands in the model: `encoder/dense`; empty for the model itself."""
    class_name: str
    """Its class."""
    weights: tuple[Weight, ...] | None
    """Its own weights, without those of the layers inside it; None where nobody says."""
    outputs: tuple[tuple[Value, ...], ...]
    """What each call of it returns; empty where it is never called."""
    is_built: bool
    """Whether it has the weights that it will have."""

    @property
    def name(self) -> str:
        """Its own name, without those of the layers around it."""
        return self.path.rpartition("/")[2]

    @property
    def trainable(self) -> int | None:
        """Elements of its own weights that training changes; None where nobody says."""
        return None if self.weights is None else sum(one.elements for one in self.weights if one.is_trainable)

    @property
    def frozen(self) -> int | None:
        """Elements of its own weights that training leaves; None where nobody says."""
        return None if self.weights is None else sum(one.elements for one in self.weights if not one.is_trainable)

    @property
    def parameters(self) -> int | None:
        """Elements of its own weights; None where nobody says."""
        return None if self.weights is None else sum(one.elements for one in self.weights)

    @property
    def depth(self) -> int:
        """How many layers are around it."""
        return self.path.count("/") + 1 if self.path else 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model(Graph):
    """A graph together with what its file says about it."""

    source: str
    """Where it came from: a path, or the kind of object."""
    format: str
    """`onnx`, `onnxtxt` or `proto`."""
    producer: str
    """What made it, as it says itself."""
    opsets: Mapping[str, int]
    """The version of each domain that it imports."""
    functions: Mapping[FunctionKey, Function]
    """Its local functions."""
    layers: tuple[Layer, ...] = ()
    """The layers that it was made from, outer before inner, where the source says."""
    findings: tuple[Finding, ...] = ()
    """What was noticed while reading it."""
