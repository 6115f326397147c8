"""Rows: the elements of a tensor that are summed, compared or normalized together."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graphcost.call import Call
    from graphcost.types import TensorType


@dataclass(frozen=True, slots=True)
class Rows:
    """A tensor as so many rows of so many elements each."""

    count: int
    """How many rows."""
    size: int
    """The elements of each."""

    @property
    def elements(self) -> int:
        """The elements of all rows."""
        return self.count * self.size

    @property
    def steps(self) -> int:
        """What it takes to combine the elements of one row: one less than there are, and none where there are none."""
        return max(self.size - 1, 0)


def over(call: Call, tensor: TensorType, axes: Iterable[int]) -> Rows:
    """Return the rows along some axes; negative ones count from the end."""
    combined = {position(call, axis, tensor.rank) for axis in axes}
    dims = tensor.dims
    return Rows(
        count=prod(dim for axis, dim in enumerate(dims) if axis not in combined),
        size=prod(dim for axis, dim in enumerate(dims) if axis in combined),
    )


def from_axis(call: Call, tensor: TensorType, axis: int) -> Rows:
    """Return the rows along an axis and all that follow it."""
    return over(call, tensor, range(position(call, axis, tensor.rank), tensor.rank))


def position(call: Call, axis: int, rank: int) -> int:
    """Return an axis counted from the front."""
    if not -rank <= axis < rank:
        raise call.error(f"wants an axis from {-rank} to {rank - 1}, it is {axis}")
    return axis % rank
