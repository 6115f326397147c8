"""What values take while a model runs: by liveness over the schedule, the least that a runtime needs for them.

Ideal means: a value is there from the node that computes it to the last node that reads it; a view (Reshape, Identity
...) takes nothing of its own; an elementwise operator writes over an input of the same size that dies with it. Inputs
are there from the start, outputs to the end; a body's inputs are held by its caller. Weights are left out, and so is
what is known once the dimensions are bound. A runtime's planner and its arena take more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate
from typing import TYPE_CHECKING

from graphcost.bounds import Bounds
from graphcost.call import Stage
from graphcost.order import last_reads
from graphcost.rules import registry
from graphcost.totals import Live, Memory
from graphcost.types import size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphcost.call import Body, Call, TypedGraph
    from graphcost.types import Node


def ideal(typed: TypedGraph, ids: Sequence[str]) -> Memory:
    """Return the activations and the ideal peak of a graph; `ids` are those of its nodes."""
    found = _Planner().plan(typed, with_inputs=True)
    alive = sorted(found.alive, key=lambda one: -one.bytes)
    return Memory(found.activations, found.peak, ids[found.step] if ids else "", tuple(alive))


@dataclass(slots=True)
class _Buffer:
    """Memory that one value takes, or several in turn: views of it, and results that overwrite it."""

    size: int
    first: int
    last: int
    names: list[tuple[int, str]] = field(default_factory=list)
    """The values in it, each with the step from which it is there."""

    def name_at(self, step: int) -> str:
        return next((name for since, name in reversed(self.names) if since <= step), self.names[0][1])


@dataclass(frozen=True, slots=True)
class _Reuse:
    """What a call says about the memory of its outputs; nodes that share the call share this."""

    is_view: bool
    overwrites: bool
    sizes: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the values of a graph take."""

    activations: Bounds
    peak: Bounds
    step: int = 0
    alive: tuple[Live, ...] = ()


@dataclass(slots=True)
class _Planner:
    """Plans graphs, each body once."""

    _bodies: dict[TypedGraph, _Plan] = field(default_factory=dict)
    _reuse: dict[Call, _Reuse] = field(default_factory=dict)

    def plan(self, typed: TypedGraph, *, with_inputs: bool) -> _Plan:
        """Return what the values of a graph take."""
        buffers = self._buffers(typed, with_inputs=with_inputs)
        inner = {step: self._inner(call) for step, call in enumerate(typed.calls) if call.bodies}
        alone = (call for call in typed.calls if call.stage is Stage.RUN and not call.bodies)
        own = _total([size for call in alone for size in self._computed(call)])
        activations = Bounds.total([own, *(body.activations for body in inner.values())])
        given = [size_of(typed.type_of(name)) for name in typed.graph.inputs if with_inputs]
        is_known = activations.high is not None and None not in given
        step, high = _highest(buffers, {at: body.peak.best for at, body in inner.items()}, len(typed.calls))
        _, low = _highest(buffers, {at: body.peak.low for at, body in inner.items()}, len(typed.calls))
        peak = Bounds(low, high if is_known and all(one.peak.high is not None for one in inner.values()) else None)
        alive = tuple(
            Live(one.name_at(step), one.size) for one in buffers if one.size and one.first <= step <= one.last
        )
        return _Plan(activations, peak, step, alive)

    def _inner(self, call: Call) -> _Plan:
        """Return what the bodies of a call take: all values that they compute, and their peak beyond its outputs."""
        written = sum(filter(None, self._reuse_of(call).sizes))
        plans = [self._body(body, written) for body in call.bodies]
        return _Plan(
            reduce(Bounds.either, (one.activations for one in plans)),
            reduce(Bounds.either, (one.peak for one in plans)),
        )

    def _body(self, body: Body, written: int) -> _Plan:
        """Return what a body takes beyond its inputs and outputs, which its caller holds."""
        if body.graph not in self._bodies:
            self._bodies[body.graph] = self.plan(body.graph, with_inputs=False)
        plan = self._bodies[body.graph]
        high = None if plan.peak.high is None else max(plan.peak.high - written, 0)
        peak = Bounds(max(plan.peak.low - written, 0), high)
        once_or_never = Bounds(0, peak.high) if body.times is None else peak.times(min(body.times, 1))
        return _Plan(plan.activations.times(body.times), once_or_never)

    def _computed(self, call: Call) -> tuple[int | None, ...]:
        """Return the sizes of the values that a call computes anew; a list of tensors is no view of one of them."""
        reuse = self._reuse_of(call)
        return () if reuse.is_view and None not in reuse.sizes else reuse.sizes

    def _reuse_of(self, call: Call) -> _Reuse:
        known = self._reuse.get(call)
        if known is None:
            sizes = tuple(map(size_of, call.outputs if call.writes is None else call.writes))
            known = self._reuse[call] = _Reuse(registry.is_view(call), registry.overwrites(call), sizes)
        return known

    def _buffers(self, typed: TypedGraph, *, with_inputs: bool) -> list[_Buffer]:
        """Return the buffers that a graph needs for what it reads and computes in a run."""
        last = last_reads(typed.graph)
        by_value: dict[str, _Buffer] = {}
        for name in typed.graph.inputs if with_inputs else ():
            by_value[name] = _Buffer(size_of(typed.type_of(name)) or 0, 0, last.get(name, 0), [(0, name)])
        buffers = list(by_value.values())
        for step, (node, call) in enumerate(zip(typed.graph.nodes, typed.calls, strict=True)):
            if call.stage is not Stage.RUN:
                continue
            reuse = self._reuse_of(call)
            shared = _shared(node, reuse, step, by_value)
            for name, size in zip(node.outputs, reuse.sizes, strict=True):
                if not name:
                    continue
                buffer = shared or _Buffer(0 if reuse.is_view else size or 0, step, step)
                if buffer is not shared:
                    buffers.append(buffer)
                buffer.last = max(buffer.last, last.get(name, step))
                buffer.names.append((step, name))
                by_value[name], shared = buffer, None
        return buffers


def _shared(node: Node, reuse: _Reuse, step: int, by_value: dict[str, _Buffer]) -> _Buffer | None:
    """Return the buffer that a node's first output shares: that of the input it views or may overwrite."""
    if reuse.is_view:
        return by_value.get(node.inputs[0]) if node.inputs else None
    if reuse.overwrites and reuse.sizes and reuse.sizes[0]:
        for name in node.inputs:
            buffer = by_value.get(name)
            if buffer and buffer.last == step and buffer.size == reuse.sizes[0]:
                return buffer
    return None


def _total(sizes: list[int | None]) -> Bounds:
    known = sum(filter(None, sizes))
    return Bounds(known, None if None in sizes else known)


def _highest(buffers: list[_Buffer], extra: dict[int, int], steps: int) -> tuple[int, int]:
    """Return the step at which most bytes are alive, and how many."""
    changes = [0] * (steps + 2)
    for one in buffers:
        changes[one.first] += one.size
        changes[one.last + 1] -= one.size
    alive = [live + extra.get(step, 0) for step, live in enumerate(accumulate(changes))]
    step = max(range(max(steps, 1)), key=alive.__getitem__)
    return step, alive[step]
