"""What graphcost knows, as text: operators, conventions, devices."""

from __future__ import annotations

import csv
import io
import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

from tabulate import tabulate

from graphcost import units
from graphcost.report.escape import csv_cell, markdown_text, visible
from graphcost.report.layout import draw, fit, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphcost.conventions import Convention
    from graphcost.devices import Device, Figure
    from graphcost.operators import Operator

    Record = dict[str, Any]

Format = Literal["table", "markdown", "csv", "json"]


def operators(found: Sequence[Operator], format_: Format = "table", width: int | None = None) -> str:
    """Return operators as text: one record each."""
    records = [
        {
            "operator": one.op_type,
            "domain": one.domain or "ai.onnx",
            "pricing": one.pricing,
            "since": list(one.since),
            "formula": one.formula,
        }
        for one in found
    ]
    return _render(records, format_, width)


def conventions(found: Sequence[Convention], format_: Format = "table", width: int | None = None) -> str:
    """Return conventions as text: one record each."""
    records = [{"convention": one.name, "unit": one.unit, "counts": one.title, "source": one.source} for one in found]
    return _render(records, format_, width)


def devices(found: Sequence[Device], format_: Format = "table", width: int | None = None) -> str:
    """Return devices as text: one record for each figure, which has its source."""
    if format_ in {"table", "markdown"}:
        return _render([row for device in found for row in _readable(device)], format_, width)
    records = [
        {
            "device": device.name,
            "title": device.title,
            "grade": device.grade,
            "figure": label,
            "value": figure.value,
            "unit": unit,
            "source": figure.source,
        }
        for device in found
        for label, figure, unit in _figures(device)
    ]
    return _render(records, format_, width)


def _readable(device: Device) -> Iterator[Record]:
    """Yield a device's title, and its figures below it."""
    yield {"device": device.name, "figure": device.grade, "value": "", "source": device.title}
    for label, figure, unit in _figures(device):
        value = units.size(int(figure.value)) if unit == "B" else units.rate(figure.value, unit)
        yield {"device": "", "figure": label, "value": value, "source": figure.source}


def _figures(device: Device) -> Iterator[tuple[str, Figure, str]]:
    if device.rate:
        yield "rate", device.rate, "FLOP/s"
    for dtype, figure in device.peak.items():
        yield f"peak {dtype}", figure, "FLOP/s" if "float" in dtype else "op/s"
    if device.bandwidth:
        yield "bandwidth", device.bandwidth, "B/s"
    if device.memory:
        yield "memory", device.memory, "B"


def _render(records: list[Record], format_: Format, width: int | None) -> str:
    if format_ == "json":
        return json.dumps(records, indent=2) + "\n"
    titles = list(records[0])
    rows = [[visible(_text(cell)) for cell in record.values()] for record in records]
    if format_ == "csv":
        return _csv([titles, *rows])
    if format_ == "markdown":
        escaped = [[markdown_text(cell) for cell in row] for row in rows]
        return tabulate(escaped, headers=titles, tablefmt="pipe", disable_numparse=True) + "\n"
    return _table(titles, rows, width)


def _text(cell: Any) -> str:
    return ", ".join(map(str, cell)) if isinstance(cell, list) else str(cell)


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([csv_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _table(titles: list[str], rows: list[list[str]], width: int | None) -> str:
    """Return a table whose long cells go on in the next line where a width is given."""
    is_number = [False] * len(titles)
    if width is not None:
        limits = fit(titles, rows, is_number, width)
        wrapped = ([wrap(cell, limit) for cell, limit in zip(row, limits, strict=True)] for row in rows)
        rows = [list(line) for cells in wrapped for line in zip_longest(*cells, fillvalue="")]
    return draw(titles, rows, is_number) + "\n"
