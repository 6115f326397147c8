"""The pipeline on one screen: load -> shapes -> cost -> memory -> latency -> Report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost import collector, conventions, custom, devices, layers, quantization, shapes
from graphcost.cost import Pricer, count_invalid
from graphcost.latency import flat, roofline
from graphcost.load import load
from graphcost.memory import ideal
from graphcost.order import sort
from graphcost.parameters import Parameters, prepared_bytes, stored_bytes
from graphcost.recast import named, recast
from graphcost.results import IncompleteError, Report, Settings, Source, Status, group
from graphcost.rows import behind_a_mask, not_counted, rows_of, summed, unknown_values
from graphcost.state import state
from graphcost.tally import by_dtype
from graphcost.totals import Weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphcost.load import Source as ModelSource
    from graphcost.types import Model


def analyze(
    source: ModelSource,
    *,
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    convention: str = "graphcost",
    devices: Sequence[str] = (),
    as_dtype: str | None = None,
    values: Mapping[str, Sequence[float] | float] | None = None,
    trust: bool = False,
    strict: bool = False,
) -> Report:
    """Return what a model costs.

    `source` is a path (.onnx, .keras, .h5, a SavedModel), an onnx.ModelProto, a Keras model, a tf.Module or a
    tf.function; `dims` binds symbolic dimensions by name, `shapes` whole inputs; `values` gives the elements of inputs
    that decide what runs; `as_dtype` (`fp16`, `int8` ...) takes every float of the model as one of that type; `trust`
    lets a Keras file run the code that it brings along.
    Counts are integers, sizes bytes, times seconds. Raises SourceError or InvalidModelError where the source is no
    valid model, UsageError where an option names nothing, and IncompleteError, which carries the report, where
    `strict` is set and the report is incomplete or rests on a guessed dimension.

    >>> report = analyze("models/mnist_cnn.onnx", convention="macs")
    >>> report.total.parameters, report.total.macs.best
    (121930, 2528000)
    """
    settings = Settings(
        convention=conventions.find(convention),
        dims=dict(dims or {}),
        shapes={name: tuple(shape) for name, shape in (shapes or {}).items()},
        values={name: (one,) if isinstance(one, int | float) else tuple(one) for name, one in (values or {}).items()},
        devices=tuple(devices),
        as_dtype=as_dtype,
    )
    with collector.paused():
        report = report_of(load(source, settings.shapes, trust=trust), settings)
    if strict:
        _refuse_incomplete(report)
    return report


def report_of(loaded: Model, settings: Settings) -> Report:
    """Return what a loaded model costs. Raises UsageError where an option names nothing."""
    broken = custom.load_installed()
    convention, targets = settings.convention, [devices.find(name) for name in settings.devices]
    dtype = named(settings.as_dtype) if settings.as_dtype else None
    model = sort(loaded)
    typed = shapes.infer(model, settings.dims, settings.shapes, settings.values, count_invalid)
    graph = quantization.fold(typed.graph)
    parameters = Parameters()
    parameters.count(graph)
    graph = recast(graph, dtype) if dtype else graph
    nodes = Pricer(parameters.by_node).graph(graph)
    rows = rows_of(nodes, convention)
    top = [row for row in rows if row.parent is None]
    total = summed("total", top, convention)
    stated = layers.parameters(model.layers)
    total = total if stated is None else replace(total, parameters=stated)
    return Report(
        model=Source(model.name, model.source, model.format, model.opsets, model.producer),
        settings=settings,
        rows=rows,
        total=total,
        preparation=group("preparation", (row for row in top if row.cost.status is Status.PREPARATION)),
        shape=group("shape", (row for row in top if row.cost.status is Status.SHAPE)),
        by_dtype=by_dtype(nodes),
        weights=Weights(total.parameters, stored_bytes(model, dtype), prepared_bytes(graph), parameters.is_whole),
        memory=replace(ideal(graph, [one.id for one in nodes]), state=state(graph)),
        latency=tuple(
            flat(one, one.rate, total.value, convention) if one.rate else roofline(one, nodes, graph) for one in targets
        ),
        assumptions=typed.assumptions,
        findings=(
            *broken,
            *model.findings,
            *typed.findings,
            *parameters.findings,
            *not_counted(rows, convention),
            *behind_a_mask(nodes, total.macs),
        ),
        layers=layers.sized(model.layers, model, graph),
        outputs={name: graph.type_of(name) for name in model.outputs},
        unknown=unknown_values(graph),
    )


def _refuse_incomplete(report: Report) -> None:
    guessed = [one.dimension for one in report.assumptions if one.is_guess]
    if guessed:
        raise IncompleteError(f"strict: nobody bound {', '.join(guessed)}; bind with --dim NAME=SIZE", report)
    if not report.complete:
        open_ends = [name for name, bounds in report.bounds.items() if bounds.high is None]
        raise IncompleteError(f"strict: no upper bound for {', '.join(open_ends)}", report)
