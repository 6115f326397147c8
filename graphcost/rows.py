"""NodeCosts -> the lines of a report, under one convention."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from graphcost.bounds import NOTHING, Bounds
from graphcost.results import Finding, Row, Status, group
from graphcost.tally import Tally, alike, by_convention, macs, masked, summed_alike
from graphcost.types import size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graphcost.call import Call, TypedGraph
    from graphcost.convention import Convention
    from graphcost.results import BodyCost, Group, NodeCost, Pattern


def rows_of(nodes: Iterable[NodeCost], convention: Convention) -> tuple[Row, ...]:
    """Return a line per node, those of its bodies below it; a body that several nodes share is listed once."""
    return tuple(_Lister(Tally(macs), by_convention(convention)).rows(nodes, None, "", 1))


@dataclass(slots=True)
class _Lister:
    """Lists nodes; nodes that share a call share its numbers."""

    macs: Tally
    value: Tally
    _numbers: dict[tuple[Call, Pattern], tuple[Bounds, Bounds | None]] = field(default_factory=dict)
    _listed: set[BodyCost] = field(default_factory=set)
    _taken: set[str] = field(default_factory=set)

    def rows(self, nodes: Iterable[NodeCost], parent: str | None, prefix: str, times: int | None) -> Iterator[Row]:
        for node in nodes:
            key = (node.call, node.pattern)
            if key not in self._numbers:
                self._numbers[key] = (self.macs.node(node) or NOTHING, self.value.node(node))
            count, worth = self._numbers[key]
            row_id = self._unique(prefix + node.id)
            yield Row(row_id, parent, times, node, count, worth, node.read, node.written)
            for body in node.bodies:
                if body not in self._listed:
                    self._listed.add(body)
                    inner = f"{row_id}/{body.label}/" if len(node.bodies) > 1 else f"{row_id}/"
                    yield from self.rows(body.nodes, row_id, inner, body.times)

    def _unique(self, wanted: str) -> str:
        """Return an id that no other row has: a prefix can make one equal to another node's name."""
        found, again = wanted, 1
        while found in self._taken:
            again += 1
            found = f"{wanted}#{again}"
        self._taken.add(found)
        return found


def summed(name: str, rows: Iterable[Row], convention: Convention) -> Group:
    """Return what rows of the main graph add to the totals: the work of every run, and the parameters of all.

    A convention that counts preparation adds that work to its own number, and to no other.
    """
    rows = list(rows)
    worth = [row.value for row in rows if row.value is not None and is_counted(row.cost.status, convention)]
    return replace(
        group(name, (row for row in rows if row.cost.status.is_per_run)),
        parameters=sum(row.cost.parameters for row in rows),
        value=Bounds.total(worth) if worth or not rows else None,
    )


def is_counted(status: Status, convention: Convention) -> bool:
    """Return whether a convention's total includes the nodes of a status."""
    return status.is_per_run or (status is Status.PREPARATION and convention.includes_preparation)


def not_counted(rows: Iterable[Row], convention: Convention) -> Iterator[Finding]:
    """Yield a finding that lists the operators which compute something that the convention does not count."""
    times = Counter(row.cost.node.operator for row in rows if row.value is None and not row.cost.bodies)
    if times:
        listed = ", ".join(f"{name} ({count})" for name, count in times.most_common())
        yield Finding("not-counted", "info", convention.name, f"the convention does not count {listed}")


def behind_a_mask(nodes: Iterable[NodeCost], all_macs: Bounds) -> Iterator[Finding]:
    """Yield a finding that tells how much of the products causal masks make useless; they are computed all the same."""
    tally = Tally(masked)
    groups = [group for group in alike(nodes) if (tally.node(group[0]) or NOTHING) != NOTHING]
    if groups:
        useless = summed_alike(masked, groups).best
        most = "" if all_macs.is_exact else "at most "
        message = (
            f"causal masks hide {most}{useless:,} of {most}{all_macs.best:,} multiply-accumulates, counted all the same"
        )
        yield Finding("causal-mask", "info", f"{sum(map(len, groups))} nodes", message)


def unknown_values(typed: TypedGraph) -> tuple[str, ...]:
    """Return the names of the values whose size is not known, those of bodies included, each once."""
    found: dict[str, None] = {}
    for graph in typed.each():
        open_facts = {fact for fact in set(graph.facts.values()) if size_of(fact.type) is None}
        found |= dict.fromkeys(name for name, fact in graph.facts.items() if fact in open_facts) if open_facts else {}
    return tuple(found)
