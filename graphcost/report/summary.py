"""What stands below the table: totals with every digit, latency, and what is not known or assumed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from graphcost import units
from graphcost.bounds import NOTHING
from graphcost.report.columns import cost_title
from graphcost.report.ink import bounded
from graphcost.results import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from graphcost.bounds import Bounds
    from graphcost.report.ink import Ink
    from graphcost.results import Assumption, Finding, Report, Row
    from graphcost.totals import Latency, WorkIn

    Fact = tuple[str, str]

T = TypeVar("T")

FEW = 3
"""How many of several alike are named."""


def facts(report: Report, ink: Ink) -> Iterator[Fact]:
    """Yield labels and texts; the label is empty where a text goes on with what the one before began."""
    yield "model", _model(report, ink)
    yield from _totals(report)
    yield from _memory(report, ink)
    yield from _labelled("latency", _latencies(report, ink))
    yield from _labelled("apart", _apart(report))
    yield from reservations(report, ink)
    yield from _labelled("findings", _findings(report, ink))


def reservations(report: Report, ink: Ink) -> Iterator[Fact]:
    """Yield what the numbers rest on, and what keeps them from being exact."""
    if report.settings.as_dtype:
        yield "as if", f"every float were {report.settings.as_dtype}: weights, inputs and what is computed from them"
    yield from _labelled("assumed", (_assumption(one, ink) for one in report.assumptions))
    for status in (Status.UNPRICED, Status.UNKNOWN, Status.INVALID):
        yield from _labelled(status.value, _open_nodes(report, status, ink))
    if report.unknown:
        yield "unknown shapes", f"{_plural(len(report.unknown), 'value')}: {_some(report.unknown, ink.name)}"


def _model(report: Report, ink: Ink) -> str:
    model = report.model
    opsets = ", ".join(f"{ink.name(domain) or 'opset'} {version}" for domain, version in model.opsets.items())
    made = f", made by {ink.name(model.producer)}" if model.producer else ""
    return f"{ink.name(model.name or model.source)}, {model.format}, {opsets}{made}"


def _totals(report: Report) -> Iterator[Fact]:
    convention, value = report.settings.convention, report.total.value
    yield "parameters", _count(report.bounds["parameters"])
    if convention.unit != "MAC":
        yield "MACs", _count(report.total.macs)
    yield cost_title(convention), _count(value) if value else "no operator of the model is counted"
    yield "", f"{convention.name}: {convention.title}"
    if len(report.by_dtype) > 1:
        yield from _labelled("by type", map(_work_in, report.by_dtype))
    yield "bytes read", _size(report.total.read)
    yield "bytes written", _size(report.total.written)


def _work_in(one: WorkIn) -> str:
    """Return what is computed in one element type: `int8: 3,211,264 MACs, 6,543,210 operations`."""
    operations = f"{_count(one.operations)} operations"
    return f"{one.dtype}: {operations if one.macs == NOTHING else f'{_count(one.macs)} MACs, {operations}'}"


def _memory(report: Report, ink: Ink) -> Iterator[Fact]:
    weights, memory = report.weights, report.memory
    dtypes = ", ".join(f"{dtype} {units.size(size)}" for dtype, size in weights.stored.items())
    yield "weights", f"{_size(report.bounds['weight_bytes'])}{' stored: ' if dtypes else ''}{dtypes}"
    if weights.prepared != NOTHING:
        yield "", f"prepared: {_size(weights.prepared)} more, resident: {_size(weights.resident)}"
    yield "activations", _size(memory.activations)
    at = f" at {ink.name(memory.peak_at)}" if memory.peak_at else ""
    yield "ideal peak", f"{_size(memory.peak)}{at}, weights left out; node by node, fused kernels can take less"
    if memory.alive:
        alive = _some(memory.alive, lambda one: f"{ink.name(one.name)} {units.size(one.bytes)}")
        yield "", f"alive there: {alive}"
    if memory.state != NOTHING:
        yield "state", f"{_size(memory.state)} kept for the next run: keys and values of attention, part of the outputs"


def _latencies(report: Report, ink: Ink) -> Iterator[str]:
    for one in report.latency:
        yield _latency(one, ink)
    if any(one.is_lower_bound for one in report.latency):
        yield "'>=' is a lower bound: a run takes at least this long"


def _latency(one: Latency, ink: Ink) -> str:
    at_least = ">= " if one.is_lower_bound else ""
    limit = "" if one.grade == "flat" else f"{one.bound}-bound, "
    error = "" if one.error is None else f", ± {units.percent(one.error)}"
    least = "" if one.shortest is None else f"{units.seconds(one.shortest)}–"
    return f"{ink.name(one.device)}  {at_least}{least}{units.seconds(one.seconds)} ({limit}{one.grade}{error})"


def _assumption(one: Assumption, ink: Ink) -> str:
    size = "?" if one.value is None else str(one.value)
    return f"{ink.name(one.dimension)} = {size}{', a guess' if one.is_guess else ''}: {ink.prose(one.reason)}"


def _apart(report: Report) -> Iterator[str]:
    """Yield what is listed and no part of the sums."""
    if report.preparation.nodes:
        yield f"{_plural(report.preparation.nodes, 'preparation node')}: computed once, when the model is loaded"
    if report.shape.nodes:
        yield f"{_plural(report.shape.nodes, 'shape node')}: known once the dimensions are bound"


def _open_nodes(report: Report, status: Status, ink: Ink) -> Iterator[str]:
    """Yield what is said of the nodes of a status; where a body is the cause, its own nodes say it."""
    rows = [row for row in report.rows if row.cost.status is status and _is_cause(row)]
    if not rows:
        return
    times = Counter(row.cost.node.operator for row in rows)
    listed = (f"{ink.name(operator)} ({count})" for operator, count in times.most_common())
    yield f"{_plural(len(rows), 'node')}: {', '.join(listed)}"
    if status is not Status.UNPRICED:
        yield from (f"{ink.name(row.id)}: {ink.prose(row.cost.reason)}" for row in rows[:FEW])
        yield from _more(len(rows) - FEW)


def _is_cause(row: Row) -> bool:
    return not row.cost.bodies or any(body.times is None for body in row.cost.bodies)


def _findings(report: Report, ink: Ink) -> Iterator[str]:
    """Yield the findings, those of a kind together; an assumed dimension stands among the assumptions already."""
    kinds: dict[str, list[Finding]] = {}
    for one in report.findings:
        if one.code != "assumed-dimension":
            kinds.setdefault(one.code, []).append(one)
    for code, found in kinds.items():
        yield from (f"{one.severity}, {code}, {ink.name(one.where)}: {ink.prose(one.message)}" for one in found[:FEW])
        if len(found) > FEW:
            yield f"… and {len(found) - FEW} more of {code}; the JSON has all"


def _labelled(label: str, texts: Iterable[str]) -> Iterator[Fact]:
    for index, text in enumerate(texts):
        yield "" if index else label, text


def _some(found: Sequence[T], show: Callable[[T], str]) -> str:
    return ", ".join([*map(show, found[:FEW]), *_more(len(found) - FEW)])


def _more(count: int) -> list[str]:
    return [f"… and {count} more"] if count > 0 else []


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _count(number: Bounds) -> str:
    return _twice(bounded(number, "{:,}".format), bounded(number, units.count))


def _size(number: Bounds) -> str:
    return _twice(f"{bounded(number, '{:,}'.format)} B", bounded(number, units.size))


def _twice(exact: str, rounded: str) -> str:
    """Return every digit, and three of them beside it where that says something new."""
    return exact if exact == rounded else f"{exact} ({rounded.removeprefix('>= ')})"
