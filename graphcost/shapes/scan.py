"""Scan: its body runs once per slice of the scanned inputs; before opset 9, once per slice of each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.call import Body
from graphcost.shapes.repeat import settled, stacked
from graphcost.types import UNKNOWN, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphcost.call import Fact, Stage
    from graphcost.shapes.walk import Env, Walk
    from graphcost.types import Dim, Node, Type

    Inputs = tuple[Fact | None, ...]
    Found = tuple[list[Fact], tuple[Body, ...]]

WITHOUT_BATCH = 9
"""The first opset whose Scan leaves the batch to its caller."""


def walk_scan(walk: Walk, node: Node, inputs: Inputs, env: Env, stage: Stage) -> Found:
    """Walk the body of Scan over slices of its scanned inputs; their length says how often it runs."""
    if node.opset < WITHOUT_BATCH:
        return _walk_batches(walk, node, inputs, env, stage)
    carried = len(inputs) - node.attributes.get("num_scan_inputs", 0)
    start, whole = [one or walk.unknown for one in inputs[:carried]], [one or walk.unknown for one in inputs[carried:]]
    axes = node.attributes.get("scan_input_axes") or (0,) * len(whole)
    pairs = list(zip(whole, axes, strict=False))
    slices = tuple(walk.facts.get(_without(one.type, axis), one.stage) for one, axis in pairs)
    typed, state = settled(walk, node, env, start, after=slices, stage=stage)
    times = _common([shape_of(one.type)[axis] for one, axis in pairs if _has_axis(one.type, axis)])
    names = typed.graph.outputs[len(state) :]
    axes = node.attributes.get("scan_output_axes") or (0,) * len(names)
    given = [stacked(typed.type_of(name), times, axis) for name, axis in zip(names, axes, strict=False)]
    found = [*(one.type for one in state), *given]
    return [walk.facts.get(one, stage) for one in found], (Body("body", times, typed),)


def _walk_batches(walk: Walk, node: Node, inputs: Inputs, env: Env, stage: Stage) -> Found:
    """Walk the body of Scan as it was in opset 8: first axis the samples, second the slices of a scanned input.

    The first input tells how many slices of each sample count; the others are none of the body's turns.
    """
    lengths, *given = inputs
    known = [one or walk.unknown for one in given]
    carried = len(known) - node.attributes.get("num_scan_inputs", 0)
    start = [walk.facts.get(_without(one.type, 0), one.stage) for one in known[:carried]]
    slices = tuple(walk.facts.get(_without(_without(one.type, 0), 0), one.stage) for one in known[carried:])
    typed, state = settled(walk, node, env, start, after=slices, stage=stage)
    samples = _common([shape_of(one.type)[0] for one in known if _has_axis(one.type, 0)])
    length = _common([shape_of(one.type)[1] for one in known[carried:] if _has_axis(one.type, 1)])
    names = typed.graph.outputs[len(state) :]
    scanned = [stacked(stacked(typed.type_of(name), length, 0), samples, 0) for name in names]
    found = [*(stacked(one.type, samples, 0) for one in state), *scanned]
    times = None if samples is None or length is None else samples * length
    if lengths is not None:
        times = None if lengths.constant is None else int(lengths.constant.sum())
    return [walk.facts.get(one, stage) for one in found], (Body("body", times, typed),)


def _common(sizes: Sequence[Dim]) -> int | None:
    """Return the size that all agree on; None where they don't, or it isn't known."""
    size = next(iter(sizes), None)
    return size if len(set(sizes)) == 1 and isinstance(size, int) else None


def _has_axis(one: Type, axis: int) -> bool:
    return -len(shape_of(one)) <= axis < len(shape_of(one))


def _without(one: Type, axis: int) -> Type:
    """Return the type of one slice along an axis."""
    if not isinstance(one, TensorType) or one.shape is None or not _has_axis(one, axis):
        return UNKNOWN
    at = axis % len(one.shape)
    return TensorType(one.dtype, one.shape[:at] + one.shape[at + 1 :])
