"""Tables and paragraphs that fit into a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tabulate import SEPARATING_LINE, tabulate

from graphcost.report.escape import width

if TYPE_CHECKING:
    from collections.abc import Sequence

NARROWEST = 8
"""Columns of a terminal below which no text is cut."""
GAP = 2
"""Spaces between two columns."""


def draw(titles: Sequence[str], rows: Sequence[Sequence[str]], is_number: Sequence[bool], sums: int = 0) -> str:
    """Return a table with a line below its titles, and one above its last rows where these are sums."""
    body, last = rows[: len(rows) - sums], rows[len(rows) - sums :]
    text = tabulate(
        [titles, SEPARATING_LINE, *body, *([SEPARATING_LINE, *last] if last else [])],
        tablefmt="simple",
        disable_numparse=True,
        colalign=["right" if one else "left" for one in is_number],
    )
    return "\n".join(line.rstrip() for line in text.splitlines()[1:-1])  # without the frame


def fit(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    is_number: Sequence[bool],
    limit: int,
    narrowest: int = NARROWEST,
) -> list[int]:
    """Return how wide each column may be for a table to fit: the widest text gives way first, numbers never do."""
    widths = [max(map(width, cells)) for cells in zip(titles, *rows, strict=True)]
    texts = [place for place, one in enumerate(is_number) if not one]
    while sum(widths) + GAP * (len(widths) - 1) > limit:
        widest = max(texts, key=widths.__getitem__, default=None)
        if widest is None or widths[widest] <= narrowest:
            break
        widths[widest] -= 1
    return widths


def paragraph(label: str, text: str, limit: int | None) -> str:
    """Return a text beside its label, its further lines indented as far."""
    if limit is None:
        return label + text
    lines = wrap(text, max(limit - len(label), 3 * NARROWEST))
    return "\n".join((" " * len(label) if index else label) + line for index, line in enumerate(lines))


def wrap(text: str, limit: int) -> list[str]:
    """Return the lines of a text; a word that is longer than a line stays whole."""
    return textwrap.wrap(text, limit, break_long_words=False, break_on_hyphens=False)
