"""How long one run takes on a device, from its figures alone.

A flat device has one rate: time = FLOPs / rate, by a convention that counts FLOPs. A roofline is a lower bound:
time >= max(FLOPs / peak, bytes / bandwidth). The FLOPs are 2 per multiply-accumulate and 1 per any other operation,
each type at its own peak, and the types may run side by side. The bytes are those that every runtime has to move, from
cold memory: weights, inputs and outputs once; intermediate values may stay in a cache or a fused kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.bounds import NOTHING
from graphcost.call import Stage
from graphcost.errors import UnknownShapeError, UsageError
from graphcost.results import Latency
from graphcost.rules import registry
from graphcost.tally import Tally, flops_in
from graphcost.types import size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graphcost.bounds import Bounds
    from graphcost.call import Call, TypedGraph
    from graphcost.devices import Device, Figure
    from graphcost.results import NodeCost, Settings
    from graphcost.types import DType


def flat(device: Device, rate: Figure, value: Bounds, settings: Settings) -> Latency:
    """Return FLOPs / rate; UsageError where the convention counts MACs."""
    if settings.unit != "FLOP":
        raise UsageError(f"{device.name} divides FLOPs by its rate, the convention {settings.convention!r} counts MACs")
    return Latency(device.name, value.best / rate.value, "compute", "flat", is_lower_bound=value.high is None)


def roofline(device: Device, nodes: tuple[NodeCost, ...], typed: TypedGraph) -> Latency:
    """Return max(FLOPs / peak, bytes / bandwidth), a lower bound."""
    highest = max((figure.value for figure in device.peak.values()), default=0.0)
    compute = memory = 0.0
    for dtype in _dtypes(nodes):
        peak = device.peak.get(dtype.value) if dtype else None
        flops = (Tally(flops_in(dtype)).nodes(nodes) or NOTHING).low
        compute = max(compute, flops / (peak.value if peak else highest))  # no type is faster than the fastest
    if device.bandwidth:
        memory = compulsory_bytes(typed) / device.bandwidth.value
    return Latency(device.name, max(compute, memory), "compute" if compute >= memory else "memory", "datasheet")


def _dtypes(nodes: Iterable[NodeCost]) -> set[DType | None]:
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


def compulsory_bytes(typed: TypedGraph) -> int:
    """Return the bytes that every runtime has to move in a run: weights and inputs that are read, outputs, each once.

    Of a value that operators read in part (Gather), only what the first of them reads; bodies count for nothing here,
    for they may run no time at all.
    """
    outputs = sum(_size(typed, name) for name in typed.graph.outputs if typed.stage_of(name) is Stage.RUN)
    return sum(_outer_bytes(typed)) + outputs


def _outer_bytes(typed: TypedGraph) -> Iterator[int]:
    seen: set[str] = set()
    given = set(typed.graph.inputs)
    for node, call in zip(typed.graph.nodes, typed.calls, strict=True):
        if call.stage is Stage.RUN:
            outer = {name for name in node.inputs if name in given or typed.stage_of(name) is Stage.PREPARATION}
            new = outer - seen
            seen |= outer
            yield min(_read(call), sum(_size(typed, name) for name in new))


def _read(call: Call) -> int:
    entry = registry.of(call)
    try:
        return entry.traffic(call)[0] if entry else 0
    except UnknownShapeError:
        return 0


def _size(typed: TypedGraph, name: str) -> int:
    return size_of(typed.type_of(name)) or 0
