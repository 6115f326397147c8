"""Which lines and columns of a report are shown, and in which order. Whatever is hidden is summed in a last line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from graphcost.errors import UsageError
from graphcost.report import columns
from graphcost.report.columns import COLUMNS, Column, Line
from graphcost.report.ink import times
from graphcost.results import Status
from graphcost.rows import is_counted, summed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from graphcost.bounds import Bounds
    from graphcost.convention import Convention
    from graphcost.report.ink import Ink
    from graphcost.results import Report, Row

By = Literal["node", "operator", "layer"]

READABLE = ("node", "operator", "outputs", "parameters", "macs", "cost", "bytes", "share")
"""The columns of a table for people."""
COMPLETE = (
    "node", "operator", "layer", "parent", "times", "status", "inputs", "outputs", "parameters", "macs", "cost",
    "bytes_read", "bytes_written",
)  # fmt: skip
"""The columns of a table for machines."""
_LAYER = ("layer", "class", "output", "parameters", "trainable", "macs", "cost", "activations", "latency", "share")
"""The columns of a table of layers."""
_SCOPE = ("layer", "parameters", "macs", "cost", "bytes", "latency", "share")
"""The columns where layers are only scopes in the names of nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What of a report is shown."""

    columns: tuple[str, ...] = ()
    """Names of columns; those that suit the format where there are none."""
    sort: str = ""
    """The column to sort by; empty for the order of the file, or by cost where only the top is shown."""
    top: int | None = None
    """How many nodes or operators are shown; None for all."""
    by: By = "node"
    """What a line is."""
    depth: int | None = None
    """How many levels of bodies (functions, Loop, If) are shown below their nodes; None for all."""
    exact: bool = False
    """Whether every digit is shown, where the format rounds."""


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a report that is shown."""

    convention: Convention
    """What the report counts by."""
    columns: Sequence[Column]
    """The columns."""
    lines: Sequence[Line]
    """The nodes or operators."""
    sums: Sequence[Line]
    """What the hidden ones add up to, if any are hidden; last, what all add up to."""

    @property
    def titles(self) -> list[str]:
        """The columns' headings."""
        return [one.title(self.convention) for one in self.columns]

    def cells(self, ink: Ink) -> list[list[str]]:
        """Return what all lines show; the last is the total. A sum's name stands in its first column of text."""
        rows = [[one.show(line, ink) for one in self.columns] for line in (*self.lines, *self.sums)]
        place = next((place for place, one in enumerate(self.columns) if not one.is_number), None)
        for row, line in zip(rows[len(self.lines) :], self.sums, strict=True):
            if place is not None:
                row[place] = line.sums.name
        return rows


def select(report: Report, view: View, default: tuple[str, ...] = READABLE) -> Page:
    """Return what a view shows of a report; UsageError where it names a column that there isn't."""
    convention = report.settings.convention
    chosen = [columns.find(name, convention) for name in view.columns or _suited(default, view.by, report)]
    for one in chosen:
        if view.by not in one.of:
            raise UsageError(f"by {view.by} there is no column {one.name!r}: it belongs to {' and '.join(one.of)}s")
    if view.top is not None and view.top < 0:
        raise UsageError(f"wants to show 0 lines or more, got {view.top}")
    lines, rest = _lines(report, view)
    model = report.by_layer()[0] if view.by == "layer" else None
    total = Line(report.total, whole=report.total.value, layer=model)
    return Page(convention, [*chosen, *_missing(chosen, lines)], lines, [*rest, total])


def _suited(names: tuple[str, ...], by: By, report: Report) -> list[str]:
    """Return the columns that suit: an operator has fewer; people read MACs once where the convention counts them."""
    left_out = {"macs"} if names is READABLE and report.settings.convention.unit == "MAC" else set()
    if by == "layer":
        names = _LAYER if len(report.layers) > 1 else _SCOPE
        left_out |= set() if report.latency else {"latency"}
    if by == "operator":
        left_out |= {"status", *(one.name for one in COLUMNS.values() if by not in one.of)}
        names = ("operator", "nodes", *(name for name in names if name != "operator"))
    return [name for name in names if name not in left_out]


def _missing(chosen: Iterable[Column], lines: Iterable[Line]) -> Iterator[Column]:
    """Yield what has to stand beside the chosen columns: whatever is no part of the sums is marked as such."""
    names = {one.name for one in chosen}
    if "share" in names or not any(one.is_number for one in chosen):
        return
    apart = [line.row for line in lines if line.mark and line.row]
    if "status" not in names and not all(row.cost.status.is_per_run for row in apart):
        yield COLUMNS["status"]
    if "parent" not in names and any(row.parent is not None for row in apart):
        yield COLUMNS["parent"]


def _lines(report: Report, view: View) -> tuple[list[Line], list[Line]]:
    """Return the lines that are shown, and what the hidden ones add up to, if any are hidden."""
    blocks = _sorted(_blocks(report, view), report, view)
    cut = len(blocks) if view.top is None else view.top
    shown = [line for block in blocks[:cut] for line in block]
    if view.by == "operator":
        shown += _apart(report)
    hidden = [block[0].sums for block in blocks[cut:]]
    if not hidden:
        return shown, []
    seen = {row.id for line in shown for row in line.sums.rows}
    rows = {row.id: row for one in hidden for row in one.rows if row.id not in seen}.values()
    rest = summed(f"… and {len(hidden)} more", rows, report.settings.convention)
    return shown, [Line(rest, whole=report.total.value)]


def _blocks(report: Report, view: View) -> list[list[Line]]:
    if view.by == "node":
        return _nodes(report, view.depth)
    return _operators(report) if view.by == "operator" else _layers(report, view.depth)


def _sorted(blocks: list[list[Line]], report: Report, view: View) -> list[list[Line]]:
    """Return lines, each with its bodies, in the order that was asked for; those that are no part of the sums last."""
    name = view.sort or ("" if view.top is None else "cost")
    if not name:
        return blocks
    column = columns.find(name, report.settings.convention)
    return sorted(blocks, key=lambda block: (bool(block[0].mark), *column.rank(block[0])))


def _nodes(report: Report, depth: int | None) -> list[list[Line]]:
    """Return the nodes of the main graph in the order of the file, each followed by those of its bodies."""
    blocks: list[list[Line]] = []
    levels: dict[str | None, int] = {None: -1}
    for row in report.rows:
        level = levels[row.id] = levels[row.parent] + 1
        if level == 0:
            blocks.append([])
        if depth is None or level <= depth:
            blocks[-1].append(_node(row, report))
    return blocks


def _node(row: Row, report: Report) -> Line:
    status = row.cost.status
    if row.parent is not None:
        mark, whole = f"body x{times(row.times)}", None
    else:
        mark, whole = "" if status.is_per_run else status.value, _whole(status, report)
    return Line(row.sums, row.cost.node.operator, status, row, mark, whole)


def _whole(status: Status, report: Report) -> Bounds | None:
    """Return the convention's total, where nodes of a status are part of it."""
    return report.total.value if is_counted(status, report.settings.convention) else None


def _operators(report: Report) -> list[list[Line]]:
    gaps = {row.cost.node.operator: row.cost.status for row in reversed(report.total.rows) if row.cost.status.is_open}
    return [[Line(one, one.name, gaps.get(one.name), whole=report.total.value)] for one in report.by_operator()]


def _layers(report: Report, depth: int | None) -> list[list[Line]]:
    """Return a line for each layer; the first, the model itself, is the total."""
    _model, *layers = report.by_layer()
    return [
        [Line(one.sums, layer=one, whole=report.total.value)]
        for one in layers
        if depth is None or one.layer.depth <= depth + 1
    ]


def _apart(report: Report) -> Iterator[Line]:
    """Yield what does not work in every run."""
    for status, one in ((Status.PREPARATION, report.preparation), (Status.SHAPE, report.shape)):
        if one.nodes:
            yield Line(one, f"({one.name})", mark=one.name, whole=_whole(status, report))
