"""What a line of a table shows in which column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphcost import units
from graphcost.bounds import UNBOUNDED, Bounds
from graphcost.errors import UsageError
from graphcost.report.ink import MACHINE, bounded, share, times
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from graphcost.convention import Convention
    from graphcost.layers import LayerCost
    from graphcost.report.ink import Ink
    from graphcost.results import Group, Row, Status
    from graphcost.types import Type

    Number = Callable[[Group], Bounds | None]


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
    whole: Bounds | None = None
    """The convention's total that it is a part of; None where it is none."""
    layer: LayerCost | None = None
    """The layer; None where it is none."""

    @property
    def gap(self) -> str:
        """The word for a cost that is not known; empty where it is."""
        return self.status.value if self.status and self.status.is_open else ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    """How the command line calls it."""
    show: Callable[[Line, Ink], str]
    """What a line shows in it."""
    number: Callable[[Line], Bounds | None] | None = None
    """The number behind it; None for a column of text."""
    heading: str = ""
    """What stands above it; empty for its name, or for what the convention counts."""
    of: tuple[str, ...] = ("node", "operator", "layer")
    """What has it."""

    @property
    def is_number(self) -> bool:
        """Whether it stands at the right."""
        return self.number is not None

    def title(self, convention: Convention) -> str:
        """Return its heading."""
        return cost_title(convention) if self.name == "cost" else self.heading or self.name

    def rank(self, line: Line) -> tuple[int, str]:
        """Return what lines are sorted by: numbers from the largest, texts from A."""
        if self.number is None:
            return 0, self.show(line, MACHINE)
        found = self.number(line)
        return (1 if found is None else -found.best), ""


def cost_title(convention: Convention) -> str:
    """Return what the convention counts; graphcost's own needs no name."""
    return f"{convention.unit}s" if convention.name == "graphcost" else f"{convention.unit}s ({convention.name})"


def find(name: str, convention: Convention) -> Column:
    """Return a column by its name; `flops` is the cost, where the convention counts FLOPs."""
    if name == "flops" and convention.unit != "FLOP":
        raise UsageError(f"the convention {convention.name!r} counts MACs, it has no column 'flops'")
    found = COLUMNS.get("cost" if name == "flops" else name)
    if found is None:
        raise UsageError(f"there is no column {name!r}; there are {', '.join(COLUMNS)}")
    return found


def _text(name: str, show: Callable[[Row, Ink], str], heading: str = "") -> Column:
    """Return a column of text that only single nodes have."""
    return Column(name, lambda line, ink: show(line.row, ink) if line.row else "", heading=heading, of=("node",))


def _of_layers(name: str, show: Callable[[LayerCost, Ink], str], heading: str = "") -> Column:
    """Return a column of text that only layers have."""
    return Column(name, lambda line, ink: show(line.layer, ink) if line.layer else "", heading=heading, of=("layer",))


def _indented(one: LayerCost, ink: Ink) -> str:
    """Return a layer's name behind two spaces for each layer around it, or its path."""
    return "  " * (one.layer.depth - 1) + ink.name(one.layer.name) if ink.indents else ink.name(one.layer.path)


def _returned(one: LayerCost, ink: Ink) -> str:
    """Return the shapes of what a layer's first call returns, and how many calls there are where it isn't one."""
    if one.layer.trainable is None:
        return ""
    calls = one.layer.outputs
    if not calls:
        return "never called"
    return _shapes(one.first_outputs, ink) + (f", {len(calls)} calls" if len(calls) > 1 else "")


def _shapes(types: Iterable[Type | None], ink: Ink) -> str:
    return ", ".join(_shape(one, ink) for one in types if one is not None)


def _shape(type_: Type, ink: Ink) -> str:
    if not isinstance(type_, TensorType):
        return ink.name(str(type_))
    if type_.shape is None:
        return "?"
    return "x".join(str(dim) if isinstance(dim, int) else "?" for dim in type_.shape) or "scalar"


def _count(name: str, number: Number) -> Column:
    return _measured(name, number, lambda ink: ink.count)


def _size(name: str, number: Number, heading: str = "") -> Column:
    """Return a column of bytes; what a node without a rule reads and writes can be known."""
    return _measured(name, number, lambda ink: ink.size, heading)


def _measured(name: str, number: Number, write: Callable[[Ink], Callable[[int], str]], heading: str = "") -> Column:
    def show(line: Line, ink: Ink) -> str:
        return _number(line, number(line.sums), write(ink))

    return Column(name, show, lambda line: number(line.sums), heading)


def _work(name: str, number: Number, heading: str = "") -> Column:
    """Return a column of work; where some is not known, none is no number to show."""

    def show(line: Line, ink: Ink) -> str:
        found = number(line.sums)
        is_none = found is None or not found.low
        return line.gap if line.gap and is_none else _number(line, found, ink.count)

    return Column(name, show, lambda line: number(line.sums), heading)


def _of_layer(
    name: str, number: Callable[[LayerCost], Bounds | None], write: Callable[[Ink], Callable[[int], str]]
) -> Column:
    """Return a column of numbers that only layers have; empty where nobody says."""

    def found(line: Line) -> Bounds | None:
        return number(line.layer) if line.layer else None

    def show(line: Line, ink: Ink) -> str:
        bounds = found(line)
        return "" if bounds is None else bounded(bounds, write(ink))

    return Column(name, show, found, of=("layer",))


def _number(line: Line, found: Bounds | None, write: Callable[[int], str]) -> str:
    """Return a number; a word where nothing is known of it, or where the convention does not count it."""
    if line.gap and found == UNBOUNDED:
        return line.gap
    return "not counted" if found is None else bounded(found, write)


def _share(line: Line, _ink: Ink) -> str:
    """Return the share of the convention's total, or why the line is no part of it."""
    if line.whole is None or line.sums.value is None:
        return line.mark
    return f"{line.mark} {share(line.sums.value, line.whole)}".strip()


def _exactly(count: int | None) -> Bounds | None:
    return None if count is None else Bounds.exactly(count)


def _layer(line: Line, ink: Ink) -> str:
    """Return the layer of a node, or a layer's own name."""
    if line.layer:
        return _indented(line.layer, ink)
    return ink.name(line.row.layer or "") if line.row else ""


def _latency(line: Line, _ink: Ink) -> str:
    """Return the time on each device, in the order in which they were asked for."""
    found = line.layer.latency if line.layer else ()
    return " / ".join(f"{'>= ' if one.is_lower_bound else ''}{units.seconds(one.seconds)}" for one in found)


_ALL = (
    _text("node", lambda row, ink: ink.name(row.id)),
    Column("operator", lambda line, ink: ink.name(line.operator)),
    Column("layer", _layer, of=("node", "layer")),
    _of_layers("class", lambda one, ink: ink.name(one.layer.class_name)),
    _of_layers("output", _returned),
    _text("parent", lambda row, ink: ink.name(row.parent or "")),
    _text("times", lambda row, _ink: times(row.times)),
    Column("status", lambda line, _ink: line.status.value if line.status else ""),
    _text("inputs", lambda row, ink: _shapes(row.cost.call.inputs, ink), "input"),
    _text("outputs", lambda row, ink: _shapes(row.cost.call.outputs, ink), "output"),
    _count("nodes", lambda sums: Bounds.exactly(sums.nodes)),
    _count("parameters", lambda sums: Bounds.exactly(sums.parameters)),
    _of_layer("trainable", lambda one: _exactly(one.trainable), lambda ink: ink.count),
    _of_layer("frozen", lambda one: _exactly(one.frozen), lambda ink: ink.count),
    _work("macs", lambda sums: sums.macs, "MACs"),
    _work("cost", lambda sums: sums.value),
    _size("bytes_read", lambda sums: sums.read, "read"),
    _size("bytes_written", lambda sums: sums.written, "written"),
    _size("bytes", lambda sums: sums.bytes),
    _of_layer("activations", lambda one: one.activations if one.trainable is not None else None, lambda ink: ink.size),
    Column("latency", _latency, lambda _line: None, of=("layer",)),
    Column("share", _share, lambda line: line.sums.value),
)
COLUMNS = {one.name: one for one in _ALL}
"""All columns that a table can have, by their names."""
