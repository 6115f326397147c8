"""What every command returns and every format prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from graphcost.bounds import Bounds
from graphcost.errors import GraphcostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphcost.call import Call
    from graphcost.convention import Convention
    from graphcost.layers import LayerCost
    from graphcost.terms import Term
    from graphcost.totals import Latency, Memory, Weights, WorkIn
    from graphcost.types import Layer, Node, Type

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth knowing about a model that is no number."""

    code: str
    """What kind of thing it is, in kebab-case: `unused-initializer`, `external-data`, ..."""
    severity: Severity
    """`info`: good to know; `warning`: a number may mean less than it seems; `error`: something is broken."""
    where: str
    """The node, value or file that it is about."""
    message: str
    """One sentence: what is wanted, and what is there."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """A size that nobody bound."""

    dimension: str
    """The dimension's name, or its place where it has none: `input[2]`."""
    value: int | None
    """The size that is taken for it; None where the plausible one breaks the model, and it stays unknown."""
    reason: str
    """Why this one."""
    is_guess: bool
    """Whether it is a guess, which `strict` refuses; a leading dimension of 1 is none."""


class Status(Enum):
    """How far a node's cost is known."""

    PRICED = "priced"
    """A rule, or its body, says what it computes."""
    FREE = "free"
    """Declared to compute nothing, or its formula has no part for these attributes; it may move bytes."""
    PREPARATION = "preparation"
    """Depends on weights and constants alone: computed once, when the model is loaded."""
    SHAPE = "shape"
    """Known once the dimensions are bound: counted apart."""
    UNPRICED = "unpriced"
    """There is no rule for its operator."""
    UNKNOWN = "unknown"
    """There is a rule, but a shape or a trip count is missing."""
    INVALID = "invalid"
    """It breaks its operator's specification."""

    @property
    def is_open(self) -> bool:
        """Whether the node's cost is not known."""
        return self is Status.UNPRICED or self is Status.UNKNOWN or self is Status.INVALID

    @property
    def is_per_run(self) -> bool:
        """Whether the node works in every run."""
        return self is not Status.PREPARATION and self is not Status.SHAPE


Pattern = Literal["", "bias", "rsqrt"]
"""What a node is part of, where conventions price that otherwise than the operator alone: an Add of a product's
output and a parameter; a Reciprocal of a Sqrt."""


@dataclass(frozen=True, slots=True, eq=False)
class NodeCost:
    """What one node costs, before any convention says what its work is worth."""

    id: str
    """Unique in its graph: the node's name, or its first output."""
    node: Node
    """The node."""
    call: Call
    """Its operator with all types."""
    status: Status
    """How far its cost is known."""
    terms: tuple[Term, ...]
    """The work of its own formula; that of its bodies is theirs."""
    parameters: int
    """Elements of the parameters that it is the first to read."""
    read: Bounds
    """Bytes that it reads, its bodies included."""
    written: Bounds
    """Bytes that it writes, its bodies included."""
    bodies: tuple[BodyCost, ...] = ()
    """The graphs that it runs; of several one, and which isn't known."""
    pattern: Pattern = ""
    """What it is part of."""
    reason: str = ""
    """Why its cost is not known."""

    @property
    def is_known(self) -> bool:
        """Whether its own formula says what it computes; the status of preparation does not tell."""
        return not self.reason or bool(self.bodies)


@dataclass(frozen=True, slots=True, eq=False)
class BodyCost:
    """What a body costs; nodes that call the same function in the same way share one."""

    label: str
    """Which body of its node it is."""
    times: int | None
    """How often each run of the node runs it."""
    nodes: tuple[NodeCost, ...]
    """Its nodes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report: a node, with everything that is said about it."""

    id: str
    """Unique in the report: the node's id, prefixed by those of its parents."""
    parent: str | None
    """The id of the node whose body it is in; rows with a parent are no part of the sums."""
    times: int | None
    """How often each run of the parent runs it; 1 where there is no parent."""
    cost: NodeCost
    """The node's cost."""
    macs: Bounds
    """Multiply-accumulates, its bodies included."""
    value: Bounds | None
    """What the convention counts, its bodies included; None where it does not count the operator."""
    read: Bounds
    """Bytes read."""
    written: Bounds
    """Bytes written."""

    @property
    def layer(self) -> str | None:
        """The call of a layer that it comes from, where the graph says."""
        return self.cost.node.layer

    @property
    def sums(self) -> Group:
        """Its numbers, as those of a group of one."""
        return Group(self.id, (self,), self.cost.parameters, self.macs, self.value, self.read, self.written)


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for."""

    convention: Convention
    """What scalar work is worth."""
    dims: Mapping[str, int] = field(default_factory=dict)
    """Dimensions that the user bound."""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Inputs whose shape the user gave."""
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Inputs whose elements the user gave."""
    devices: tuple[str, ...] = ()
    """The devices asked for."""
    as_dtype: str | None = None
    """The type as which every float is taken; None: as it is."""


@dataclass(frozen=True, slots=True)
class Source:
    """Which model a report is about."""

    name: str
    """The graph's name."""
    source: str
    """Where it came from."""
    format: str
    """What kind of source that was."""
    opsets: Mapping[str, int]
    """The version of each domain that it imports; the empty name is ai.onnx."""
    producer: str
    """What made it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Some rows added up: those of one operator, or of one layer."""

    name: str
    """What they have in common."""
    rows: tuple[Row, ...]
    """The rows."""
    parameters: int
    """Elements of the parameters that they are the first to read."""
    macs: Bounds
    """Multiply-accumulates."""
    value: Bounds | None
    """What the convention counts; None where it counts none of them."""
    read: Bounds
    """Bytes read."""
    written: Bounds
    """Bytes written."""

    @property
    def nodes(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    @property
    def bytes(self) -> Bounds:
        """Bytes read and written."""
        return self.read + self.written


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """What a model costs."""

    model: Source
    """Which model."""
    settings: Settings
    """What was asked for."""
    rows: tuple[Row, ...]
    """One line per node, those of bodies below their node."""
    total: Group
    """The sum of the rows that run every time, and of the parameters of all."""
    preparation: Group
    """The sum of the rows that run once, when the model is loaded."""
    shape: Group
    """The sum of the rows that are known once the dimensions are bound."""
    by_dtype: tuple[WorkIn, ...]
    """The work of every run by the element type in which it is computed, the most first."""
    weights: Weights
    """What the stored tensors take."""
    memory: Memory
    """What values take while the model runs."""
    latency: tuple[Latency, ...]
    """How long it takes, device by device."""
    assumptions: tuple[Assumption, ...]
    """The dimensions that nobody bound."""
    findings: tuple[Finding, ...]
    """What else is worth knowing."""
    layers: tuple[Layer, ...]
    """The layers of the model that the graph was made from; empty where it names none."""
    outputs: Mapping[str, Type]
    """The types of the model's outputs."""
    unknown: tuple[str, ...]
    """Names of the values whose size is not known: a dimension, the element type or the length of a list is missing."""

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Ids of the nodes without a rule, in bodies too."""
        return tuple(row.id for row in self.rows if row.cost.status is Status.UNPRICED)

    @property
    def bounds(self) -> dict[str, Bounds]:
        """The bounds of every total, by its name in the JSON; none of what the convention doesn't count at all."""
        value = self.total.value
        names = ("flops", "cost") if self.settings.convention.unit == "FLOP" else ("cost",)
        return {
            "parameters": Bounds(self.total.parameters, self.total.parameters if self.weights.are_all_seen else None),
            "macs": self.total.macs,
            **(dict.fromkeys(names, value) if value else {}),
            "bytes_read": self.total.read,
            "bytes_written": self.total.written,
            "weight_bytes": Bounds.exactly(self.weights.bytes),
            "prepared_bytes": self.weights.prepared,
            "activation_bytes": self.memory.activations,
            "ideal_peak_bytes": self.memory.peak,
            "state_bytes": self.memory.state,
        }

    @property
    def complete(self) -> bool:
        """Whether every total has an upper bound: nothing is unpriced, unknown or invalid."""
        return all(one.high is not None for one in self.bounds.values())

    def by_operator(self) -> tuple[Group, ...]:
        """Return the rows that are part of the sums, added up by operator."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.parent is None and row.cost.status.is_per_run:
                groups.setdefault(row.cost.node.operator, []).append(row)
        return tuple(group(name, rows) for name, rows in groups.items())

    def by_layer(self) -> tuple[LayerCost, ...]:
        """Return what each layer costs, outer before inner; the first is the model itself."""
        from graphcost.layers import by_layer  # noqa: PLC0415  # an import that runs upward, as those below

        return by_layer(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it: schema 1, counts as integers, sizes in bytes, times in seconds."""
        from graphcost.report import json  # noqa: PLC0415  # as above

        return json.as_dict(self)

    def __repr__(self) -> str:
        return f"<Report of {self.model.name or self.model.source!r}: {len(self.rows)} nodes>"

    def __str__(self) -> str:
        from graphcost.report import table  # noqa: PLC0415  # as above

        return table.render(self)

    def _repr_html_(self) -> str:
        from graphcost.report import html  # noqa: PLC0415  # as above

        return html.render(self)


class IncompleteError(GraphcostError):
    """`strict` was asked for, and the report is not complete. The report comes along."""

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


def group(name: str, rows: Iterable[Row]) -> Group:
    """Return the sum of some rows."""
    listed = tuple(rows)
    counted = [row.value for row in listed if row.value is not None]
    return Group(
        name=name,
        rows=listed,
        parameters=sum(row.cost.parameters for row in listed),
        macs=Bounds.total(row.macs for row in listed),
        value=Bounds.total(counted) if counted or not listed else None,
        read=Bounds.total(row.read for row in listed),
        written=Bounds.total(row.written for row in listed),
    )
