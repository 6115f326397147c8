"""If, Loop, Scan and SequenceMap: their bodies are walked, and what comes out follows from how often they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.call import Body
from graphcost.errors import NodeError
from graphcost.shapes import loop, scan
from graphcost.shapes.facts import merge, scalar
from graphcost.shapes.lists import at, listed
from graphcost.types import SequenceType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from graphcost.call import Fact, Stage
    from graphcost.shapes.walk import Env, Walk
    from graphcost.types import Node

    Inputs = tuple[Fact | None, ...]
    Found = tuple[list[Fact], tuple[Body, ...]]


BODIES = {
    "If": ("then_branch", "else_branch"),
    "Loop": ("body",),
    "Scan": ("body",),
    "SequenceMap": ("body",),
}
"""The graphs that each operator of control flow runs."""

MOST_ENTRIES = 256
"""Of a longer list SequenceMap's body is walked once, with what holds for all entries."""


def check(node: Node, inputs: Inputs) -> None:
    """Raise NodeError where a node of control flow breaks its specification."""
    missing = next((name for name in BODIES[node.op_type] if name not in node.subgraphs), None)
    if missing:
        raise NodeError(f"wants a graph as {missing}, there is none")
    fault = next(_faults(node), None) or (next(scan.faults(node, inputs), None) if node.op_type == "Scan" else None)
    if fault:
        raise NodeError(fault)


def _faults(node: Node) -> Iterator[str]:
    given, scanned = len(node.inputs), node.attributes.get("num_scan_inputs")
    if node.op_type == "Scan" and node.opset < scan.WITHOUT_BATCH:
        given -= 1  # the lengths of the sequences are no input of the body
    if node.op_type == "If" and given != 1:
        yield f"wants 1 input, has {given}"
    if node.op_type == "Scan" and not (isinstance(scanned, int) and 1 <= scanned <= given):
        yield f"wants num_scan_inputs from 1 to its {given} inputs, it is {scanned}"
    if node.op_type == "Loop" and given < 2:
        yield f"wants 2 inputs or more, has {given}"
    if node.op_type == "SequenceMap" and given < 1:
        yield f"wants 1 input or more, has {given}"
    inputs = 0 if node.op_type == "If" else given
    returned = len(node.outputs) + (node.op_type == "Loop")
    carried = {"Loop": given - 1, "Scan": given - scanned if isinstance(scanned, int) else 0}.get(node.op_type, 0)
    for name in BODIES[node.op_type]:
        body = node.subgraphs[name]
        if len(body.inputs) != inputs:
            yield f"wants {inputs} inputs in its {name}, it has {len(body.inputs)}"
        if len(body.outputs) < max(returned, carried):
            yield f"wants {max(returned, carried)} outputs in its {name}, it has {len(body.outputs)}"


def choice(walk: Walk, node: Node, inputs: Inputs, env: Env, stage: Stage) -> Found:
    """Walk the branch of If that a known condition takes; else both, and keep what holds for both."""
    bodies = tuple(Body(label, 1, walk.inner(node, label, env)) for label in _branches(inputs[0]))
    results = [[body.graph.facts.get(name) or walk.unknown for name in body.graph.graph.outputs] for body in bodies]
    if len(results) == 1:  # what comes out is known no earlier than the condition
        at = inputs[0].stage if inputs[0] else stage
        return [walk.facts.get(one.type, max(one.stage, at), one.read) for one in results[0]], bodies
    pairs = zip(*results, strict=False)
    return [walk.facts.get(merge(a.type, b.type), max(stage, a.stage, b.stage)) for a, b in pairs], bodies


def _branches(condition: Fact | None) -> tuple[str, ...]:
    known = scalar(condition)
    if known is None:
        return "then_branch", "else_branch"
    return ("then_branch",) if known else ("else_branch",)


def sequence_map(walk: Walk, node: Node, inputs: Inputs, env: Env, stage: Stage) -> Found:
    """Walk the body of SequenceMap over the entries of its lists; a tensor beside them is given to each."""
    given = [one or walk.unknown for one in inputs]
    lists = [one.type for one in given if isinstance(one.type, SequenceType)]
    lengths = {one.length for one in lists}
    length = next(iter(lengths)) if len(lengths) == 1 else None
    every = walk.inner(node, "body", env, tuple(_entry(walk, one) for one in given))
    turns = [(every, 1)] if length is None else [(every, length)]
    if length is not None and any(len(one.entries or ()) > 1 for one in lists):
        each = [tuple(_entry(walk, one, place) for one in given) for place in range(min(length, MOST_ENTRIES))]
        walked = {facts: walk.inner(node, "body", env, facts) for facts in dict.fromkeys(each)}
        turns = [(walked[facts], 1) for facts in each]
    names = every.graph.outputs[: len(node.outputs)]
    outputs = [listed((typed.type_of(name), times) for typed, times in turns) for name in names]
    if length is None or sum(times for _, times in turns) < length:
        outputs = [SequenceType(every.type_of(name)) for name in names]
    found = [walk.facts.get(one, max(stage, every.stage_of(name))) for one, name in zip(outputs, names, strict=True)]
    return found, (Body("body", length, every),)


def _entry(walk: Walk, fact: Fact, place: int | None = None) -> Fact:
    """Return what is known of an entry of a list, or of all of them; a tensor stands for each."""
    if not isinstance(fact.type, SequenceType):
        return fact
    runs = fact.type.entries
    return walk.facts.get(fact.type.element if place is None or runs is None else at(runs, place), fact.stage)


WALKS: dict[str, Callable[[Walk, Node, Inputs, Env, Stage], Found]] = {
    "If": choice,
    "Loop": loop.walk_loop,
    "Scan": scan.walk_scan,
    "SequenceMap": sequence_map,
}
SINCE = {"If": 1, "Loop": 1, "Scan": 8, "SequenceMap": 17}
"""The first opset that has each."""
