"""What a model would cost in another type: every float of 16 bits or more taken as one of that type.

As if the model had been cast whole, weights, inputs and intermediate values. Integers, floats of 8 bits and less, and
operators whose specification computes in a type of its own stay as they are; so do sparse tensors on disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from graphcost.errors import UsageError
from graphcost.types import DType, OptionalType, SequenceType, TensorType

if TYPE_CHECKING:
    from graphcost.call import Call, Fact, TypedGraph
    from graphcost.types import Type

FLOATS = frozenset({DType.FLOAT64, DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16})
"""What is taken as another type."""

NAMES = {
    "fp64": DType.FLOAT64, "fp32": DType.FLOAT32, "fp16": DType.FLOAT16, "bf16": DType.BFLOAT16,
    "fp8": DType.FLOAT8E4M3FN, "fp4": DType.FLOAT4E2M1, "int8": DType.INT8, "int4": DType.INT4,
    **{one: DType(one) for one in ("float64", "float32", "float16", "bfloat16")},
}  # fmt: skip
"""The types that can be asked for, by the names in use."""


def named(name: str) -> DType:
    """Return the type of a name; UsageError where it is none that a model can be taken in."""
    found = NAMES.get(name.lower())
    if found is None:
        raise UsageError(f"no model is taken as {name!r}, only as {', '.join(NAMES)}")
    return found


@lru_cache(maxsize=4096)
def taken_as(dtype: DType, one: Type) -> Type:
    """Return a type with another in place of its floats.

    >>> str(taken_as(DType.INT8, TensorType(DType.FLOAT32, (2, 3))))
    'int8[2, 3]'
    """
    match one:
        case TensorType(found, shape) if found in FLOATS:
            return TensorType(dtype, shape)
        case SequenceType(element, entries):
            runs = entries and tuple((taken_as(dtype, entry), times) for entry, times in entries)
            return SequenceType(taken_as(dtype, element), runs)
        case OptionalType(element, is_there):
            return OptionalType(taken_as(dtype, element), is_there)
        case _:
            return one


def recast(typed: TypedGraph, dtype: DType) -> TypedGraph:
    """Return a graph with another type in place of its floats."""
    return _Recaster(dtype).graph(typed)


@dataclass(slots=True)
class _Recaster:
    """Recasts graphs, each body and each call once."""

    dtype: DType
    _graphs: dict[TypedGraph, TypedGraph] = field(default_factory=dict)
    _calls: dict[Call, Call] = field(default_factory=dict)
    _facts: dict[Fact, Fact] = field(default_factory=dict)

    def graph(self, typed: TypedGraph) -> TypedGraph:
        if typed not in self._graphs:
            calls = tuple([self._call(call) for call in typed.calls])
            facts = {name: self._fact(fact) for name, fact in typed.facts.items()}
            self._graphs[typed] = replace(typed, calls=calls, facts=facts)
        return self._graphs[typed]

    def _call(self, call: Call) -> Call:
        if call not in self._calls:
            inner = call.with_bodies(self.graph)
            self._calls[call] = replace(
                inner,
                inputs=self._types(call.inputs),
                outputs=self._types(call.outputs),
                reads=call.reads and self._types(call.reads),
                writes=call.writes and self._types(call.writes),
                part=call.part and self.graph(call.part),
            )
        return self._calls[call]

    def _types(self, types: tuple[Type | None, ...]) -> tuple[Type | None, ...]:
        return tuple(None if one is None else taken_as(self.dtype, one) for one in types)

    def _fact(self, fact: Fact) -> Fact:
        if fact not in self._facts:
            self._facts[fact] = replace(fact, type=taken_as(self.dtype, fact.type))
        return self._facts[fact]
