"""Loop: how often its body runs, and what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphcost.call import Body, Stage
from graphcost.errors import UsageError
from graphcost.load.payload import LARGEST_KEPT
from graphcost.load.quote import shown
from graphcost.order import identity
from graphcost.shapes import turns
from graphcost.shapes.facts import merge_all, scalar
from graphcost.shapes.repeat import origin, settled, stacked
from graphcost.types import DType, SequenceType, TensorType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphcost.call import Fact, TypedGraph
    from graphcost.shapes.walk import Env, Walk
    from graphcost.types import Node

    Inputs = tuple[Fact | None, ...]

TURN = TensorType(DType.INT64, ())
GOES_ON = TensorType(DType.BOOL, ())


def walk_loop(walk: Walk, node: Node, inputs: Inputs, env: Env, stage: Stage) -> tuple[list[Fact], tuple[Body, ...]]:
    """Walk the body of Loop, and read off how often it runs.

    It is priced with types that hold in every turn. Where these leave open what comes out, the turns are followed one
    by one.
    """
    limit, condition, *carried = (*inputs, None, None)[: max(len(inputs), 2)]
    turn, goes_on = walk.facts.get(TURN, stage), walk.facts.get(GOES_ON, stage)
    start = [one or walk.unknown for one in carried]
    typed, state = settled(walk, node, env, start, before=(turn, goes_on), written_before=1, stage=stage)
    times = _bound(walk, node, _trip_count(walk, limit, condition, typed, start), scalar(limit))
    names = typed.graph.outputs[1 + len(state) :]
    given = [walk.facts.get(stacked(typed.type_of(name), times, 0), max(stage, typed.stage_of(name))) for name in names]
    found = [*(walk.facts.get(one.type, max(stage, one.stage)) for one in state), *given]
    if times == 0:
        found = [*start, *given]
    elif times is not None and any(map(_is_open, found)):
        found = _followed(walk, node, env, start, times, min(stage, Stage.SHAPE)) or found
    return found, (Body("body", times, typed),)


def _bound(walk: Walk, node: Node, times: int | None, limit: int | None) -> int | None:
    """Return the trip count that the user gave for a node, else what is known of it."""
    given = walk.trips.get(identity(node), times)
    if times is not None and times != given:
        raise UsageError(f"Loop {shown(identity(node))} runs {times} times, not {given}")
    if given is not None and limit is not None and given > max(limit, 0):
        raise UsageError(f"Loop {shown(identity(node))} runs at most {limit} times, not {given}")
    return given


def _is_open(fact: Fact) -> bool:
    """Return whether following the turns could tell more than the types that hold in each."""
    return fact.stage is not Stage.RUN or not isinstance(fact.type, TensorType) or not fact.type.is_known


def _followed(walk: Walk, node: Node, env: Env, start: list[Fact], times: int, stage: Stage) -> list[Fact] | None:
    """Walk the body turn by turn, and return what comes out; None where that is too much."""
    body, state, given = node.subgraphs["body"], start, []
    if times * (1 + len(body.nodes)) > walk.turns_left:
        return None
    for turn in range(times):
        before = walk.visited
        place = walk.facts.known(TURN, stage, np.array(turn, np.int64))
        goes_on = walk.facts.known(GOES_ON, stage, np.array(1, np.bool_))
        typed = walk.inner(node, "body", env, (place, goes_on, *state))
        found = [typed.facts.get(name) or walk.unknown for name in body.outputs[1:]]
        state, new = found[: len(start)], found[len(start) :]
        given.append(new)
        walk.turns_left -= 1 + walk.visited - before + sum(map(_runs, state))
        if walk.turns_left < 0:
            return None
    return [*state, *(_joined(walk, each) for each in zip(*given, strict=True))]


def _runs(fact: Fact) -> int:
    return len(fact.type.entries or ()) if isinstance(fact.type, SequenceType) else 0


def _joined(walk: Walk, each: Sequence[Fact]) -> Fact:
    """Return what is known of the values that the turns gave, stacked."""
    joined = stacked(merge_all(one.type for one in each), len(each), 0)
    stage = max(one.stage for one in each)
    elements = [one.read() for one in each if one.read]
    is_small = isinstance(joined, TensorType) and joined.is_known and joined.elements <= LARGEST_KEPT
    return walk.facts.known(joined, stage, np.stack(elements) if is_small and len(elements) == len(each) else None)


def _trip_count(
    walk: Walk, limit: Fact | None, condition: Fact | None, typed: TypedGraph, start: list[Fact]
) -> int | None:
    """Return how often a Loop runs its body; None where its condition or its limit is only known in the run."""
    starts = True if condition is None else scalar(condition)
    if starts == 0:
        return 0
    times = scalar(limit)
    if starts is None or (times is None and limit is not None):
        return None
    if _goes_on_forever(typed):
        return None if times is None else max(times, 0)
    return turns.count(walk, typed, start, times)


def _goes_on_forever(typed: TypedGraph) -> bool:
    """Return whether a Loop's body never ends the loop: it hands its condition on, or returns a constant true."""
    name = origin(typed, typed.graph.outputs[0])
    if name == typed.graph.inputs[1]:
        return True
    fact = typed.facts.get(name)
    return fact is not None and fact.read is not None and bool(fact.read().all())
