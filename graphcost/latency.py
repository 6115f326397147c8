"""How long one run takes on a device, from its figures alone.

A flat device has one rate: time = FLOPs / rate, by a convention that counts FLOPs. A roofline is a lower bound:
time >= max(FLOPs / peak, bytes / bandwidth). The FLOPs are 2 per multiply-accumulate and 1 per any other operation,
each type at its own peak, and the types may run side by side. The bytes are those that every runtime has to move, from
cold memory: weights as they are stored, inputs and outputs, each once; intermediate values may stay in a cache or a
fused kernel, and what no output needs is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.bounds import NOTHING, Bounds
from graphcost.call import Stage
from graphcost.errors import UnknownShapeError, UsageError
from graphcost.rules import registry
from graphcost.tally import Tally, dtypes, flops_in
from graphcost.totals import Latency
from graphcost.types import size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graphcost.call import Call, TypedGraph
    from graphcost.convention import Convention
    from graphcost.devices import Device, Figure
    from graphcost.results import NodeCost
    from graphcost.types import Node


def flat(device: Device, rate: Figure, value: Bounds | None, convention: Convention) -> Latency:
    """Return FLOPs / rate, for the high end where an If leaves a range.

    Raises UsageError where the convention counts MACs, or none of the model's operators.
    """
    if convention.unit != "FLOP":
        raise UsageError(f"{device.name} divides FLOPs by its rate, the convention {convention.name!r} counts MACs")
    if value is None:
        raise UsageError(
            f"{device.name} divides FLOPs by its rate, {convention.name!r} counts no operator of the model"
        )
    shortest = None if value.is_exact or value.high is None else value.low / rate.value
    is_lower_bound = value.high is None
    return Latency(device.name, value.best / rate.value, "compute", "flat", None, is_lower_bound, shortest)


def roofline(device: Device, nodes: tuple[NodeCost, ...], typed: TypedGraph) -> Latency:
    """Return max(FLOPs / peak, bytes / bandwidth), a lower bound; `nodes` are those of the graph."""
    needed = _needed(typed)
    return _bound(device, [one for one in nodes if one.node in needed], compulsory_bytes(typed))


def of_part(device: Device, nodes: Sequence[NodeCost], value: Bounds | None, convention: Convention) -> Latency | None:
    """Return how long some of the nodes take: what `flat` says of their FLOPs; of a roofline, a lower bound.

    The bytes are those of the weights that the nodes read, each once. None where the convention counts none of them.
    """
    if device.rate:
        return None if value is None else flat(device, device.rate, value, convention)
    return _bound(device, nodes, sum(_weights_read(nodes).values()))


def _weights_read(nodes: Iterable[NodeCost]) -> dict[str, int]:
    """Return the bytes of what nodes read that is known before any run, by name; of a part, of that part."""
    found: dict[str, int] = {}
    for one in nodes:
        names = zip(one.node.inputs, one.call.inputs, one.call.stages, strict=True)
        sizes = {name: size_of(type_) or 0 for name, type_, stage in names if stage is Stage.PREPARATION}
        found |= {name: min(size, one.read.low) for name, size in sizes.items()}
    return found


def _bound(device: Device, nodes: Sequence[NodeCost], bytes_: int) -> Latency:
    highest = max((figure.value for figure in device.peak.values()), default=0.0)
    compute = 0.0
    for dtype in dtypes(nodes):
        peak = device.peak.get(dtype.value) if dtype else None
        flops = (Tally(flops_in(dtype)).nodes(nodes) or NOTHING).low
        compute = max(compute, flops / (peak.value if peak else highest))  # no type is faster than the fastest
    memory = bytes_ / device.bandwidth.value if device.bandwidth else 0.0
    return Latency(device.name, max(compute, memory), "compute" if compute >= memory else "memory", "datasheet")


def _needed(typed: TypedGraph) -> set[Node]:
    """Return the nodes that the outputs need; a runtime leaves out the others."""
    values = set(typed.graph.outputs)
    found: set[Node] = set()
    for node in reversed(typed.graph.nodes):
        if not values.isdisjoint(node.outputs):
            found.add(node)
            values.update((*node.inputs, *node.captures))
    return found


def compulsory_bytes(typed: TypedGraph) -> int:
    """Return the bytes that every runtime has to move in a run: stored weights and inputs that are read, and outputs.

    Of a value that operators read in part (Gather), only what the first of them reads; bodies count for nothing here,
    for they may run no time at all, and neither does an output that is a view.
    """
    needed = _needed(typed)
    stored = _stored_sources(typed)
    seen: set[str] = set()
    total = 0
    for node, call in zip(typed.graph.nodes, typed.calls, strict=True):
        if call.stage is Stage.RUN and node in needed:
            total += min(
                _read(call), sum(_first_read(typed, name, stored, seen) for name in dict.fromkeys(node.inputs))
            )
            if not registry.is_view(call):
                total += sum(_size(typed, name) for name in node.outputs if name in typed.graph.outputs)
    return total


def _first_read(typed: TypedGraph, name: str, stored: dict[str, dict[str, int]], seen: set[str]) -> int:
    """Return the bytes of an input, or of the stored tensors behind a weight, that nobody read before."""
    sources = stored.get(name, {name: _size(typed, name)} if name in typed.graph.inputs else {})
    new = {source: size for source, size in sources.items() if source not in seen}
    seen.update(new)
    return min(_size(typed, name), sum(new.values()))


_MOST_SOURCES = 16
"""Stored tensors that are followed through preparation; a value that rests on more counts for nothing."""


def _stored_sources(typed: TypedGraph) -> dict[str, dict[str, int]]:
    """Return for each value that is known before any run the stored tensors it comes from, with their bytes."""
    found = {
        name: {name: value.stored_bytes} for name, value in typed.graph.values.items() if value.role == "initializer"
    }
    for node, call in zip(typed.graph.nodes, typed.calls, strict=True):
        if call.stage is Stage.PREPARATION and not call.bodies:
            sources = {source: size for name in node.inputs for source, size in found.get(name, {}).items()}
            if node.op_type == "Constant":
                sources = {node.outputs[0]: _size(typed, node.outputs[0])}
            if len(sources) <= _MOST_SOURCES:
                found.update(dict.fromkeys(node.outputs, sources))
    return found


def _read(call: Call) -> int:
    try:
        return Bounds.of(registry.traffic(call)[0]).low if registry.of(call) else 0
    except UnknownShapeError:
        return 0


def _size(typed: TypedGraph, name: str) -> int:
    return size_of(typed.type_of(name)) or 0
