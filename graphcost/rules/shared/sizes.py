"""Arithmetic on sizes that may not be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphcost.types import Dim


def where_known(formula: Callable[..., int], *sizes: Dim) -> int | None:
    """Return what a formula makes of some sizes; None where one of them is not known.

    >>> where_known(lambda past, new: past + new, 3, 4), where_known(lambda past, new: past + new, 3, None)
    (7, None)
    """
    return formula(*sizes) if all(isinstance(size, int) for size in sizes) else None
