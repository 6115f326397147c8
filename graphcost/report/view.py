"""Which lines and columns of a report are shown, and in which order. Whatever is hidden is summed in a last line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from graphcost import conventions
from graphcost.errors import UsageError
from graphcost.report import columns
from graphcost.report.columns import Column, Line
from graphcost.report.ink import MACHINE
from graphcost.results import Group, Status, summed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from graphcost.report.ink import Ink
    from graphcost.results import Report, Row

By = Literal["node", "operator"]

READABLE = ("node", "operator", "outputs", "parameters", "macs", "cost", "bytes", "share")
"""The columns of a table for people."""
COMPLETE = (
    "node", "operator", "layer", "parent", "times", "status", "inputs", "outputs", "parameters", "macs", "cost",
    "bytes_read", "bytes_written",
)  # fmt: skip
"""The columns of a table for machines."""
ONLY_NODES = frozenset({"node", "layer", "parent", "times", "inputs", "outputs"})
"""Columns that an operator does not have."""


@dataclass(frozen=True, slots=True)
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

    report: Report
    """The report."""
    columns: tuple[Column, ...]
    """The columns."""
    lines: tuple[Line, ...]
    """The nodes or operators."""
    rest: Line | None
    """What the hidden ones add up to; None where none is hidden."""
    total: Line
    """What all add up to."""

    @property
    def titles(self) -> list[str]:
        """The columns' headings."""
        return [one.title(self.report.settings) for one in self.columns]

    def cells(self, ink: Ink) -> list[list[str]]:
        """Return what all lines show; the last is the total."""
        rows = [self._shown(line, ink) for line in self.lines]
        sums = [line for line in (self.rest, self.total) if line]
        return [*rows, *(self._labelled(line.sums.name, self._shown(line, ink)) for line in sums)]

    def _shown(self, line: Line, ink: Ink) -> list[str]:
        return [one.show(line, ink, self.report) for one in self.columns]

    def _labelled(self, label: str, cells: list[str]) -> list[str]:
        """Put what a sum is called into its first column of text."""
        place = next((place for place, one in enumerate(self.columns) if not one.is_number), None)
        return cells if place is None else [*cells[:place], label, *cells[place + 1 :]]


def select(report: Report, view: View, default: tuple[str, ...] = READABLE) -> Page:
    """Return what a view shows of a report; UsageError where it names a column that there isn't."""
    wanted = view.columns or _suited(default, view.by, report)
    chosen = tuple(columns.find(name, report.settings) for name in wanted)
    for one in chosen:
        if view.by == "operator" and one.name in ONLY_NODES:
            raise UsageError(f"by operator there is no column {one.name!r}: it belongs to single nodes")
    if view.top is not None and view.top < 0:
        raise UsageError(f"wants to show 0 lines or more, got {view.top}")
    lines, rest = (_nodes if view.by == "node" else _operators)(report, view)
    total = Line(replace(report.total, name="total"))
    return Page(report, (*chosen, *_missing(chosen, lines)), lines, rest, total)


def _suited(names: tuple[str, ...], by: By, report: Report) -> tuple[str, ...]:
    """Return the columns that suit: an operator has fewer; MACs stand once where the convention counts them too."""
    if by == "operator":
        names = ("operator", "nodes", *(one for one in names if one not in ONLY_NODES | {"operator", "status"}))
    repeats = report.settings.unit == "MAC" and names[-1] == "share"
    return tuple(one for one in names if not (repeats and one == "macs"))


def _missing(chosen: tuple[Column, ...], lines: Iterable[Line]) -> Iterator[Column]:
    """Yield what has to be there beside the chosen columns: whatever is no part of the sums is marked as such."""
    names = {one.name for one in chosen}
    if "share" in names or not any(one.is_number for one in chosen):
        return
    rows = [line.row for line in lines if line.mark and line.row]
    for name, is_needed in (
        ("status", any(not row.cost.status.is_per_run for row in rows)),
        ("parent", any(row.parent is not None for row in rows)),
    ):
        if is_needed and name not in names:
            yield next(one for one in columns.COLUMNS if one.name == name)


def _nodes(report: Report, view: View) -> tuple[tuple[Line, ...], Line | None]:
    counts_preparation = _counts_preparation(report)
    below: dict[str | None, list[Row]] = {}
    for row in report.rows:
        below.setdefault(row.parent, []).append(row)
    top = _sorted([_line(row, counts_preparation=counts_preparation) for row in below.get(None, [])], report, view)
    shown, hidden = top[: view.top], top[len(top[: view.top]) :]
    lines = tuple(_with_bodies(shown, below, view.depth))
    return lines, _rest([line.row for line in hidden if line.row], len(hidden), report)


def _with_bodies(lines: Sequence[Line], below: dict[str | None, list[Row]], depth: int | None) -> Iterator[Line]:
    stack = [(line, 0) for line in reversed(lines)]
    while stack:
        line, level = stack.pop()
        yield line
        if line.row and (depth is None or level < depth):
            bodies = below.get(line.row.id, ())
            stack += [(_line(row, counts_preparation=False), level + 1) for row in reversed(bodies)]


def _line(row: Row, *, counts_preparation: bool) -> Line:
    numbers = Group(row.id, 1, row.cost.parameters, row.macs, row.value, row.read, row.written)
    status, mark = row.cost.status, _mark(row)
    is_counted = not mark or (counts_preparation and status is Status.PREPARATION)
    return Line(numbers, row.cost.node.operator, status, row, mark, is_counted)


def _mark(row: Row) -> str:
    if row.parent is not None:
        return f"body x{'?' if row.times is None else row.times}"
    return "" if row.cost.status.is_per_run else row.cost.status.value


def _operators(report: Report, view: View) -> tuple[tuple[Line, ...], Line | None]:
    rows = [row for row in report.rows if row.parent is None and row.cost.status.is_per_run]
    is_open = {row.cost.node.operator: row.cost.status for row in reversed(rows) if row.cost.status.is_open}
    found = [Line(one, one.name, is_open.get(one.name)) for one in report.by_operator()]
    found = _sorted(found, report, view)
    shown, hidden = found[: view.top], {one.operator for one in found[len(found[: view.top]) :]}
    rest = _rest([row for row in rows if row.cost.node.operator in hidden], len(hidden), report)
    return (*shown, *_apart(report)), rest


def _apart(report: Report) -> Iterator[Line]:
    """Yield what does not work in every run."""
    for one in (report.preparation, report.shape):
        if one.nodes:
            is_counted = one is report.preparation and _counts_preparation(report)
            yield Line(one, f"({one.name})", mark=one.name, is_counted=is_counted)


def _counts_preparation(report: Report) -> bool:
    return conventions.find(report.settings.convention).includes_preparation


def _sorted(lines: list[Line], report: Report, view: View) -> list[Line]:
    """Return lines in the order that was asked for, those that are no part of the sums last."""
    name = view.sort or ("" if view.top is None else "cost")
    if not name:
        return lines
    key = columns.sort_key(columns.find(name, report.settings), report, MACHINE)
    return sorted(lines, key=lambda line: (bool(line.mark), *key(line)))


def _rest(rows: Sequence[Row], count: int, report: Report) -> Line | None:
    if not count:
        return None
    return Line(summed(f"… and {count} more", rows, counts_preparation=_counts_preparation(report)))
