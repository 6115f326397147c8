"""Report -> text, one module per format. No arithmetic happens here: what is shown was counted before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from graphcost.errors import UsageError
from graphcost.report import csv, json, markdown, table
from graphcost.report.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphcost.report.view import By
    from graphcost.results import Report

Format = Literal["table", "markdown", "csv", "json"]


def render(  # the options of the command line, one by one
    report: Report,
    format_: Format = "table",
    *,
    columns: Sequence[str] = (),
    sort: str = "",
    top: int | None = None,
    by: By = "node",
    depth: int | None = None,
    exact: bool = False,
    width: int | None = None,
) -> str:
    """Return a report as text: `table`, `markdown`, `csv` or `json`.

    `columns` are names of columns; `sort` is the column to sort by, else the order is the file's; of the lines only
    the `top` are shown, by cost where no other order is asked for, the others as their sum; a line is `by` node or
    operator; bodies (functions, Loop, If) are listed `depth` levels below their nodes; `exact` shows every digit;
    `width` is a terminal's. JSON holds the whole report and takes none of these. Raises UsageError for a column that
    there isn't.

    >>> import graphcost
    >>> report = graphcost.analyze("models/mnist_cnn.onnx")
    >>> print(render(report, "csv", by="operator", columns=["operator", "macs"], top=2), end="")
    operator,macs
    Conv,2424960
    MatMul,103040
    … and 5 more,0
    """
    view = View(columns=tuple(columns), sort=sort, top=top, by=by, depth=depth, exact=exact)
    if format_ == "json":
        if view != View():
            raise UsageError("JSON holds the whole report: it takes no columns, sort, top, by, depth or exact")
        return json.render(report)
    if format_ == "table":
        return table.render(report, view, width)
    if format_ == "markdown":
        return markdown.render(report, view)
    if format_ == "csv":
        return csv.render(report, view)
    raise UsageError(f"there is no format {format_!r}; there are {', '.join(get_args(Format))}")
