"""Inputs of one integer that stand for an attribute. Registers no operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError

if TYPE_CHECKING:
    from graphcost.call import Call


def integer(call: Call, name: str) -> int | None:
    """Return the one element of an input; None where it isn't known, or is left out."""
    try:
        return int(call.scalar(name))
    except UnknownShapeError:
        return None
