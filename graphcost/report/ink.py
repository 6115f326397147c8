"""How each format writes names and numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphcost import units
from graphcost.bounds import NOTHING, share_of
from graphcost.report import escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphcost.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Ink:
    """How a format writes names and numbers."""

    name: Callable[[str], str]
    """A name from the file, safe for the format."""
    prose: Callable[[str], str]
    """A sentence that holds names from the file, safe for the format."""
    count: Callable[[int], str] = units.count
    """A number of parameters, multiply-accumulates or FLOPs."""
    size: Callable[[int], str] = units.size
    """A number of bytes."""
    indents: bool = False
    """Whether what is inside another is moved to the right, instead of being called by its whole path."""

    def with_every_digit(self) -> Ink:
        """Return the same with every digit, in groups of three."""
        return replace(self, count="{:,}".format, size="{:,}".format)


TERMINAL = Ink(escape.name, escape.prose, indents=True)
MARKDOWN = Ink(escape.markdown_name, escape.markdown_prose)
MACHINE = Ink(escape.visible, escape.visible, str, str)
"""Every digit, and nothing else."""


def bounded(number: Bounds, show: Callable[[int], str]) -> str:
    """Return a number, or the range it is in; `>=` where it has no upper end.

    >>> from graphcost.bounds import Bounds
    >>> bounded(Bounds.exactly(5), str), bounded(Bounds(1, 5), str), bounded(Bounds(5, None), str)
    ('5', '1–5', '>= 5')
    """
    if number.high is None:
        return f">= {show(number.low)}"
    return show(number.low) if number.is_exact else f"{show(number.low)}–{show(number.high)}"


def times(count: int | None) -> str:
    """Return how often a body runs."""
    return "?" if count is None else str(count)


def share(part: Bounds, whole: Bounds) -> str:
    """Return a part of a whole in percent; `<=` where either is not exact, `-` where there is nothing to share.

    >>> from graphcost.bounds import Bounds
    >>> share(Bounds.exactly(1), Bounds.exactly(8)), share(Bounds.exactly(1), Bounds(8, None))
    ('12.5 %', '<= 12.5 %')
    """
    if whole == NOTHING:
        return "-"
    most = share_of(part, whole)
    if most is None:
        return "?"
    return f"{'' if part.is_exact and whole.is_exact else '<= '}{units.percent(most)}"
