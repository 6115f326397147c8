"""A body that runs several times: the types that hold in every turn, and what the turns give together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.errors import NodeError
from graphcost.shapes.facts import merge
from graphcost.types import UNKNOWN, TensorType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphcost.call import Fact, Stage, TypedGraph
    from graphcost.shapes.walk import Env, Walk
    from graphcost.types import Node, Type

MOST_TURNS = 8
"""How often a body is walked to find types that hold in every turn; what still changes then is unknown."""


def settled(
    walk: Walk,
    node: Node,
    env: Env,
    start: Sequence[Fact],
    *,
    before: tuple[Fact, ...] = (),
    after: tuple[Fact, ...] = (),
    written_before: int = 0,
    stage: Stage,
) -> tuple[TypedGraph, list[Fact]]:
    """Walk a body with types that hold in every turn: what a turn changes in a carried value is unknown.

    A value that is only handed on stays known as early as it was; one that a turn changes is known when the node works,
    at `stage` or later.
    """
    state = [walk.facts.get(one.type, one.stage) for one in start]
    for _ in range(MOST_TURNS):
        typed = walk.inner(node, "body", env, (*before, *state, *after))
        names = typed.graph.outputs[written_before : written_before + len(state)]
        kept = typed.graph.inputs[len(before) : len(before) + len(state)]
        new = [
            walk.facts.get(
                merge(one.type, typed.type_of(name)),
                max(one.stage, typed.stage_of(name), stage if origin(typed, name) != own else one.stage),
            )
            for one, name, own in zip(state, names, kept, strict=True)
        ]
        if new == state:
            return typed, state
        state = new
    state = [walk.unknown] * len(state)
    return walk.inner(node, "body", env, (*before, *state, *after)), state


def origin(typed: TypedGraph, name: str) -> str:
    """Return the value that a chain of Identity nodes shows."""
    sources = {node.outputs[0]: node.inputs[0] for node in typed.graph.nodes if _copies(node)}
    while name in sources:
        name = sources[name]
    return name


def _copies(node: Node) -> bool:
    return node.op_type == "Identity" and len(node.inputs) == len(node.outputs) == 1


def stacked(one: Type, times: int | None, axis: int) -> Type:
    """Return the type of what each turn gave, stacked along a new axis.

    >>> from graphcost.types import DType
    >>> str(stacked(TensorType(DType.FLOAT32, (2, 3)), 7, -1))
    'float32[2, 3, 7]'

    NodeError for an axis that it can't have.
    """
    if not isinstance(one, TensorType) or one.shape is None:
        return TensorType(one.dtype, None) if isinstance(one, TensorType) else UNKNOWN
    rank = len(one.shape) + 1
    if not -rank <= axis < rank:
        raise NodeError(f"wants one of {rank} axes to stack what its turns give, it is {axis}")
    at = axis % rank
    return TensorType(one.dtype, (*one.shape[:at], times, *one.shape[at:]))
