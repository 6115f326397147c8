"""What must hold for a model as a whole before anything can be said about it, and what is merely worth knowing."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from graphcost.errors import InvalidModelError
from graphcost.load import storage
from graphcost.load.quote import label, listed, shown
from graphcost.results import Finding
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graphcost.types import FunctionKey, Graph, Layer, Model, Node, Type, Value

DYNAMIC = -1
"""What some exporters store as the size of a dimension that is not fixed."""


def check(model: Model) -> tuple[Finding, ...]:
    """Raise InvalidModelError where the model breaks the specification as a whole; return what else was seen."""
    for name in model.inputs:
        _refuse_impossible_dims(name, model.values[name].type)
    for graph in (model, *(function.graph for function in model.functions.values())):
        _refuse_broken_names(graph, ())
    _refuse_recursion(model)
    return (*_dynamic_inputs(model), *_duplicate_names(model), *_unused_initializers(model), *_unused_layers(model))


def _refuse_impossible_dims(name: str, declared: Type) -> None:
    dims = [dim for dim in _shape(declared) if isinstance(dim, int) and dim != DYNAMIC]
    try:
        storage.element_count(dims)
    except InvalidModelError as fault:
        raise InvalidModelError(f"input {shown(name)}: {fault}") from None


def _shape(declared: Type) -> tuple[int | str | None, ...]:
    return (declared.shape or ()) if isinstance(declared, TensorType) else ()


def _refuse_broken_names(graph: Graph, outer: Iterable[str]) -> None:
    """Every name is written once, and what is read was written somewhere (the order is graph.py's business)."""
    given = [*graph.inputs, *(name for name, value in graph.values.items() if value.role == "initializer")]
    written = Counter(chain(given, (name for node in graph.nodes for name in node.outputs if name)))
    doubled = next((name for name, times in written.items() if times > 1), None)
    if doubled is not None:
        raise InvalidModelError(
            f"value {shown(doubled)}: wants one writer, has {written[doubled]} in graph {shown(graph.name)}"
        )
    visible = {"", *outer, *written}
    for node in graph.nodes:
        if not visible.issuperset(node.inputs) or not visible.issuperset(node.captures):
            missing = next(name for name in (*node.inputs, *node.captures) if name not in visible)
            raise InvalidModelError(f"{label(node)}: reads {shown(missing)}, which no node, input or initializer gives")
        for body in node.subgraphs.values():
            _refuse_broken_names(body, node.captures)
    lost = next((name for name in graph.outputs if name not in visible), None)
    if lost is not None:
        raise InvalidModelError(
            f"output {shown(lost)} of graph {shown(graph.name)}: no node, input or initializer gives it"
        )


def _refuse_recursion(model: Model) -> None:
    """Functions that call one another in a circle stand for endlessly many nodes."""
    done: set[FunctionKey] = set()
    for start in model.functions:
        stack = [(start, iter(_callees(model, start)))]
        path = {start: None}
        while stack:
            callee = next(stack[-1][1], None)
            if callee is None:
                key, _ = stack.pop()
                path.pop(key)
                done.add(key)
            elif callee in path:
                raise InvalidModelError(f"function {shown(callee[1])}: calls itself, {_way([*path], callee)}")
            elif callee not in done:
                path[callee] = None
                stack.append((callee, iter(_callees(model, callee))))


def _way(path: list[FunctionKey], callee: FunctionKey) -> str:
    circle = [shown(key[1]) for key in path[path.index(callee) :]]
    return "directly" if len(circle) == 1 else f"through {listed(circle, ' -> ')}"


def _callees(model: Model, key: FunctionKey) -> dict[FunctionKey, None]:
    keys = ((node.domain, node.op_type, node.overload) for node in _all_nodes(model.functions[key].graph))
    return dict.fromkeys(key for key in keys if key in model.functions)


def _all_nodes(graph: Graph) -> Iterator[Node]:
    for node in graph.nodes:
        yield node
        for body in node.subgraphs.values():
            yield from _all_nodes(body)


def _dynamic_inputs(model: Model) -> Iterator[Finding]:
    for name in model.inputs:
        declared = model.values[name].type
        if DYNAMIC in _shape(declared):
            message = f"it is declared as {declared}; {DYNAMIC} is read as a dimension that is not fixed"
            yield Finding("dynamic-dimension", "info", name, message)


def _duplicate_names(model: Model) -> Iterator[Finding]:
    times = Counter(node.name for node in model.nodes if node.name)
    doubled = [name for name, count in times.items() if count > 1]
    if doubled:
        message = f"{len(doubled)} node names stand for several nodes; these are known by their first output instead"
        yield Finding("duplicate-name", "info", doubled[0], message)


def _unused_layers(model: Model) -> Iterator[Finding]:
    """Yield the layers that the model holds and never calls, those without weights left out unless they lack them."""
    read = _read(model)
    for layer in model.layers:
        weights = [name for name, value in model.values.items() if _is_weight_of(layer, value)]
        if layer.outputs or not read.isdisjoint(weights):
            continue
        if not layer.is_built:
            message = f"this {layer.class_name} is never called, and so was never built: it has no weights and no part"
            yield Finding("unused-layer", "warning", layer.path, message)
        elif weights:
            size = sum(model.values[name].stored_bytes for name in weights)
            message = f"this {layer.class_name} is never called: its weights, {size} B, serve nothing"
            yield Finding("unused-layer", "warning", layer.path, message)


def _is_weight_of(layer: Layer, value: Value) -> bool:
    return value.role == "initializer" and value.name.startswith(f"{layer.path}/")


def _read(graph: Graph) -> set[str]:
    return {name for node in graph.nodes for name in (*node.inputs, *node.captures)} | {*graph.outputs}


def _unused_initializers(model: Model) -> Iterator[Finding]:
    read = _read(model)
    for name, value in model.values.items():
        if value.role == "initializer" and name not in read:
            message = f"{value.type} is stored, {value.stored_bytes} B, and nothing reads it"
            yield Finding("unused-initializer", "warning", name, message)
