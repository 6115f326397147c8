"""A report as Markdown, for a README or a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.report.ink import MARKDOWN
from graphcost.report.layout import pipes
from graphcost.report.summary import facts
from graphcost.report.view import View, select

if TYPE_CHECKING:
    from graphcost.results import Report


def render(report: Report, view: View | None = None) -> str:
    """Return the report as a table and a list; names stand in code spans."""
    view = view or View()
    page = select(report, view)
    *rows, total = page.cells(MARKDOWN.with_every_digit() if view.exact else MARKDOWN)
    bold = [f"**{cell}**" if cell else "" for cell in total]
    table = pipes(page.titles, [*rows, bold], [one.is_number for one in page.columns])
    items = [f"- **{label}**: {text}" if label else f"  - {text}" for label, text in facts(report, MARKDOWN)]
    return f"{table}\n\n" + "\n".join(items) + "\n"
