"""Report -> layers: what each layer of the model costs, together with the layers inside it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from graphcost import devices
from graphcost.bounds import NOTHING, UNBOUNDED, Bounds
from graphcost.latency import of_part
from graphcost.results import Status
from graphcost.rows import summed
from graphcost.types import Layer, TensorType, shape_of, size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graphcost.call import TypedGraph
    from graphcost.results import Group, Report, Row
    from graphcost.totals import Latency
    from graphcost.types import Graph, Shape, Type, Value


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What a layer costs, the layers inside it included."""

    layer: Layer
    """The layer."""
    sums: Group
    """Its numbers; the rows are those of its nodes."""
    trainable: int | None
    """Elements of the weights that training changes; None where nobody says which these are."""
    frozen: int | None
    """Elements of the weights that training leaves."""
    activations: Bounds
    """Bytes that it returns, or the innermost layers in it return, call by call; a name for its input counts too."""
    latency: tuple[Latency, ...]
    """How long it takes on each device that was asked for and can say."""

    @property
    def first_outputs(self) -> tuple[Type, ...]:
        """The types of what its first call returns; empty where it is never called."""
        return tuple(value.type for value in next(iter(self.layer.outputs), ()))


def by_layer(report: Report) -> tuple[LayerCost, ...]:
    """Return what each layer costs, outer before inner.

    The layers are those of the model that the graph was made from, the first of them that model itself; where the
    graph names none, the scopes in the names of its nodes.
    """
    top = [row for row in report.rows if row.parent is None]
    layers = report.layers if len(report.layers) > 1 else _scopes(top, report.layers)
    known = {layer.path for layer in layers}
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in top:
        for path in _around(path_of(row)):
            if path in known:
                rows[path].append(row)
    tree = _Tree(layers)
    return tuple(_cost(layer, rows[layer.path], tree, report) for layer in layers)


def parameters(layers: Iterable[Layer]) -> int | None:
    """Return how many parameters layers say that they have; None where one doesn't say, or there is none."""
    own = [one.parameters for one in layers]
    return None if not own or None in own else sum(filter(None, own))


def sized(layers: Iterable[Layer], graph: Graph, typed: TypedGraph) -> tuple[Layer, ...]:
    """Return layers whose outputs have the sizes that the inputs' symbolic dimensions were given.

    The first axis is that of the graph's value of the same name, where there is one: a layer can fold the batch into
    another axis. So is a size that is still open, up to rank 3: what images are made of may stand in another order.
    """
    sizes = _sizes(graph, typed)
    return tuple(
        replace(one, outputs=tuple(tuple(_sized(value, sizes, typed) for value in call) for call in one.outputs))
        for one in layers
    )


def _sizes(graph: Graph, typed: TypedGraph) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in graph.inputs:
        declared, bound = graph.values[name].type, typed.type_of(name)
        if isinstance(declared, TensorType) and isinstance(bound, TensorType):
            pairs = zip(declared.shape or (), bound.shape or (), strict=False)
            found |= {dim: size for dim, size in pairs if isinstance(dim, str) and isinstance(size, int)}
    return found


def _sized(value: Value, sizes: Mapping[str, int], typed: TypedGraph) -> Value:
    if not isinstance(value.type, TensorType) or value.type.shape is None:
        return value
    bound: Shape = tuple(sizes.get(dim) if isinstance(dim, str) else dim for dim in value.type.shape)
    inferred = shape_of(typed.type_of(value.name))
    if len(inferred) == len(bound):
        bound = (inferred[0], *bound[1:]) if bound else ()
        pairs = list(zip(bound, inferred, strict=True))
        is_same = len(bound) <= 3 and all(old in {None, new} for old, new in pairs)
        bound = inferred if None in bound and is_same else bound
    return replace(value, type=TensorType(value.type.dtype, bound))


def path_of(row: Row) -> str:
    """Return the path of the layer of a row: as the graph says it, else the scope in the node's name."""
    if row.layer is not None:
        return row.layer.partition("#")[0]
    return row.cost.node.name.strip("/").rpartition("/")[0]


def _around(path: str) -> list[str]:
    """Return a path and those of all layers around it, the model's own, which is empty, first."""
    ends = [place for place, letter in enumerate(path) if letter == "/"]
    return ["", *(path[:end] for end in ends), path] if path else [""]


def _scopes(rows: Iterable[Row], known: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Return the scopes that rows name, each before those inside it; the model itself as it is known, if it is."""
    inside: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        for outer, inner in pairwise(_around(path_of(row))):
            inside[outer][inner] = None
    found, left = [], [""]
    while left:
        path = left.pop()
        found.append(Layer(path, "", None, (), is_built=True))
        left.extend(reversed(inside[path]))
    return (*known, *found[1:]) if known else tuple(found)


class _Tree:
    """What layers say of themselves, added up from the inside."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        """Take layers in any order."""
        self.trainable: dict[str, int] = defaultdict(int)
        self.frozen: dict[str, int] = defaultdict(int)
        self.activations: dict[str, Bounds] = defaultdict(lambda: NOTHING)
        outer = {path for layer in layers if layer.outputs for path in _around(layer.path)[:-1]}
        for layer in layers:
            returned = NOTHING if layer.path in outer else _returned(layer)
            for path in _around(layer.path):
                self.trainable[path] += layer.trainable or 0
                self.frozen[path] += layer.frozen or 0
                self.activations[path] += returned


def _returned(layer: Layer) -> Bounds:
    if layer.trainable is None and not layer.outputs:
        return UNBOUNDED  # a scope: nobody says what comes out of it
    sizes = [size_of(value.type) for call in layer.outputs for value in call]
    known = sum(filter(None, sizes))
    return Bounds(known, None if None in sizes else known)


def _is_unseen(layer: Layer, report: Report) -> bool:
    """Return whether a layer works where no call of it was seen: in the body of a loop, which others' nodes hold."""
    is_unused = any(one.code == "unused-layer" and one.where == layer.path for one in report.findings)
    return bool(layer.weights) and not layer.outputs and not is_unused


def _is_uncounted(row: Row) -> bool:
    """Return whether the convention counts nothing of a row: not the operator, or there is nothing to count."""
    return row.value is None or row.cost.status is Status.FREE


def _cost(layer: Layer, rows: Sequence[Row], tree: _Tree, report: Report) -> LayerCost:
    sums = summed(layer.name, rows, report.settings.convention)
    if sums.value is None and not sums.rows:
        sums = replace(sums, value=NOTHING)  # preparation alone: nothing of it runs
    if any(row.value is None for row in sums.rows) and all(_is_uncounted(row) for row in sums.rows):
        sums = replace(sums, value=None)
    if _is_unseen(layer, report):
        sums = replace(sums, macs=UNBOUNDED, value=UNBOUNDED, read=UNBOUNDED, written=UNBOUNDED)
    convention, costs = report.settings.convention, [row.cost for row in sums.rows]
    found = (of_part(devices.find(name), costs, sums.value, convention) for name in report.settings.devices)
    latency = tuple(one for one in found if one)
    if layer.trainable is None:
        return LayerCost(layer, sums, None, None, tree.activations[layer.path], latency)
    trainable, frozen = tree.trainable[layer.path], tree.frozen[layer.path]
    sums = replace(sums, parameters=trainable + frozen)
    return LayerCost(layer, sums, trainable, frozen, tree.activations[layer.path], latency)
