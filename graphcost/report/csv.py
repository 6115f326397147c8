"""A report as CSV: one line per node or operator, every digit, no line for the total."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from graphcost.report.escape import csv_cell
from graphcost.report.ink import MACHINE
from graphcost.report.view import COMPLETE, View, select

if TYPE_CHECKING:
    from graphcost.report.view import Page
    from graphcost.results import Report


def render(report: Report, view: View | None = None) -> str:
    """Return the report as CSV. Rows that are preparation or shape, or that have a parent, are no part of the sums."""
    page = select(report, view or View(), COMPLETE)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_titles(page))
    *rows, _total = page.cells(MACHINE)
    writer.writerows([csv_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _titles(page: Page) -> list[str]:
    """Return the columns' names; what the convention counts is named with its unit and convention."""
    settings = page.report.settings
    cost = f"{settings.unit.lower()}s ({settings.convention})"
    return [cost if one.name == "cost" else one.name for one in page.columns]
