"""An explanation as text: the formula, then the same with this node's numbers."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from graphcost.bounds import UNBOUNDED
from graphcost.call import Fusion
from graphcost.report.escape import name, prose
from graphcost.report.ink import bounded, times
from graphcost.report.layout import first_line, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graphcost.bounds import Bounds
    from graphcost.call import Call
    from graphcost.explanation import Explanation
    from graphcost.results import NodeCost, Row
    from graphcost.terms import Term
    from graphcost.types import Type

    Section = tuple[str, list[str]]


def render(explanation: Explanation) -> str:
    """Return the explanation as text for a terminal."""
    sections = (
        "\n".join([title, *(f"  {line}".rstrip() for line in lines)]) for title, lines in _sections(explanation)
    )
    return f"{_heading(explanation)}\n\n" + "\n\n".join(sections) + "\n"


def _heading(explanation: Explanation) -> str:
    row, node = explanation.row, explanation.row.cost.node
    reason = f": {prose(row.cost.reason)}" if row.cost.reason else ""
    return f"{name(row.id)}\n{name(node.operator)}, opset {node.opset}, {row.cost.status.value}{reason}"


def _sections(explanation: Explanation) -> Iterator[Section]:
    cost, convention = explanation.row.cost, explanation.convention
    node, call = cost.node, cost.call
    if explanation.entry:
        yield "formula" if explanation.entry.terms else "free", explanation.entry.doc.splitlines()
    for title, formal, names, types in (
        ("inputs", call.schema.inputs, node.inputs, call.inputs),
        ("outputs", call.schema.outputs, node.outputs, call.outputs),
    ):
        if any(names):
            yield title, _values(formal, names, types)
    if call.attributes or call.schema.defaults:
        yield "attributes", [*_attributes(explanation)]
    if call.fusion is not Fusion.ALONE or call.reads:
        yield "kernel", [_kernel(call)]
    if cost.terms:
        yield "work", [_filled(term) for term in cost.terms]
    if explanation.body:
        yield _body_title(cost), _body(explanation.body)
    yield f"{convention.unit}s by the convention {convention.name}", _worth(explanation)
    yield "bytes", [f"read: {_bytes(explanation.row.read)}", f"written: {_bytes(explanation.row.written)}"]
    yield "parameters", [f"{cost.parameters:,}, each counted at the first node that reads it"]


def _kernel(call: Call) -> str:
    """Return what a runtime makes of a node among quantized values."""
    if call.fusion is Fusion.GONE:
        return "its work is left out: the kernel that reads its output computes on the quantized values"
    if call.fusion is Fusion.INSIDE:
        return "the kernel that reads its output does this work, in every run; nothing is written between them"
    written = f"; writes {', '.join(map(str, call.writes))}" if call.writes else ""
    return f"reads the quantized values: {', '.join(str(one) for one in call.reads or () if one)}{written}"


def _values(formal: tuple[str, ...], names: tuple[str, ...], types: Iterable[Type | None]) -> list[str]:
    """Return a line for each value: its name in the specification, its name in the model, its type."""
    formals = chain(formal, repeat(formal[-1] if formal else ""))  # a variadic one stands last
    rows = [
        [label, name(one), name(str(type_))] for label, one, type_ in zip(formals, names, types, strict=False) if one
    ]
    return plain(rows)


def _attributes(explanation: Explanation) -> Iterator[str]:
    call = explanation.row.cost.call
    for key, value in call.attributes.items():
        yield f"{name(key)} = {_value(value)}"
    for key, value in call.schema.defaults.items():
        if key not in call.attributes:
            yield f"{name(key)} = {_value(value)}, by default"


def _value(value: Any) -> str:
    return name(str(value.tolist()) if hasattr(value, "tolist") else str(value))


def _filled(term: Term) -> str:
    """Return a term with its factors: `X*W: outputs 802,816 x channels 3 x kernel 49 = 118,013,952 MAC`."""
    factors = " x ".join(f"{_spaced(label)} {size:,}" for label, size in term.factors)
    dtype = f" in {term.dtype.value}" if term.dtype else ""
    total = f"{factors}{' = ' if factors else ''}{_most(term)}{term.count:,} {term.arith.value}{dtype}"
    return f"{term.what}: {total}{_of_these(term)}"


def _most(term: Term) -> str:
    return "" if term.bounds.is_exact else "at most "


def _of_these(term: Term) -> str:
    """Return what else is known of a term's count."""
    least = "" if term.bounds.is_exact else f", at least {term.bounds.low:,}"
    return least + (f", of which a causal mask hides {term.masked:,}" if term.masked else "")


def _spaced(label: str) -> str:
    return label.replace("_", " ")


def _body_title(cost: NodeCost) -> str:
    runs = (f"{name(body.label)} x{times(body.times)}" for body in cost.bodies)
    return f"body: {' or '.join(runs)}"


def _body(rows: tuple[Row, ...]) -> list[str]:
    table = [[name(row.id), name(row.cost.node.operator), row.cost.status.value, _count(row.macs)] for row in rows]
    return plain([["node", "operator", "status", "MACs"], *table])


def _worth(explanation: Explanation) -> list[str]:
    """Return what the convention makes of the work."""
    cost, convention, value = explanation.row.cost, explanation.convention, explanation.row.value
    if value is None:
        return [f"not counted: {convention.title}"]
    if value == UNBOUNDED:
        return ["not known"]
    total = f"{_count(value)} {convention.unit}"
    if cost.status.is_open or cost.bodies:
        return [total]
    formula = convention.formula(cost)
    if formula:
        return [first_line(formula.__doc__), f"{total}, by a formula of its own"]
    return [*_weighed(explanation), total]


def _weighed(explanation: Explanation) -> Iterator[str]:
    for term in explanation.row.cost.terms:
        worth = explanation.worth(term)
        if worth is None:
            yield f"{term.what}: {term.arith.value} is not counted"
        else:
            weight = explanation.convention.weights[term.arith]
            yield f"{term.what}: {weight} x {_count(term.bounds)} {term.arith.value} = {_count(worth)}"


def _count(number: Bounds) -> str:
    return bounded(number, "{:,}".format)


def _bytes(number: Bounds) -> str:
    return "not known" if number == UNBOUNDED else f"{_count(number)} B"
