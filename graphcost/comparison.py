"""Two models, layer by layer: what an export folded, fused, split, inserted or lost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphcost import collector, conventions
from graphcost.analysis import report_of
from graphcost.differences import Difference, differences_of
from graphcost.errors import UsageError
from graphcost.layers import path_of
from graphcost.load import load
from graphcost.matching import matched
from graphcost.results import Group, Report, Row, Settings, group
from graphcost.types import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from graphcost.bounds import Bounds
    from graphcost.differences import Aspect, Kind
    from graphcost.load import Source
    from graphcost.types import Model


@dataclass(frozen=True, slots=True)
class Pair:
    """A layer in both models, without the layers inside it."""

    path: str
    """Where it stands in the first model."""
    class_name: str
    """Its class."""
    before: Group
    """Its nodes in the first model."""
    after: Group
    """Those nodes of the second model that come from it."""
    kinds: tuple[Kind, ...]
    """What happened to it."""


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """What two models have in common, and what not."""

    before: Report
    """The first model."""
    after: Report
    """The second model."""
    pairs: tuple[Pair, ...]
    """The layers of the first model that have nodes or parameters, in its order."""
    differences: tuple[Difference, ...]
    """What the second does otherwise, layer by layer."""

    @property
    def totals(self) -> dict[str, tuple[Bounds, Bounds]]:
        """Each total of both models, by its name in the JSON."""
        after = self.after.bounds
        return {name: (bounds, after[name]) for name, bounds in self.before.bounds.items() if name in after}

    @property
    def differs_in(self) -> frozenset[Aspect]:
        """What of parameters, FLOPs and the outputs' shapes is not the same."""
        totals = self.totals
        found: set[Aspect] = set()
        if _may_differ(*totals["parameters"]):
            found.add("parameters")
        if _may_differ(*totals.get("cost", totals["macs"])):
            found.add("flops")
        if any(one.kind == "shape" for one in self.differences):
            found.add("shape")
        return frozenset(found)

    def __str__(self) -> str:
        from graphcost.report import compared  # noqa: PLC0415  # an import that runs upward, as those of Report

        return compared.render(self)

    def __repr__(self) -> str:
        return f"<Comparison of {self.before.model.source!r} and {self.after.model.source!r}>"


def _may_differ(old: Bounds, new: Bounds) -> bool:
    """Return whether two totals differ, or nobody can say that they don't."""
    return old != new or old.high is None


def compare(
    before: Source,
    after: Source,
    *,
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    convention: str = "graphcost",
    trust: bool = False,
) -> Comparison:
    """Return what the second of two models does otherwise, by the layers of the first.

    Both are anything that `analyze` takes; `dims` and `shapes` bind what either model has of them. Numbers are those
    of the convention. Raises as `analyze` does.
    """
    settings = Settings(
        conventions.find(convention), dict(dims or {}), {name: tuple(one) for name, one in (shapes or {}).items()}
    )
    models = [load(one, settings.shapes, trust=trust) for one in (before, after)]
    _refuse_unknown(models, settings)
    with collector.paused():
        return _compared(*(report_of(model, _bound(settings, model)) for model in models))


def _refuse_unknown(models: Sequence[Model], settings: Settings) -> None:
    """Raise UsageError where an option binds what neither model has."""
    known = {name for model in models for name in (*model.inputs, *_dimensions(model))}
    unknown = next((name for name in (*settings.dims, *settings.shapes) if name not in known), None)
    if unknown is not None:
        raise UsageError(f"neither model has an input or a dimension {unknown!r}")


def _bound(settings: Settings, model: Model) -> Settings:
    dims = {name: size for name, size in settings.dims.items() if name in _dimensions(model)}
    return replace(
        settings, dims=dims, shapes={name: one for name, one in settings.shapes.items() if name in model.inputs}
    )


def _dimensions(model: Model) -> set[str]:
    """Return the names of the dimensions of a model's inputs; one without a name is called by its place."""
    return {
        dim if isinstance(dim, str) else f"{name}[{axis}]"
        for name in model.inputs
        for axis, dim in enumerate(shape_of(model.values[name].type))
        if not isinstance(dim, int)
    }


def _compared(before: Report, after: Report) -> Comparison:
    old, new = (tuple(row for row in report.rows if row.parent is None) for report in (before, after))
    known = {layer.path: layer for layer in before.layers if layer.path}
    paths = dict.fromkeys([*known, *map(path_of, old), ""])
    olds, news = _by_path(old, {row.id: path_of(row) for row in old}), _by_path(new, matched(new, old, set(paths)))
    writers = {name: path_of(row) for row in old for name in row.cost.node.outputs}
    pairs: list[Pair] = []
    differences: list[Difference] = []
    for path in paths:
        layer = known.get(path)
        stated = layer.parameters if layer else None
        sides = _side(path, olds[path], stated), _side(path, news[path], None)
        if any(one.rows or one.parameters for one in sides):
            found = tuple(differences_of(path, *sides, (layer and layer.weights) or (), writers))
            pairs.append(
                Pair(path, layer.class_name if layer else "", *sides, tuple(dict.fromkeys(one.kind for one in found)))
            )
            differences.extend(found)
    return Comparison(before, after, tuple(pairs), (*differences, *_shapes(before, after)))


def _by_path(rows: Iterable[Row], labels: Mapping[str, str]) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[labels[row.id]].append(row)
    return found


def _side(path: str, rows: Sequence[Row], stated: int | None) -> Group:
    """Return the sum of a layer's nodes that work in every run, with the parameters of all."""
    found = group(path, (row for row in rows if row.cost.status.is_per_run))
    return replace(found, parameters=sum(row.cost.parameters for row in rows) if stated is None else stated)


def _shapes(before: Report, after: Report) -> Iterator[Difference]:
    old, new = tuple(before.outputs.values()), tuple(after.outputs.values())
    if [shape_of(one) for one in old] != [shape_of(one) for one in new]:
        message = f"the outputs were {', '.join(map(str, old))}, they are {', '.join(map(str, new))}"
        yield Difference("shape", "", message)
