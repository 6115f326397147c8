"""Binds the dimensions of the inputs and infers the type of every value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphcost.call import Stage, TypedGraph
from graphcost.load.quote import shown
from graphcost.results import Assumption, Finding
from graphcost.shapes import trips
from graphcost.shapes.bind import Binding, bind, refuse_impossible, unguessed
from graphcost.shapes.given import NO_VALUES, elements, shapes_with_values
from graphcost.shapes.walk import Walk
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from graphcost.call import Call
    from graphcost.shapes.given import Values
    from graphcost.types import Array, Model, Type


@dataclass(frozen=True, slots=True)
class Typed:
    """A model with every type that can be known."""

    graph: TypedGraph
    """The graph, typed."""
    assumptions: tuple[Assumption, ...]
    """The dimensions that nobody bound."""
    findings: tuple[Finding, ...]
    """What was noticed on the way."""


def infer(
    model: Model,
    dims: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
    values: Values = NO_VALUES,
    count_broken: Callable[[TypedGraph], int] = lambda _: 0,
) -> Typed:
    """Bind the inputs' dimensions and infer every type.

    `values` gives the elements of inputs that decide what runs. A size that was guessed and breaks the model is left
    unknown instead; `count_broken` tells how many nodes of a graph others find broken, beyond what inference refuses.
    Raises UsageError for a binding that names nothing or contradicts another.
    """
    inner, outer = _split(model, {name: size for name, size in dims.items() if not name.startswith(trips.PREFIX)})
    binding = bind(model, outer, shapes_with_values(model, shapes, values))
    start = Walk(model.functions, inner, trips.given(model, dims))
    known = elements(binding.types, values)
    graph = _walk(start, model, binding, known)
    assumptions = binding.assumptions
    if any(one.is_guess for one in assumptions):
        broken = _refused(graph) + count_broken(graph)
        again = Walk(start.functions, start.bound, start.trips)
        honest = _walk(again, model, unguessed(model, binding), known) if broken else graph
        if broken and _refused(honest) + count_broken(honest) < broken:
            graph, assumptions = honest, tuple(_withdrawn(one) if one.is_guess else one for one in assumptions)
    findings = () if shapes else tuple(_contradictions(model, graph))
    return Typed(graph, assumptions, (*_guess_findings(assumptions), *findings))


def body_of(call: Call) -> TypedGraph | None:
    """Return the function body that the specification gives a call's operator, typed for it; None without one."""
    walk = Walk({})
    given = zip(call.inputs, call.stages, call.constants, strict=True)
    facts = [None if one is None else walk.facts.known(one, stage, constant) for one, stage, constant in given]
    return walk.specified(call, facts)


def _split(model: Model, dims: Mapping[str, int]) -> tuple[dict[str, dict[int, int]], dict[str, int]]:
    """Tell the dimensions of inner values, `value[axis]`, from those of the inputs."""
    computed = {name for node in model.nodes for name in node.outputs} if dims else set()
    inner: dict[str, dict[int, int]] = {}
    outer = {}
    for name, size in dims.items():
        place = re.fullmatch(r"(.+)\[(\d{1,4})\]", name, re.DOTALL)
        if place and place[1] in computed:
            refuse_impossible(f"dimension {shown(name)}", [size])
            inner.setdefault(place[1], {})[int(place[2])] = size
        else:
            outer[name] = size
    return inner, outer


def _walk(walk: Walk, model: Model, binding: Binding, known: Mapping[str, Array]) -> TypedGraph:
    facts = {name: walk.facts.get(one, Stage.RUN) for name, one in binding.types.items()}
    facts |= {name: walk.facts.known(binding.types[name], Stage.RUN, one) for name, one in known.items()}
    return walk.graph(model, facts)


def _refused(graph: TypedGraph) -> int:
    """Return how many nodes type inference refuses."""
    return sum(1 for one in graph.each() for call in one.calls if call.problem)


def _withdrawn(one: Assumption) -> Assumption:
    reason = f"left unknown: {one.value} breaks the model; bind it with --dim {one.dimension}="
    return Assumption(one.dimension, None, reason, is_guess=True)


def _guess_findings(assumptions: Sequence[Assumption]) -> Iterator[Finding]:
    for one in assumptions:
        if one.is_guess:
            size = "unknown" if one.value is None else f"taken as {one.value}"
            yield Finding("assumed-dimension", "warning", one.dimension, f"nobody bound it, it is {size}: {one.reason}")


def _contradictions(model: Model, graph: TypedGraph) -> Iterator[Finding]:
    """Yield the values whose declared type differs from the inferred one, which holds."""
    for name, value in model.values.items():
        found = graph.type_of(name)
        if value.role == "computed" and _differ(value.type, found):
            message = f"declared as {value.type}, but its inputs make it {found}, which holds"
            yield Finding("declared-type", "warning", name, message)


def _differ(declared: Type, found: Type) -> bool:
    if not isinstance(declared, TensorType) or not isinstance(found, TensorType):
        return False
    if declared.dtype and found.dtype and declared.dtype != found.dtype:
        return True
    if declared.shape is None or found.shape is None:
        return False
    if len(declared.shape) != len(found.shape):
        return True
    pairs = zip(declared.shape, found.shape, strict=True)
    return any(isinstance(one, int) and isinstance(two, int) and one > 0 and one != two for one, two in pairs)
