"""A comparison of two models as text: the layers beside each other, the totals, a sentence per difference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from graphcost.report import csv
from graphcost.report.escape import visible
from graphcost.report.ink import MACHINE, MARKDOWN, TERMINAL, bounded
from graphcost.report.layout import draw, pipes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.bounds import Bounds
    from graphcost.comparison import Comparison, Pair
    from graphcost.differences import Difference
    from graphcost.report import Format
    from graphcost.report.ink import Ink
    from graphcost.results import Group

SCHEMA = 1
_TITLES = ("layer", "class", "nodes", "parameters", "cost", "bytes", "what happened")
_IS_NUMBER = (False, False, True, True, True, True, False)


def render(found: Comparison, format_: Format = "table") -> str:
    """Return a comparison as text; where both models have the same number, it stands there once."""
    if format_ == "json":
        return json.dumps(as_dict(found), indent=2) + "\n"
    ink = {"table": TERMINAL, "markdown": MARKDOWN}.get(format_, MACHINE)
    rows = [_cells(one, ink) for one in found.pairs]
    if format_ == "csv":
        return csv.write([_TITLES, *rows])
    lines = (*_totals(found), *(_sentence(one, ink) for one in found.differences)) or ("nothing differs",)
    if format_ == "markdown":
        return pipes(_TITLES, rows, _IS_NUMBER) + "\n\n" + "".join(f"- {line}\n" for line in lines)
    return draw(_TITLES, rows, _IS_NUMBER) + "\n\n" + "".join(f"{line}\n" for line in lines)


def as_dict(found: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON has it: totals and layers with both numbers each, and what differs."""
    return {
        "schema": SCHEMA,
        "before": found.before.model.source,
        "after": found.after.model.source,
        "convention": found.before.settings.convention.name,
        "totals": {name: [[one.low, one.high] for one in both] for name, both in found.totals.items()},
        "layers": [_pair(one) for one in found.pairs],
        "differences": [{"kind": one.kind, "layer": one.layer, "message": one.message} for one in found.differences],
        "differs_in": sorted(found.differs_in),
    }


def _pair(one: Pair) -> dict[str, Any]:
    return {
        "path": one.path,
        "class": one.class_name,
        "before": _side(one.before),
        "after": _side(one.after),
        "kinds": list(one.kinds),
    }


def _side(one: Group) -> dict[str, Any]:
    return {
        "nodes": one.nodes,
        "parameters": one.parameters,
        "macs": one.macs.high,
        "cost": None if one.value is None else one.value.high,
        "bytes": one.bytes.high,
    }


def _cells(one: Pair, ink: Ink) -> list[str]:
    old, new = one.before, one.after
    return [
        ink.name(one.path),
        ink.name(one.class_name),
        _both(str(old.nodes), str(new.nodes)),
        _both(ink.count(old.parameters), ink.count(new.parameters)),
        _both(_worth(old.value, ink), _worth(new.value, ink)),
        _both(bounded(old.bytes, ink.size), bounded(new.bytes, ink.size)),
        ", ".join(one.kinds),
    ]


def _worth(value: Bounds | None, ink: Ink) -> str:
    return "not counted" if value is None else bounded(value, ink.count)


def _both(old: str, new: str) -> str:
    return old if old == new else f"{old} -> {new}"


def _totals(found: Comparison) -> Iterator[str]:
    """Yield the totals that differ, and those that people ask for."""
    for name, (old, new) in found.totals.items():
        if name == "cost" and "flops" in found.totals:
            continue
        if old != new or name in {"parameters", "macs"}:
            unit = " B" if "bytes" in name else ""
            yield f"{name.replace('_', ' ')}: {_both(bounded(old, '{:,}'.format), bounded(new, '{:,}'.format))}{unit}"


def _sentence(one: Difference, ink: Ink) -> str:
    return f"{ink.name(one.layer)}: {visible(one.message)}" if one.layer else visible(one.message)
