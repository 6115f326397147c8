"""If, Loop and Scan: their bodies are walked, and what comes out follows from how often they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.call import Body
from graphcost.shapes import turns
from graphcost.shapes.facts import merge
from graphcost.types import UNKNOWN, DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from graphcost.call import Fact, Stage, TypedGraph
    from graphcost.shapes.walk import Env, Walk
    from graphcost.types import Node, Shape, Type

    Inputs = tuple[Fact | None, ...]
    Found = tuple[list[Type], tuple[Body, ...]]


BODIES = {"If": ("then_branch", "else_branch"), "Loop": ("body",), "Scan": ("body",)}
"""The graphs that each operator of control flow runs."""

MOST_TURNS = 8
"""How often a body is walked to find types that hold in every turn; what still changes then is unknown."""


def problem(node: Node) -> str:
    """Return how a node of control flow breaks its specification; empty where it doesn't."""
    missing = next((name for name in BODIES[node.op_type] if name not in node.subgraphs), None)
    if missing:
        return f"wants a graph as {missing}, there is none"
    return next(_faults(node), "")


def _faults(node: Node) -> Iterator[str]:
    given, scanned = len(node.inputs), node.attributes.get("num_scan_inputs", 1)
    if node.op_type == "If" and given != 1:
        yield f"wants 1 input, has {given}"
    if node.op_type == "Scan" and not (isinstance(scanned, int) and 1 <= scanned <= given):
        yield f"wants num_scan_inputs from 1 to its {given} inputs, it is {scanned}"
    if node.op_type == "Loop" and given < 2:
        yield f"wants 2 inputs or more, has {given}"
    inputs = {"If": 0, "Loop": given, "Scan": given}[node.op_type]
    returned = len(node.outputs) + (node.op_type == "Loop")
    carried = {"If": 0, "Loop": given - 1, "Scan": given - scanned if isinstance(scanned, int) else 0}[node.op_type]
    for name in BODIES[node.op_type]:
        body = node.subgraphs[name]
        if len(body.inputs) != inputs:
            yield f"wants {inputs} inputs in its {name}, it has {len(body.inputs)}"
        if len(body.outputs) < max(returned, carried):
            yield f"wants {max(returned, carried)} outputs in its {name}, it has {len(body.outputs)}"


def choice(walk: Walk, node: Node, inputs: Inputs, env: Env, _stage: Stage) -> Found:
    """Walk the branch of If that a known condition takes; else both, and keep what holds for both."""
    bodies = [Body(label, 1, walk.inner(node, label, env)) for label in _branches(inputs[0])]
    results = [[body.graph.type_of(name) for name in body.graph.graph.outputs] for body in bodies]
    return [merge(one, two) for one, two in zip(results[0], results[-1], strict=False)], tuple(bodies)


def _branches(condition: Fact | None) -> tuple[str, ...]:
    known = _scalar(condition)
    if known is None:
        return "then_branch", "else_branch"
    return ("then_branch",) if known else ("else_branch",)


def loop(walk: Walk, node: Node, inputs: Inputs, env: Env, stage: Stage) -> Found:
    """Walk the body of Loop, and read off how often it runs."""
    limit, condition, *carried = (*inputs, None, None)[: max(len(inputs), 2)]
    turn, goes_on = walk.facts.get(_TURN, stage), walk.facts.get(_GOES_ON, stage)
    start = [one or walk.unknown for one in carried]
    typed, state = _settled(walk, node, env, start, before=(turn, goes_on), written_before=1)
    times = _trip_count(walk, limit, condition, typed, start)
    scanned = [_stacked(typed.type_of(name), times, 0) for name in typed.graph.outputs[1 + len(state) :]]
    return [*(one.type for one in state), *scanned], (Body("body", times, typed),)


_TURN = TensorType(DType.INT64, ())
_GOES_ON = TensorType(DType.BOOL, ())


def _trip_count(
    walk: Walk, limit: Fact | None, condition: Fact | None, typed: TypedGraph, start: list[Fact]
) -> int | None:
    """Return how often a Loop runs its body; None where its condition or its limit is only known in the run."""
    starts = True if condition is None else _scalar(condition)
    if starts == 0:
        return 0
    times = _scalar(limit)
    if starts is None or (times is None and limit is not None):
        return None
    if _goes_on_forever(typed):
        return None if times is None else max(times, 0)
    return turns.count(walk, typed, start, times)


def _scalar(fact: Fact | None) -> int | None:
    elements = fact.constant if fact else None
    if elements is None or elements.size != 1 or elements.dtype.kind not in "iub":
        return None
    return int(elements.reshape(-1)[0])


def _copies(node: Node) -> bool:
    return node.op_type == "Identity" and len(node.inputs) == len(node.outputs) == 1


def _goes_on_forever(typed: TypedGraph) -> bool:
    """Return whether a Loop's body never ends the loop: it hands its condition on, or returns a constant true."""
    name = typed.graph.outputs[0]
    sources = {node.outputs[0]: node.inputs[0] for node in typed.graph.nodes if _copies(node)}
    while name in sources:
        name = sources[name]
    if name == typed.graph.inputs[1]:
        return True
    fact = typed.facts.get(name)
    return fact is not None and fact.read is not None and bool(fact.read().all())


def scan(walk: Walk, node: Node, inputs: Inputs, env: Env, stage: Stage) -> Found:
    """Walk the body of Scan over slices of its scanned inputs; their length says how often it runs."""
    scanned = node.attributes.get("num_scan_inputs", 0)
    start = [one or walk.unknown for one in inputs[: len(inputs) - scanned]]
    whole = [one.type if one else UNKNOWN for one in inputs[len(start) :]]
    axes = node.attributes.get("scan_input_axes") or (0,) * scanned
    stages = [one.stage if one else stage for one in inputs[len(start) :]]
    slices = [walk.facts.get(_sliced(one, axis), when) for one, axis, when in zip(whole, axes, stages, strict=False)]
    typed, state = _settled(walk, node, env, start, after=tuple(slices))
    times = _common_length(whole, axes)
    names = typed.graph.outputs[len(state) :]
    out_axes = node.attributes.get("scan_output_axes") or (0,) * len(names)
    stacked = [_stacked(typed.type_of(name), times, axis) for name, axis in zip(names, out_axes, strict=False)]
    return [*(one.type for one in state), *stacked], (Body("body", times, typed),)


def _common_length(whole: Sequence[Type], axes: Sequence[int]) -> int | None:
    pairs = zip(whole, axes, strict=False)
    lengths = {_shape(one)[axis] for one, axis in pairs if _has_axis(one, axis)}
    length = next(iter(lengths), None)
    return length if len(lengths) == 1 and isinstance(length, int) else None


def _shape(one: Type) -> Shape:
    return (one.shape or ()) if isinstance(one, TensorType) else ()


def _has_axis(one: Type, axis: int) -> bool:
    return -len(_shape(one)) <= axis < len(_shape(one))


def _sliced(one: Type, axis: int) -> Type:
    """Return the type of one slice along an axis."""
    if not isinstance(one, TensorType) or one.shape is None or not _has_axis(one, axis):
        return UNKNOWN
    at = axis % len(one.shape)
    return TensorType(one.dtype, one.shape[:at] + one.shape[at + 1 :])


def _stacked(one: Type, times: int | None, axis: int) -> Type:
    """Return the type of what each turn gave, stacked along a new axis."""
    if not isinstance(one, TensorType) or one.shape is None:
        return TensorType(one.dtype, None) if isinstance(one, TensorType) else UNKNOWN
    at = axis % (len(one.shape) + 1)
    return TensorType(one.dtype, (*one.shape[:at], times, *one.shape[at:]))


def _settled(
    walk: Walk,
    node: Node,
    env: Env,
    start: list[Fact],
    *,
    before: tuple[Fact, ...] = (),
    after: tuple[Fact, ...] = (),
    written_before: int = 0,
) -> tuple[TypedGraph, list[Fact]]:
    """Walk a body with types that hold in every turn: what a turn changes in a carried value is unknown.

    A value that is only handed on stays known as early as it was.
    """
    state = [walk.facts.get(one.type, one.stage) for one in start]
    for _ in range(MOST_TURNS):
        typed = walk.inner(node, "body", env, (*before, *state, *after))
        names = typed.graph.outputs[written_before : written_before + len(state)]
        pairs = zip(state, names, strict=True)
        new = [
            walk.facts.get(merge(one.type, typed.type_of(name)), max(one.stage, typed.stage_of(name)))
            for one, name in pairs
        ]
        if new == state:
            return typed, state
        state = new
    state = [walk.unknown] * len(state)
    return walk.inner(node, "body", env, (*before, *state, *after)), state


WALKS: dict[str, Callable[[Walk, Node, Inputs, Env, Stage], Found]] = {"If": choice, "Loop": loop, "Scan": scan}
SINCE = {"If": 1, "Loop": 1, "Scan": 9}
"""The first opset with these rules; Scan-8 had a batch axis of its own."""
