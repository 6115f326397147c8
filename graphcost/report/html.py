"""A report as an HTML fragment, for notebooks: plain tables, no script, no style from elsewhere."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from graphcost.report.ink import TERMINAL
from graphcost.report.summary import facts
from graphcost.report.view import View, select

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graphcost.report.columns import Column
    from graphcost.results import Report

MOST = 1000
"""Nodes that a notebook's cell shows; the others are summed in one line."""


def render(report: Report) -> str:
    """Return the report as two tables: the nodes in the order of the file, and the totals."""
    tops = sum(row.parent is None for row in report.rows)
    page = select(report, View(sort="cost", top=MOST) if tops > MOST else View())
    head = _row(page.titles, page.columns, "th")
    *rows, total = (_row(cells, page.columns, "td") for cells in page.cells(TERMINAL))
    lines = "".join(
        f"<tr><th style='text-align:left'>{escape(label)}</th><td style='text-align:left'>{escape(text)}</td></tr>\n"
        for label, text in facts(report, TERMINAL)
    )
    return (
        f"<div class='graphcost'>\n<table>\n<thead>{head}</thead>\n<tbody>\n{''.join(rows)}</tbody>\n"
        f"<tfoot>{total}</tfoot>\n</table>\n<table>\n<tbody>\n{lines}</tbody>\n</table>\n</div>\n"
    )


def _row(cells: Iterable[str], columns: Iterable[Column], tag: str) -> str:
    aligned = (
        f"<{tag} style='text-align:{'right' if column.is_number else 'left'}'>{escape(cell)}</{tag}>"
        for cell, column in zip(cells, columns, strict=True)
    )
    return f"<tr>{''.join(aligned)}</tr>\n"
