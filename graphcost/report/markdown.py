"""A report as Markdown, for a README or a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabulate import tabulate

from graphcost.report.ink import MARKDOWN
from graphcost.report.summary import facts
from graphcost.report.view import View, select

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.results import Report


def render(report: Report, view: View | None = None) -> str:
    """Return the report as a table and a list; names stand in code spans."""
    view = view or View()
    page = select(report, view)
    ink = MARKDOWN.with_every_digit() if view.exact else MARKDOWN
    *rows, total = page.cells(ink)
    table = tabulate(
        [*rows, [f"**{cell}**" if cell else "" for cell in total]],
        headers=page.titles,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["right" if one.is_number else "left" for one in page.columns],
    )
    return f"{table}\n\n" + "\n".join(_items(report)) + "\n"


def _items(report: Report) -> Iterator[str]:
    for label, text in facts(report, MARKDOWN):
        yield f"- **{label}**: {text}" if label else f"  - {text}"
