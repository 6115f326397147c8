"""What graphcost knows: the operators that it prices, the conventions, the devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from onnx import defs

import graphcost.rules  # noqa: F401  # importing registers the rules
from graphcost import conventions, custom, devices
from graphcost.load import schema
from graphcost.rules import registry
from graphcost.rules.checked import CHECKED
from graphcost.shapes import control_flow

if TYPE_CHECKING:
    from graphcost.convention import Convention
    from graphcost.devices import Device
    from graphcost.rules.registry import Entry

Pricing = Literal["rule", "free", "body", "unpriced"]


@dataclass(frozen=True, slots=True)
class Operator:
    """How an operator is priced."""

    op_type: str
    """Its name."""
    domain: str
    """Its domain; empty for ai.onnx."""
    pricing: Pricing
    """`rule`: by a formula; `free`: it computes nothing; `body`: by the graph that it runs, or that the specification
    gives it; `unpriced`: not at all."""
    since: tuple[int, ...]
    """The opsets from which each formula holds, the newest first; empty where there is none."""
    formula: str
    """The first line of the newest formula, or why there is none."""
    is_checked: bool
    """Whether the tests compare its formula with loops that count what they do."""


def list_operators() -> tuple[Operator, ...]:
    """Return how each operator of onnx's domains is priced at the newest opset, and any other that is known.

    >>> {one.op_type: one.pricing for one in list_operators()}["Conv"]
    'rule'
    """
    custom.load_installed()
    entries: dict[tuple[str, str], list[Entry]] = {}
    for entry in registry.entries():
        entries.setdefault((entry.domain, entry.op_type), []).append(entry)
    newest = {(one.domain, one.name) for one in defs.get_all_schemas() if not one.deprecated}
    known = {*entries, *newest, *registry.signed()}
    return tuple(_operator(*key, entries.get(key, [])) for key in sorted(known))


def _operator(domain: str, op_type: str, entries: list[Entry]) -> Operator:
    if entries:
        newest = entries[0]
        since = tuple(one.since for one in entries)
        is_checked = op_type in CHECKED.get(domain, ())
        pricing: Pricing = "free" if newest.is_free else "rule"
        return Operator(op_type, domain, pricing, since, newest.doc.partition("\n")[0], is_checked)
    return Operator(op_type, domain, *_without_rule(op_type, domain), is_checked=False)


def _without_rule(op_type: str, domain: str) -> tuple[Pricing, tuple[int, ...], str]:
    """Return how an operator is priced that no rule knows."""
    if op_type in control_flow.WALKS and not domain:
        return "body", (), "What its bodies cost, as often as they run."
    if schema.names_of(op_type, domain, schema.newest(domain)).has_body:
        return "body", (), "What the function costs that the specification gives it."
    return "unpriced", (), ""


def list_conventions() -> tuple[Convention, ...]:
    """Return the named ways to turn work into one number, the default first.

    >>> list_conventions()[0].name
    'graphcost'
    """
    return conventions.conventions()


def list_devices() -> tuple[Device, ...]:
    """Return the devices whose latency can be told, by name.

    >>> "raspberry-pi-5" in {one.name for one in list_devices()}
    True
    """
    return devices.devices()
