"""What a line of a table shows in which column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphcost import units
from graphcost.bounds import NOTHING, UNBOUNDED, Bounds
from graphcost.errors import UsageError
from graphcost.report.ink import bounded
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from graphcost.report.ink import Ink
    from graphcost.results import Group, Report, Row, Settings, Status
    from graphcost.types import Type


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: a node, an operator, or what several of them add up to."""

    sums: Group
    """Its numbers; its name is the node's id, the operator, or what is added up."""
    operator: str = ""
    """The operator; empty where it stands for several."""
    status: Status | None = None
    """The node's status; of an operator's nodes, the first whose cost is not known."""
    row: Row | None = None
    """The node; None where it stands for several."""
    mark: str = ""
    """Why it is no part of the sums; empty where it is one."""
    is_counted: bool = True
    """Whether the convention's total includes it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    """How the command line calls it."""
    show: Callable[[Line, Ink, Report], str]
    """What a line shows in it."""
    number: Callable[[Line], Bounds | None] | None = None
    """The number behind it; None for a column of text."""

    @property
    def is_number(self) -> bool:
        """Whether it stands at the right."""
        return self.number is not None

    def title(self, settings: Settings) -> str:
        """Return its heading."""
        return cost_title(settings) if self.name == "cost" else _TITLES.get(self.name, self.name)


_TITLES = {"bytes_read": "read", "bytes_written": "written", "macs": "MACs", "outputs": "output", "inputs": "input"}


def cost_title(settings: Settings) -> str:
    """Return what the convention counts; graphcost's own needs no name."""
    unit = f"{settings.unit}s"
    return unit if settings.convention == "graphcost" else f"{unit} ({settings.convention})"


def find(name: str, settings: Settings) -> Column:
    """Return a column by its name; `flops` is the cost, where the convention counts FLOPs."""
    if name == "flops" and settings.unit != "FLOP":
        raise UsageError(f"the convention {settings.convention!r} counts MACs, it has no column 'flops'")
    for one in COLUMNS:
        if one.name == {"flops": "cost"}.get(name, name):
            return one
    raise UsageError(f"there is no column {name!r}; there are {', '.join(one.name for one in COLUMNS)}")


def sort_key(column: Column, report: Report, ink: Ink) -> Callable[[Line], tuple[int, str]]:
    """Return what lines are sorted by: numbers from the largest, texts from A."""

    def key(line: Line) -> tuple[int, str]:
        if column.number is None:
            return 0, column.show(line, ink, report)
        number = column.number(line)
        return (1 if number is None else -number.best), ""

    return key


def _node(line: Line, ink: Ink, _report: Report) -> str:
    return ink.name(line.sums.name) if line.row else ""


def _operator(line: Line, ink: Ink, _report: Report) -> str:
    return ink.name(line.operator)


def _layer(line: Line, ink: Ink, _report: Report) -> str:
    return ink.name(line.row.layer or "") if line.row else ""


def _parent(line: Line, ink: Ink, _report: Report) -> str:
    return ink.name(line.row.parent or "") if line.row else ""


def _times(line: Line, _ink: Ink, _report: Report) -> str:
    if line.row is None:
        return ""
    return "?" if line.row.times is None else str(line.row.times)


def _status(line: Line, _ink: Ink, _report: Report) -> str:
    return line.status.value if line.status else ""


def _inputs(line: Line, ink: Ink, _report: Report) -> str:
    return _shapes(line.row.cost.call.inputs, ink) if line.row else ""


def _outputs(line: Line, ink: Ink, _report: Report) -> str:
    return _shapes(line.row.cost.call.outputs, ink) if line.row else ""


def _shapes(types: Iterable[Type | None], ink: Ink) -> str:
    return ", ".join(_shape(one, ink) for one in types if one is not None)


def _shape(type_: Type, ink: Ink) -> str:
    if not isinstance(type_, TensorType):
        return ink.name(str(type_))
    if type_.shape is None:
        return "?"
    return "x".join(str(dim) if isinstance(dim, int) else "?" for dim in type_.shape) or "scalar"


def _work(number: Callable[[Line], Bounds | None]) -> Callable[[Line, Ink, Report], str]:
    """Return what shows work: a word where nothing is known of it, or where the convention does not count it."""

    def show(line: Line, ink: Ink, _report: Report) -> str:
        found = number(line)
        if line.status and line.status.is_open and (found is None or not found.low):
            return line.status.value
        return "not counted" if found is None else bounded(found, ink.count)

    return show


def _traffic(number: Callable[[Line], Bounds]) -> Callable[[Line, Ink, Report], str]:
    """Return what shows bytes; what a node without a rule reads and writes can be known."""

    def show(line: Line, ink: Ink, _report: Report) -> str:
        found = number(line)
        if line.status and line.status.is_open and found == UNBOUNDED:
            return line.status.value
        return bounded(found, ink.size)

    return show


def _share(line: Line, _ink: Ink, report: Report) -> str:
    """Show the share of the convention's total, or why the line is no part of it."""
    part, whole = line.sums.value or NOTHING, report.total.value or NOTHING
    if not line.is_counted or line.sums.value is None:
        return line.mark
    if part.is_exact and whole.is_exact:
        found = units.share(part.low, whole.low)
    elif part.high is None or not whole.low:
        found = "?"
    else:
        found = f"<= {units.share(min(part.high, whole.low), whole.low)}"
    return f"{line.mark} {found}".strip()


def _parameters(line: Line) -> Bounds:
    return Bounds.exactly(line.sums.parameters)


def _macs(line: Line) -> Bounds:
    return line.sums.macs


def _cost(line: Line) -> Bounds | None:
    return line.sums.value


def _read(line: Line) -> Bounds:
    return line.sums.read


def _written(line: Line) -> Bounds:
    return line.sums.written


def _bytes(line: Line) -> Bounds:
    return line.sums.read + line.sums.written


def _nodes(line: Line) -> Bounds:
    return Bounds.exactly(line.sums.nodes)


def _exactly(number: Callable[[Line], Bounds]) -> Callable[[Line, Ink, Report], str]:
    return lambda line, ink, _report: bounded(number(line), ink.count)


COLUMNS = (
    Column("node", _node),
    Column("operator", _operator),
    Column("layer", _layer),
    Column("parent", _parent),
    Column("times", _times),
    Column("status", _status),
    Column("inputs", _inputs),
    Column("outputs", _outputs),
    Column("nodes", _exactly(_nodes), _nodes),
    Column("parameters", _exactly(_parameters), _parameters),
    Column("macs", _work(_macs), _macs),
    Column("cost", _work(_cost), _cost),
    Column("bytes_read", _traffic(_read), _read),
    Column("bytes_written", _traffic(_written), _written),
    Column("bytes", _traffic(_bytes), _bytes),
    Column("share", _share, _cost),
)
"""All columns that a table can have."""
