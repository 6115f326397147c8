"""A report as CSV: one line per node or operator, every digit, no line for the total."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from graphcost.report.escape import csv_cell
from graphcost.report.ink import MACHINE
from graphcost.report.view import COMPLETE, View, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graphcost.results import Report


def render(report: Report, view: View | None = None) -> str:
    """Return the report as CSV. Rows that are preparation or shape, or that have a parent, are no part of the sums.

    What the convention counts is named with its unit and convention.
    """
    page = select(report, view or View(), COMPLETE)
    cost = f"{page.convention.unit.lower()}s ({page.convention.name})"
    *rows, _total = page.cells(MACHINE)
    return write([[cost if one.name == "cost" else one.name for one in page.columns], *rows])


def write(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as CSV, of which no cell is a formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([csv_cell(cell) for cell in row] for row in rows)
    return text.getvalue()
