"""How often a Loop runs whose body computes from what is known before any run whether it goes on.

That is what a `while` of TensorFlow becomes: a counter among the carried values, and a comparison with a length. The
nodes that decide are evaluated turn by turn; the others need not run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphcost.shapes import evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphcost.call import Fact, TypedGraph
    from graphcost.shapes.walk import Walk
    from graphcost.types import Array, Node

    Values = dict[str, Array]


def count(walk: Walk, typed: TypedGraph, start: Sequence[Fact | None], limit: int | None) -> int | None:
    """Return how often a body runs that starts with these carried values; None where the run alone can tell."""
    body = typed.graph
    carried = dict(zip(body.inputs[2:], body.outputs[1:], strict=False))
    deciding = _deciding(typed, carried)
    if deciding is None:
        return None
    state = {name: fact.read() for name, fact in zip(carried, start, strict=False) if fact and fact.read}
    turn, goes_on = 0, True
    while goes_on and (limit is None or turn < limit):
        walk.evaluations_left -= len(deciding)
        if walk.evaluations_left < 0:
            return None
        given = {body.inputs[0]: np.array(turn), body.inputs[1]: np.array(goes_on)}
        values = _evaluated(typed, deciding, {**state, **given})
        if body.outputs[0] not in values:
            return None
        goes_on = bool(values[body.outputs[0]].all())
        state = {name: values[new] for name, new in carried.items() if new in values}
        turn += 1
    return turn


def _deciding(typed: TypedGraph, carried: Mapping[str, str]) -> list[Node] | None:
    """Return the nodes from which it follows whether a body runs again; None where one of them can't be evaluated."""
    writers = {name: node for node in typed.graph.nodes for name in node.outputs}
    found, asked, stack = set(), set(), [typed.graph.outputs[0]]
    while stack:
        name = stack.pop()
        if name in asked or _constant(typed, name) is not None:
            continue
        asked.add(name)
        node = writers.get(name)
        if node is None:
            stack += [carried[name]] if name in carried else []
        elif node.subgraphs or node.domain or node.op_type not in evaluate.SAFE:
            return None
        else:
            found.add(node)
            stack += filter(None, node.inputs)
    return [node for node in typed.graph.nodes if node in found]


def _evaluated(typed: TypedGraph, nodes: Sequence[Node], given: Values) -> Values:
    """Return what nodes compute in one turn, as far as it can be known."""
    values = dict(given)
    for node in nodes:
        inputs = [values.get(name, _constant(typed, name)) if name else None for name in node.inputs]
        if any(name and one is None for name, one in zip(node.inputs, inputs, strict=True)):
            return values
        types = [typed.type_of(name) if name else None for name in node.outputs]
        found = zip(node.outputs, evaluate.evaluate(node, inputs, types) or (), strict=False)
        values |= {name: one for name, one in found if one is not None}
    outputs = typed.graph.outputs
    return values | {name: one for name in outputs if (one := values.get(name, _constant(typed, name))) is not None}


def _constant(typed: TypedGraph, name: str) -> Array | None:
    fact = typed.facts.get(name)
    return fact.constant if fact else None
