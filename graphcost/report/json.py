"""A report as JSON: schema 1, described by docs/reference/report.schema.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graphcost.call import Call
    from graphcost.layers import LayerCost
    from graphcost.results import Report, Row
    from graphcost.terms import Term
    from graphcost.types import Type

    _Type = tuple[str | None, list[int | None] | None]

SCHEMA = 1


def render(report: Report) -> str:
    """Return the report as JSON text, characters beyond ASCII escaped."""
    parts: dict[Call, _Parts] = {}
    chunks = (report.rows[start : start + _CHUNK] for start in range(0, len(report.rows), _CHUNK))
    nodes = ",".join(_encode([_node(row, parts) for row in chunk])[1:-1] for chunk in chunks)
    return f'{_encode(_without_nodes(report))[:-1]},"nodes":[{nodes}]}}\n'


_CHUNK = 256
"""Rows that are encoded at once: few enough that few objects are alive together."""


def as_dict(report: Report) -> dict[str, Any]:
    """Return the report as JSON has it: counts as integers, sizes in bytes, times in seconds."""
    parts: dict[Call, _Parts] = {}
    return {**_without_nodes(report), "nodes": [_node(row, parts) for row in report.rows]}


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _without_nodes(report: Report) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "model": _model(report),
        "settings": {
            "convention": report.settings.convention.name,
            "dims": dict(report.settings.dims),
            "shapes": {name: list(shape) for name, shape in report.settings.shapes.items()},
            "values": {name: list(value) for name, value in report.settings.values.items()},
            "devices": list(report.settings.devices),
            "as_dtype": report.settings.as_dtype,
        },
        "assumptions": [
            {"dimension": one.dimension, "value": one.value, "reason": one.reason} for one in report.assumptions
        ],
        "totals": _totals(report),
        "bounds": {name: [bounds.low, bounds.high] for name, bounds in report.bounds.items()},
        "complete": report.complete,
        "memory": _memory(report),
        "latency": [asdict(one) for one in report.latency],
        "layers": [_layer(one) for one in report.by_layer()] if report.layers else [],
        "unpriced": list(report.unpriced),
        "unknown": list(report.unknown),
        "findings": [asdict(one) for one in report.findings],
    }


def _model(report: Report) -> dict[str, Any]:
    model = report.model
    return {
        "name": model.name,
        "source": model.source,
        "format": model.format,
        "opsets": {domain or "ai.onnx": version for domain, version in model.opsets.items()},
        "producer": model.producer,
    }


def _layer(one: LayerCost) -> dict[str, Any]:
    value = one.sums.value
    return {
        "path": one.layer.path,
        "class": one.layer.class_name,
        "calls": len(one.layer.outputs),
        "outputs": [dict(zip(("dtype", "shape"), _type(type_), strict=True)) for type_ in one.first_outputs],
        "parameters": one.sums.parameters,
        "trainable_parameters": one.trainable,
        "macs": one.sums.macs.high,
        "cost": None if value is None else value.high,
        "bytes_read": one.sums.read.high,
        "bytes_written": one.sums.written.high,
        "activation_bytes": one.activations.high,
        "latency": [asdict(found) for found in one.latency],
    }


def _totals(report: Report) -> dict[str, Any]:
    bounds, convention = report.bounds, report.settings.convention
    return {
        "parameters": report.total.parameters,
        "trainable_parameters": sum(one.trainable or 0 for one in report.layers) if report.layers else None,
        "macs": bounds["macs"].best,
        "flops": bounds["flops"].best if "flops" in bounds else None,
        "cost": {
            "value": bounds["cost"].best if "cost" in bounds else None,
            "unit": convention.unit,
            "convention": convention.name,
        },
        "bytes_read": bounds["bytes_read"].best,
        "bytes_written": bounds["bytes_written"].best,
        "weight_bytes": report.weights.bytes,
        "prepared_bytes": bounds["prepared_bytes"].best,
        "by_dtype": {one.dtype: {"macs": one.macs.best, "operations": one.operations.best} for one in report.by_dtype},
    }


def _memory(report: Report) -> dict[str, Any]:
    return {
        "weight_bytes": report.weights.bytes,
        "weight_bytes_by_dtype": dict(report.weights.stored),
        "activation_bytes": report.memory.activations.best,
        "ideal_peak_bytes": report.memory.peak.best,
        "state_bytes": report.memory.state.best,
        "peak_at": report.memory.peak_at,
        "alive_at_peak": [asdict(one) for one in report.memory.alive],
    }


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the rows of one call have in common; made once, it stands in each of them."""

    terms: list[dict[str, Any]]
    inputs: list[_Type | None]
    outputs: list[_Type | None]


def _node(row: Row, parts: dict[Call, _Parts]) -> dict[str, Any]:
    cost, node, call = row.cost, row.cost.node, row.cost.call
    if call not in parts:
        parts[call] = _Parts([_term(one) for one in cost.terms], _types(call.inputs), _types(call.outputs))
    shared = parts[call]
    is_open = cost.status.is_open
    return {
        "id": row.id,
        "name": node.name,
        "op_type": node.op_type,
        "domain": node.domain,
        "layer": row.layer,
        "parent": row.parent,
        "times": row.times,
        "status": cost.status.value,
        "reason": cost.reason or None,
        "inputs": _values(node.inputs, shared.inputs),
        "outputs": _values(node.outputs, shared.outputs),
        "parameters": cost.parameters,
        "macs": None if is_open else row.macs.high,
        "cost": None if is_open or row.value is None else row.value.high,
        "bytes_read": cost.read.high,
        "bytes_written": cost.written.high,
        "terms": shared.terms,
    }


def _term(one: Term) -> dict[str, Any]:
    dtype = one.dtype.value if one.dtype else None
    found = {"what": one.what, "arith": one.arith.value, "count": one.count, "dtype": dtype}
    if not one.bounds.is_exact:
        found["least"] = one.bounds.low
    return {**found, "masked": one.masked} if one.masked else found


def _types(types: Iterable[Type | None]) -> list[_Type | None]:
    return [None if one is None else _type(one) for one in types]


def _type(one: Type) -> _Type:
    """Return a type's name, and its shape; null where not even the rank is known."""
    if not isinstance(one, TensorType):
        return str(one), None
    shape = None if one.shape is None else [dim if isinstance(dim, int) else None for dim in one.shape]
    return one.dtype.value if one.dtype else None, shape


def _values(names: Iterable[str], types: Iterable[_Type | None]) -> list[dict[str, Any]]:
    """Return the values that are there."""
    return [
        {"name": name, "dtype": one[0], "shape": one[1]}
        for name, one in zip(names, types, strict=False)
        if name and one
    ]
