"""The elements of inputs that the user gives, where they decide what runs: a sampling rate, a shape, a trip count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphcost.errors import UsageError
from graphcost.load.quote import shown
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphcost.types import Array, Graph, Type

    Values = Mapping[str, Sequence[float]]

NO_VALUES: Values = {}
"""No elements are given."""


def shapes_with_values(graph: Graph, shapes: Mapping[str, Sequence[int]], values: Values) -> dict[str, Sequence[int]]:
    """Return the shapes of whole inputs: those given, and that of a list of elements for an input of rank 1."""
    lists = {name: [len(one)] for name, one in values.items() if _rank(graph, name) == 1}
    return {**lists, **shapes}


def elements(types: Mapping[str, Type], values: Values) -> dict[str, Array]:
    """Return the elements that were given, as the inputs hold them.

    Raises UsageError for an input that there is not, that holds something else, or more or fewer elements.
    """
    return {name: _array(name, types.get(name), one) for name, one in values.items()}


def _array(name: str, wanted: Type | None, given: Sequence[float]) -> Array:
    if wanted is None:
        raise UsageError(f"the model has no input {shown(name)} to give a value to")
    if not isinstance(wanted, TensorType) or wanted.dtype not in _HELD:
        raise UsageError(f"input {shown(name)} is {wanted}: only integers, floats and booleans can be given")
    if not wanted.is_known or wanted.elements != len(given):
        raise UsageError(f"input {shown(name)} is {wanted}, {len(given)} elements are given for it")
    if not wanted.dtype.is_float and not all(_fits(one, wanted.dtype) for one in given):
        raise UsageError(f"input {shown(name)} is {wanted}, it can't hold {list(given)}")
    return np.array(given, _HELD[wanted.dtype]).reshape(wanted.dims)


def _fits(one: float, dtype: DType) -> bool:
    """Return whether an integer type, or bool, can hold a number."""
    lowest, highest = (0, 1) if dtype is DType.BOOL else (np.iinfo(_HELD[dtype]).min, np.iinfo(_HELD[dtype]).max)
    return lowest <= one <= highest and int(one) == one


_HELD = {
    dtype: np.dtype(dtype.value)
    for dtype in (
        DType.INT64, DType.INT32, DType.INT16, DType.INT8, DType.UINT64, DType.UINT32, DType.UINT16, DType.UINT8,
        DType.FLOAT64, DType.FLOAT32, DType.FLOAT16, DType.BOOL,
    )
}  # fmt: skip


def _rank(graph: Graph, name: str) -> int | None:
    type_ = graph.values[name].type if name in graph.inputs else None
    return len(type_.shape) if isinstance(type_, TensorType) and type_.shape is not None else None
