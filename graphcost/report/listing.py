"""What graphcost knows, as text: operators, conventions, devices."""

from __future__ import annotations

import json
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any

from graphcost import units
from graphcost.report import csv
from graphcost.report.escape import markdown_text, visible
from graphcost.report.layout import draw, first_line, fit, pipes, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphcost.convention import Convention
    from graphcost.devices import Device, Figure
    from graphcost.export import Export
    from graphcost.operators import Operator
    from graphcost.report import Format

    Record = dict[str, Any]

FOR_PEOPLE = ("table", "markdown")
"""Formats that name a convention or device once, and what belongs to it below."""


def operators(found: Sequence[Operator], format_: Format = "table", width: int | None = None) -> str:
    """Return operators as text: one record each."""
    records = _readable_operators(found) if format_ in FOR_PEOPLE else map(_operator, found)
    return _render(list(records), format_, width)


def _operator(one: Operator) -> Record:
    return {
        "operator": one.op_type,
        "domain": one.domain or "ai.onnx",
        "pricing": one.pricing,
        "since": list(one.since),
        "checked": one.is_checked,
        "formula": one.formula,
    }


def _readable_operators(found: Sequence[Operator]) -> Iterator[Record]:
    """Yield the operators domain by domain, each below a line that names the domain."""
    for domain, members in groupby(found, key=lambda one: one.domain):
        records = [_operator(one) for one in members]
        empty: Record = dict.fromkeys(records[0], "")
        for record in ({**empty, "operator": domain or "ai.onnx", "formula": f"{len(records)} operators"}, *records):
            yield {key: cell for key, cell in record.items() if key != "domain"}


def conventions(found: Sequence[Convention], format_: Format = "table", width: int | None = None) -> str:
    """Return conventions as text: one record for each kind of work or formula."""
    records = _readable_convention if format_ in FOR_PEOPLE else _convention
    return _render([record for one in found for record in records(one)], format_, width)


def _convention(one: Convention) -> Iterator[Record]:
    about = {"convention": one.name, "title": one.title, "unit": one.unit, "source": one.source}
    for work, counts in _prices(one):
        yield {**about, "work": work, "counts": counts}


def _readable_convention(one: Convention) -> Iterator[Record]:
    yield {"convention": one.name, "unit": one.unit, "work": "", "counts": one.title}
    for work, counts in (*_prices(one), ("source", one.source)):
        yield {"convention": "", "unit": "", "work": work, "counts": counts}


def _prices(one: Convention) -> Iterator[tuple[str, str]]:
    """Yield kinds of work, operators and patterns, and what the convention counts for them."""
    prices: dict[str, list[str]] = {}
    for arith, weight in one.weights.items():
        prices.setdefault(f"{weight} each", []).append(arith.value)
    for name, formula in sorted(one.formulas.items()):
        prices.setdefault(first_line(formula.__doc__), []).append(name)
    for pattern, formula in one.patterns.items():
        prices.setdefault(first_line(formula.__doc__), []).append(f"{pattern} (pattern)")
    yield from ((", ".join(names), price) for price, names in prices.items())


def devices(found: Sequence[Device], format_: Format = "table", width: int | None = None) -> str:
    """Return devices as text: one record for each figure, which has its source."""
    records = _readable_device if format_ in FOR_PEOPLE else _device
    return _render([record for one in found for record in records(one)], format_, width)


def _device(one: Device) -> Iterator[Record]:
    about = {"device": one.name, "title": one.title, "grade": one.grade}
    for label, figure, unit in _figures(one):
        yield {**about, "figure": label, "value": figure.value, "unit": unit, "source": figure.source}


def _readable_device(one: Device) -> Iterator[Record]:
    yield {"device": one.name, "figure": one.grade, "value": "", "source": one.title}
    for label, figure, unit in _figures(one):
        value = units.size(figure.value) if unit == "B" else units.rate(figure.value, unit)
        yield {"device": "", "figure": label, "value": value, "source": figure.source}


def _figures(one: Device) -> Iterator[tuple[str, Figure, str]]:
    if one.rate:
        yield "rate", one.rate, "FLOP/s"
    for dtype, figure in one.peak.items():
        yield f"peak {dtype}", figure, "FLOP/s" if "float" in dtype else "op/s"
    if one.bandwidth:
        yield "bandwidth", one.bandwidth, "B/s"
    if one.memory:
        yield "memory", one.memory, "B"


def export(one: Export) -> str:
    """Return what was written, in a line or two."""
    written = f"{visible(str(one.path))}: {one.nodes} nodes, {units.size(one.bytes)}\n"
    if one.difference is None:
        return written
    verdict = "agrees" if one.agrees else "differs"
    return f"{written}onnxruntime {verdict}: outputs are at most {one.difference:.1e} of the largest apart\n"


def _render(records: list[Record], format_: Format, width: int | None) -> str:
    if format_ == "json":
        return json.dumps(records, indent=2) + "\n"
    titles = list(records[0])
    rows = [[visible(_text(cell)) for cell in record.values()] for record in records]
    if format_ == "csv":
        return csv.write([titles, *rows])
    if format_ == "markdown":
        return pipes(titles, [[markdown_text(cell) for cell in row] for row in rows]) + "\n"
    return _table(titles, rows, width)


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return ", ".join(map(str, cell)) if isinstance(cell, list) else str(cell)


def _table(titles: list[str], rows: list[list[str]], width: int | None) -> str:
    """Return a table whose long cells go on in the next line where a width is given."""
    is_number = [False] * len(titles)
    if width is not None:
        limits = fit(titles, rows, is_number, width)
        wrapped = ([wrap(cell, limit) for cell, limit in zip(row, limits, strict=True)] for row in rows)
        rows = [list(line) for cells in wrapped for line in zip_longest(*cells, fillvalue="")]
    return draw(titles, rows, is_number) + "\n"
