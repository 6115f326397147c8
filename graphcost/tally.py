"""Adds up what nodes cost, the bodies that they run included, each body once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

from graphcost.bounds import NOTHING, UNBOUNDED, Bounds
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.results import Status
from graphcost.terms import Arith, multiply_accumulates
from graphcost.totals import WorkIn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graphcost.convention import Convention
    from graphcost.results import BodyCost, NodeCost
    from graphcost.types import DType

Own = Callable[["NodeCost"], Bounds | None]
"""What a node's own formula counts; None where it isn't counted at all."""


@dataclass(slots=True)
class Tally:
    """Adds up one quantity over nodes and their bodies."""

    own: Own
    """The quantity of a node's own formula, its bodies left out."""
    is_whole: Callable[[NodeCost], bool] = lambda _: False
    """Whether a node's own formula says all, so that its bodies are left out."""
    counts_preparation: bool = False
    """Whether work on weights alone counts as well."""
    _bodies: dict[tuple[BodyCost, Status], Bounds | None] = field(default_factory=dict)

    def node(self, node: NodeCost) -> Bounds | None:
        """Return the quantity of a node, its bodies included; None where nothing of it is counted."""
        own = self.own(node)
        if not node.bodies or self.is_whole(node):
            return own
        found = [self._body(body, node.status) for body in node.bodies]
        counted = [one for one in (*found, own) if one is not None]
        if not counted:
            return None
        inner = reduce(Bounds.either, [one or NOTHING for one in found])
        return inner + (own or NOTHING)

    def nodes(self, nodes: Iterable[NodeCost]) -> Bounds | None:
        """Return the sum over the nodes that work in every run; None where nothing is counted."""
        return self._sum(one for one in nodes if one.status.is_per_run)

    def _sum(self, nodes: Iterable[NodeCost]) -> Bounds | None:
        counted = [found for one in nodes if (found := self.node(one)) is not None]
        return Bounds.total(counted) if counted else None

    def _body(self, body: BodyCost, status: Status) -> Bounds | None:
        """Return the sum over a body's nodes that work when its node, of this status, does."""
        if (body, status) not in self._bodies:
            once = self._sum(one for one in body.nodes if self._works(one.status, status))
            self._bodies[body, status] = None if once is None else once.times(body.times)
        return self._bodies[body, status]

    def _works(self, inner: Status, outer: Status) -> bool:
        if inner is Status.PREPARATION:
            return self.counts_preparation or outer is Status.PREPARATION
        return inner is not Status.SHAPE or outer is Status.SHAPE


def macs(node: NodeCost) -> Bounds:
    """Return the multiply-accumulates of a node's own formula."""
    return _unless_open(node, multiply_accumulates(node.terms))


def masked(node: NodeCost) -> Bounds:
    """Return how many multiply-accumulates of a node's own formula a causal mask makes useless."""
    return Bounds.exactly(sum(term.masked for term in node.terms if term.arith is Arith.MAC))


def macs_in(dtype: DType | None) -> Own:
    """Return what counts the multiply-accumulates in one element type."""

    def own(node: NodeCost) -> Bounds:
        return _unless_open(node, multiply_accumulates(one for one in node.terms if one.dtype is dtype))

    return own


def flops_in(dtype: DType | None) -> Own:
    """Return what counts the FLOPs in one element type: 2 per multiply-accumulate, 1 per any other operation."""

    def own(node: NodeCost) -> Bounds:
        found = (one.bounds.times(2 if one.arith is Arith.MAC else 1) for one in node.terms if one.dtype is dtype)
        return _unless_open(node, Bounds.total(found))

    return own


def by_convention(convention: Convention) -> Tally:
    """Return what adds up a convention's numbers; its own formula for an operator stands for the whole of it."""

    def has_formula(node: NodeCost) -> bool:
        return convention.formula(node) is not None

    def own(node: NodeCost) -> Bounds | None:
        if node.bodies and not has_formula(node):
            return None
        if not node.is_known:
            return UNBOUNDED
        try:
            return convention.value(node)
        except (UnknownShapeError, NodeError):
            return UNBOUNDED

    return Tally(own, has_formula, convention.includes_preparation)


def dtypes(nodes: Iterable[NodeCost]) -> set[DType | None]:
    """Return the element types in which nodes and their bodies compute."""
    found: set[DType | None] = set()
    seen: set[object] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        found.update(term.dtype for term in node.terms)
        for body in node.bodies:
            if body not in seen:
                seen.add(body)
                stack.extend(body.nodes)
    return found


def by_dtype(nodes: Iterable[NodeCost]) -> tuple[WorkIn, ...]:
    """Return the work of every run by the element type in which it is computed, the most first."""
    groups = alike(nodes)
    found = (
        WorkIn(
            dtype.value if dtype else "unknown",
            summed_alike(macs_in(dtype), groups),
            summed_alike(flops_in(dtype), groups),
        )
        for dtype in dtypes(group[0] for group in groups)
    )
    working = (one for one in found if one.operations != NOTHING)
    return tuple(sorted(working, key=lambda one: (-one.operations.best, one.dtype)))


def alike(nodes: Iterable[NodeCost]) -> list[list[NodeCost]]:
    """Return the nodes that work in every run, those together that cost the same."""
    groups: dict[object, list[NodeCost]] = {}
    for node in nodes:
        if node.status.is_per_run:
            groups.setdefault((node.call, node.pattern), []).append(node)
    return list(groups.values())


def summed_alike(own: Own, groups: Iterable[Sequence[NodeCost]]) -> Bounds:
    """Return the sum of a quantity over groups of nodes that cost the same."""
    tally = Tally(own)
    return Bounds.total((tally.node(group[0]) or NOTHING).times(len(group)) for group in groups)


def _unless_open(node: NodeCost, count: Bounds) -> Bounds:
    """Return a count, or that it isn't known; what a node with bodies leaves open, its bodies say."""
    return count if node.is_known else UNBOUNDED
