"""Tables and paragraphs that fit into a terminal, and tables in Markdown."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from graphcost.report.escape import width

if TYPE_CHECKING:
    from collections.abc import Sequence

NARROWEST = 8
"""Columns of a terminal below which no text is cut."""
GAP = 2
"""Spaces between two columns."""


def draw(titles: Sequence[str], rows: Sequence[Sequence[str]], is_number: Sequence[bool], sums: int = 0) -> str:
    """Return a table with a line below its titles, and one above its last rows where these are sums."""
    rule, title, *body, _rule = _tabulate([titles, *rows], "simple", is_number).splitlines()
    last = len(body) - sums
    lines = [title, rule, *body[:last], *([rule] if sums else []), *body[last:]]
    return "\n".join(line.rstrip() for line in lines)


def plain(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table that has no titles and no lines across it."""
    return [line.rstrip() for line in _tabulate(rows, "plain").splitlines()]


def pipes(titles: Sequence[str], rows: Sequence[Sequence[str]], is_number: Sequence[bool] = ()) -> str:
    """Return a table in Markdown; its cells are escaped already."""
    return _tabulate(rows, "pipe", is_number, headers=titles)


def _tabulate(
    rows: Sequence[Sequence[str]], style: str, is_number: Sequence[bool] = (), headers: Sequence[str] = ()
) -> str:
    from tabulate import tabulate  # noqa: PLC0415  # takes 60 ms to import, and no help text needs it

    aligned = ["right" if one else "left" for one in is_number] or None
    return tabulate(
        rows, headers=headers, tablefmt=style, colalign=aligned, disable_numparse=True, preserve_whitespace=True
    )


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


def first_line(doc: str | None) -> str:
    """Return what a docstring says in its first line."""
    return (doc or "").strip().partition("\n")[0]
