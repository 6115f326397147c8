"""Scan: its body runs once per slice of the scanned inputs; before opset 9, once per slice of each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.call import Body
from graphcost.load.quote import shown
from graphcost.shapes.repeat import settled, stacked
from graphcost.types import UNKNOWN, DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphcost.call import Fact, Stage
    from graphcost.shapes.walk import Env, Walk
    from graphcost.types import Dim, Node, Type

    Inputs = tuple[Fact | None, ...]
    Found = tuple[list[Fact], tuple[Body, ...]]

WITHOUT_BATCH = 9
"""The first opset whose Scan leaves the batch to its caller."""


def faults(node: Node, inputs: Inputs) -> Iterator[str]:
    """Yield how a Scan breaks its specification, whose inputs and outputs are as many as its body's."""
    scanned = node.attributes["num_scan_inputs"]
    if node.opset < WITHOUT_BATCH:
        yield from _not_directions(node, "directions", scanned)
        yield from _wrong_lengths(inputs, scanned)
        return
    given = len(node.subgraphs["body"].outputs) - (len(inputs) - scanned)
    for side, count in (("input", scanned), ("output", given)):
        yield from _not_integers(node, f"scan_{side}_axes", count)
        yield from _not_directions(node, f"scan_{side}_directions", count)
    axes = node.attributes.get("scan_input_axes") or (0,) * scanned
    for one, axis in zip(inputs[-scanned:], axes, strict=True):
        if one and isinstance(one.type, TensorType) and one.type.shape is not None and not _has_axis(one.type, axis):
            yield f"wants to scan along one of {len(one.type.shape)} axes, it is {axis}"


def _not_integers(node: Node, name: str, count: int) -> Iterator[str]:
    found = node.attributes.get(name, ())
    if not isinstance(found, tuple) or not all(isinstance(one, int) for one in found):
        yield f"wants integers as {name}, it is {shown(str(found))}"
    elif found and len(found) != count:
        yield f"wants {count} {name}, has {len(found)}"


def _not_directions(node: Node, name: str, count: int) -> Iterator[str]:
    yield from _not_integers(node, name, count)
    if not {0, 1}.issuperset(node.attributes.get(name, ())):
        yield f"wants 0 or 1 as {name}, it is {shown(str(node.attributes[name]))}"


def _wrong_lengths(inputs: Inputs, scanned: int) -> Iterator[str]:
    """Yield what is wrong with how many slices of each sample count, which Scan took in opset 8."""
    lengths = inputs[0]
    if lengths is None:
        return
    if not isinstance(lengths.type, TensorType) or lengths.type.dtype not in {None, DType.INT64}:
        yield f"wants int64 sequence_lens, they are {lengths.type}"
    samples, longest = _batch(inputs[1:], scanned)
    found = [] if lengths.constant is None else lengths.constant.ravel().tolist()
    if lengths.constant is not None and samples not in {None, len(found)}:
        yield f"wants {samples} sequence_lens, has {len(found)}"
    if any(one < 0 or (longest is not None and one > longest) for one in found):
        yield f"wants sequence_lens from 0 to {'?' if longest is None else longest}, they are {shown(str(found))}"


def walk_scan(walk: Walk, node: Node, inputs: Inputs, env: Env, stage: Stage) -> Found:
    """Walk the body of Scan over slices of its scanned inputs; their length says how often it runs."""
    if node.opset < WITHOUT_BATCH:
        return _walk_batches(walk, node, inputs, env, stage)
    carried = len(inputs) - node.attributes["num_scan_inputs"]
    start, whole = [one or walk.unknown for one in inputs[:carried]], [one or walk.unknown for one in inputs[carried:]]
    axes = node.attributes.get("scan_input_axes") or (0,) * len(whole)
    pairs = list(zip(whole, axes, strict=True))
    slices = tuple(walk.facts.get(_without(one.type, axis), one.stage) for one, axis in pairs)
    typed, state = settled(walk, node, env, start, after=slices, stage=stage)
    times = _common([shape_of(one.type)[axis] for one, axis in pairs if _has_axis(one.type, axis)])
    names = typed.graph.outputs[len(state) :]
    axes = node.attributes.get("scan_output_axes") or (0,) * len(names)
    given = [stacked(typed.type_of(name), times, axis) for name, axis in zip(names, axes, strict=True)]
    found = [*(one.type for one in state), *given]
    return [walk.facts.get(one, stage) for one in found], (Body("body", times, typed),)


def _walk_batches(walk: Walk, node: Node, inputs: Inputs, env: Env, stage: Stage) -> Found:
    """Walk the body of Scan as it was in opset 8: first axis the samples, second the slices of a scanned input.

    The first input tells how many slices of each sample count; the others are none of the body's turns.
    """
    lengths, *given = inputs
    known = [one or walk.unknown for one in given]
    carried = len(known) - node.attributes["num_scan_inputs"]
    start = [walk.facts.get(_without(one.type, 0), one.stage) for one in known[:carried]]
    slices = tuple(walk.facts.get(_without(_without(one.type, 0), 0), one.stage) for one in known[carried:])
    typed, state = settled(walk, node, env, start, after=slices, stage=stage)
    samples, length = _batch(known, node.attributes["num_scan_inputs"])
    names = typed.graph.outputs[len(state) :]
    scanned = [stacked(stacked(typed.type_of(name), length, 0), samples, 0) for name in names]
    found = [*(stacked(one.type, samples, 0) for one in state), *scanned]
    times = None if samples is None or length is None else samples * length
    if lengths is not None:
        times = None if lengths.constant is None else sum(lengths.constant.ravel().tolist())
    return [walk.facts.get(one, stage) for one in found], (Body("body", times, typed),)


def _batch(given: Sequence[Fact | None], scanned: int) -> tuple[int | None, int | None]:
    """Return how many samples there are, and how many slices of each; None for what isn't known."""
    types = [one.type if one else UNKNOWN for one in given]
    samples = _common([shape_of(one)[0] for one in types if _has_axis(one, 0)])
    return samples, _common([shape_of(one)[1] for one in types[-scanned:] if _has_axis(one, 1)])


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
