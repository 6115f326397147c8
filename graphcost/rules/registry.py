"""The one list of all rules: which formula prices an operator, since which opset, and what it reads and writes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.types import size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Type

    Rule = Callable[[Call], Iterable[Term]]
    Traffic = Callable[[Call], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known about the cost of one operator from one opset on."""

    op_type: str
    """The operator."""
    domain: str
    """Its domain; empty for ai.onnx."""
    since: int
    """The first opset for which this holds."""
    doc: str
    """The formula with its shapes, assumptions and source; for a free operator, why it computes nothing."""
    terms: Rule | None
    """The formula; None where the operator is declared to compute nothing."""
    traffic: Traffic
    """The bytes that it reads and writes."""
    overwrites: bool = False
    """Whether it can write its result over an input of the same size, element by element."""

    @property
    def is_free(self) -> bool:
        """Whether it is declared to compute nothing."""
        return self.terms is None


_entries: dict[tuple[str, str], list[Entry]] = {}


def find(op_type: str, domain: str, opset: int) -> Entry | None:
    """Return what holds for an operator at an opset, or None where it has no rule."""
    for entry in _entries.get((domain, op_type), ()):
        if entry.since <= opset:
            return entry
    return None


def of(call: Call) -> Entry | None:
    """Return what holds for a call's operator, or None where it has no rule."""
    return find(call.op_type, call.domain, call.opset)


def entries() -> Iterator[Entry]:
    """Yield all that is known, operator by operator, the newest opset first."""
    for key in sorted(_entries):
        yield from _entries[key]


def add(entry: Entry) -> None:
    """Add an entry; the same operator with the same `since` can't stand twice."""
    known = _entries.setdefault((entry.domain, entry.op_type), [])
    if any(entry.since == one.since for one in known):
        raise ValueError(f"{entry.op_type} since opset {entry.since} has a rule already")
    known.append(entry)
    known.sort(key=lambda one: -one.since)


def each_once(call: Call) -> tuple[int, int]:
    """Return the default traffic: each input is read once, each output written once."""
    return _bytes(call.inputs), _bytes(call.outputs)


def moves_output(call: Call) -> tuple[int, int]:
    """Return the traffic of an operator that reads only the elements that it hands on (Gather, Slice)."""
    written = _bytes(call.outputs)
    return written + _bytes(call.inputs[1:]), written


def view(_call: Call) -> tuple[int, int]:
    """Return the traffic of an operator whose output is its input under another shape or name: none."""
    return 0, 0


def is_view(call: Call) -> bool:
    """Return whether a call hands its input on under another shape or name: it reads and writes nothing."""
    entry = of(call)
    try:
        return entry is not None and bool(call.inputs) and entry.traffic(call) == (0, 0)
    except (NodeError, UnknownShapeError):
        return False


def overwrites(call: Call) -> bool:
    """Return whether a call can write its result over an input of the same size."""
    entry = of(call)
    return entry is not None and entry.overwrites


def rule(
    *op_types: str,
    domain: str = "",
    since: int = 1,
    traffic: Traffic = each_once,
    overwrites: bool = False,
    doc: str = "",
) -> Callable[[Rule], Rule]:
    """Register the decorated function as the formula of some operators.

    It takes a Call and yields Terms; `doc`, or its docstring, gives formula, shapes, assumptions and `Source:`.
    """

    def register(function: Rule) -> Rule:
        text = doc or inspect.cleandoc(function.__doc__ or "")
        for op_type in op_types:
            add(Entry(op_type, domain, since, text, function, traffic, overwrites=overwrites))
        return function

    return register


def free(op_type: str, reason: str, traffic: Traffic = each_once, *, domain: str = "", since: int = 1) -> None:
    """Declare that an operator computes nothing, and why."""
    add(Entry(op_type, domain, since, reason, None, traffic))


def _bytes(types: Iterable[Type | None]) -> int:
    sizes = [size_of(one) for one in types]
    if None in sizes:
        raise UnknownShapeError("the size of a value is not known")
    return sum(filter(None, sizes))
