"""A report as a table for a terminal, or for what a notebook prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.report import escape
from graphcost.report.ink import TERMINAL
from graphcost.report.layout import GAP, NARROWEST, draw, fit, paragraph
from graphcost.report.summary import facts
from graphcost.report.view import View, select

if TYPE_CHECKING:
    from graphcost.report.view import Page
    from graphcost.results import Report


def render(report: Report, view: View | None = None, width: int | None = None) -> str:
    """Return the report as text, cut to a terminal's width where one is given."""
    view = view or View()
    page = select(report, view)
    rows = page.cells(TERMINAL.with_every_digit() if view.exact else TERMINAL)
    return f"{_table(page, rows, width)}\n\n{_summary(report, width)}\n"


def _table(page: Page, rows: list[list[str]], width: int | None) -> str:
    is_number = [one.is_number for one in page.columns]
    if width is not None:
        labels = (escape.width(line.sums.name) for line in page.sums)
        widths = fit(page.titles, rows, is_number, width, max(NARROWEST, *labels))
        rows = [[escape.shorten(cell, limit) for cell, limit in zip(row, widths, strict=True)] for row in rows]
    return draw(page.titles, rows, is_number, sums=1)


def _summary(report: Report, width: int | None) -> str:
    found = list(facts(report, TERMINAL))
    margin = max(len(label) for label, _ in found) + GAP
    return "\n".join(paragraph(label.ljust(margin), text, width) for label, text in found)
