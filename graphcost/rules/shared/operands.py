"""What many operators ask of an input, or do with one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import TensorType


def check_shape(call: Call, name: str, wanted: tuple[int, ...]) -> None:
    """Raise NodeError where an input has another shape."""
    found = call.input(name).dims
    if found != wanted:
        raise call.error(f"wants {name} of shape {wanted}, it is {found}")


def biased(call: Call, name: str, y: TensorType) -> Iterator[Term]:
    """Yield the work of adding a vector along the last axis of a tensor, where there is one."""
    if call.optional(name):
        check_shape(call, name, y.dims[-1:])
        yield work(f"+ {name}", Arith.ADD, dtype=y.dtype, outputs=y.elements)
