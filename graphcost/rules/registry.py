"""The one list of all rules: what an operator costs, since which opset, and what comes out of it.

A signature and a type rule stand here only for what onnx itself does not tell, or tells wrongly.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from graphcost.call import Fusion, Schema
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.types import size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from graphcost.bounds import Bounds
    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Type

    Rule = Callable[[Call], Iterable[Term]]
    Moved = tuple[Bounds | int, Bounds | int]
    Traffic = Callable[[Call], Moved]
    TypeRule = Callable[[Call], Iterable[Type | None]]
    Wanted = tuple[int, ...]
    Gradient = Callable[[Call, Wanted], Iterable[Term]]
    Elements = Callable[[Call], int]


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
    """The bytes that it reads and writes; bounds, where the elements decide."""
    overwrites: bool = False
    """Whether it can write its result over an input of the same size, element by element."""
    not_weights: frozenset[str] = frozenset()
    """Inputs that hold no weight although their type could be one: attributes in disguise, scales, initial states."""
    packed: Mapping[str, Elements] = field(default_factory=dict)
    """Inputs that hold several elements in one, and how many elements that makes."""
    state: frozenset[str] = frozenset()
    """Outputs that hold what a later run reads as its past: the cache of keys and values."""

    @property
    def is_free(self) -> bool:
        """Whether it is declared to compute nothing."""
        return self.terms is None


_entries: dict[tuple[str, str], list[Entry]] = {}
_signatures: dict[tuple[str, str], Schema] = {}
_types: dict[tuple[str, str], TypeRule] = {}
_gradients: dict[tuple[str, str], Gradient] = {}


def find(op_type: str, domain: str, opset: int) -> Entry | None:
    """Return what holds for an operator at an opset, or None where it has no rule."""
    _load(domain)
    for entry in _entries.get((domain, op_type), ()):
        if entry.since <= opset:
            return entry
    return None


def of(call: Call) -> Entry | None:
    """Return what holds for a call's operator, or None where it has no rule."""
    return find(call.op_type, call.domain, call.opset)


@cache
def _load(domain: str) -> None:
    """Import the rules of a domain that are not there from the start."""
    if domain in _PACKAGES:
        importlib.import_module(f"graphcost.rules.{_PACKAGES[domain]}")


def _load_all() -> None:
    for domain in _PACKAGES:
        _load(domain)


def entries() -> Iterator[Entry]:
    """Yield all that is known, operator by operator, the newest opset first."""
    _load_all()
    for key in sorted(_entries):
        yield from _entries[key]


def add(entry: Entry) -> None:
    """Add an entry; the same operator with the same `since` can't stand twice."""
    known = _entries.get((entry.domain, entry.op_type), [])
    if any(entry.since == one.since for one in known):
        raise ValueError(f"{entry.op_type} since opset {entry.since} has a rule already")
    put(entry)


def put(entry: Entry) -> None:
    """Put an entry in the place of the one with the same `since`, if there is one."""
    others = [one for one in _entries.get((entry.domain, entry.op_type), []) if one.since != entry.since]
    _entries[entry.domain, entry.op_type] = sorted([entry, *others], key=lambda one: -one.since)


def each_once(call: Call) -> tuple[int, int]:
    """Return the default traffic: each input is read once, each output written once."""
    read, written = (
        call.inputs if call.reads is None else call.reads,
        call.outputs if call.writes is None else call.writes,
    )
    return _bytes(read), _bytes(written)


def moves_output(call: Call) -> tuple[int, int]:
    """Return the traffic of an operator that reads only the elements that it hands on (Gather, Slice)."""
    written = _bytes(call.outputs)
    return written + _bytes(call.inputs[1:]), written


def view(_call: Call) -> tuple[int, int]:
    """Return the traffic of an operator whose output is its input under another shape or name: none."""
    return 0, 0


def traffic(call: Call) -> Moved:
    """Return the bytes that a call reads and writes: none where another kernel does its work.

    Raises UnknownShapeError where a size is not known.
    """
    if call.fusion is not Fusion.ALONE:
        return view(call)
    entry = of(call)
    try:
        return entry.traffic(call) if entry else each_once(call)
    except (NodeError, UnknownShapeError):
        raise
    except Exception as fault:  # someone else's function, which stops no analysis
        raise UnknownShapeError(f"the traffic of {call.operator} breaks: {type(fault).__name__}: {fault}") from fault


def is_view(call: Call) -> bool:
    """Return whether a call hands its input on under another shape or name: it reads and writes nothing."""
    try:
        return of(call) is not None and bool(call.inputs) and traffic(call) == (0, 0)
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
    not_weights: str = "",
    packed: Mapping[str, Elements] | None = None,
    state: str = "",
    doc: str = "",
) -> Callable[[Rule], Rule]:
    """Register the decorated function as the formula of some operators.

    It takes a Call and yields Terms; `doc`, or its docstring, gives formula, shapes, assumptions and `Source:`.
    `not_weights` names the inputs that hold no weight, `packed` those that hold several elements in one, `state` the
    outputs that a later run takes up again.
    """

    def register(function: Rule) -> Rule:
        text = doc or inspect.cleandoc(function.__doc__ or "")
        excluded, kept = frozenset(not_weights.split()), frozenset(state.split())
        for op_type in op_types:
            add(Entry(op_type, domain, since, text, function, traffic, overwrites, excluded, packed or {}, kept))
        return function

    return register


def free(
    op_type: str,
    reason: str,
    traffic: Traffic = each_once,
    *,
    domain: str = "",
    since: int = 1,
    not_weights: str = "",
) -> None:
    """Declare that an operator computes nothing, and why."""
    add(Entry(op_type, domain, since, reason, None, traffic, not_weights=frozenset(not_weights.split())))


def signature(op_type: str, text: str, *, domain: str, **defaults: Any) -> None:
    """Give the names of the inputs and outputs of an operator that onnx does not know, and its attributes' defaults.

    >>> signature("Scaled", "A B bias? -> Y", domain="doctest", alpha=1.0)
    >>> signature_of("Scaled", "doctest").inputs
    ('A', 'B', 'bias')
    """
    inputs, _, outputs = text.partition("->")
    _signatures[domain, op_type] = Schema(
        since=1,
        inputs=tuple(name.rstrip("?") for name in inputs.split()),
        outputs=tuple(name.rstrip("?") for name in outputs.split()),
        defaults=defaults,
        optional_outputs=frozenset(place for place, name in enumerate(outputs.split()) if name.endswith("?")),
    )


def signed() -> Iterable[tuple[str, str]]:
    """Return domain and name of each operator that onnx does not know and that has a signature."""
    _load_all()
    return _signatures.keys()


def signature_of(op_type: str, domain: str) -> Schema | None:
    """Return the names that were given for an operator that onnx does not know."""
    _load(domain)
    return _signatures.get((domain, op_type))


def types(*op_types: str, domain: str = "") -> Callable[[TypeRule], TypeRule]:
    """Register the decorated function as what says the types of some operators' outputs, in order.

    It takes a Call whose inputs are typed and whose outputs are not. It stands before onnx's own inference.
    """

    def register(function: TypeRule) -> TypeRule:
        for op_type in op_types:
            _types[domain, op_type] = function
        return function

    return register


def like_input(*op_types: str, domain: str = "", name: str = "") -> None:
    """Say that the output of some operators has the type of an input: of the first, or of the one that is named."""

    def as_input(call: Call) -> Iterator[Type]:
        yield call.partial(name or call.schema.inputs[0])

    types(*op_types, domain=domain)(as_input)


def gradient(*op_types: str) -> Callable[[Gradient], Gradient]:
    """Register the decorated function as the backward pass of some operators.

    It takes a Call and the places of the inputs whose gradients are wanted, and yields Terms.
    """

    def register(function: Gradient) -> Gradient:
        for op_type in op_types:
            _gradients["", op_type] = function
        return function

    return register


def gradient_of(call: Call) -> Gradient | None:
    """Return the backward pass of a call's operator; None where it is not known."""
    return _gradients.get((call.domain, call.op_type))


class Domain:
    """A domain of operators beside ai.onnx: what registers those of ai.onnx, for its own."""

    def __init__(self, name: str) -> None:
        """Take the domain's name."""
        self.name = name
        self.rule = partial(rule, domain=name)
        self.free = partial(free, domain=name)
        self.types = partial(types, domain=name)
        self.like_input = partial(like_input, domain=name)

    def signature(self, op_type: str, text: str, **defaults: Any) -> None:
        """Give the names of an operator's inputs and outputs, and its attributes' defaults."""
        signature(op_type, text, domain=self.name, **defaults)


MICROSOFT = Domain("com.microsoft")
"""onnxruntime's own operators."""
NCHWC = Domain("com.microsoft.nchwc")
"""onnxruntime's operators on channels in blocks."""
NHWC = Domain("com.ms.internal.nhwc")
"""onnxruntime's operators on channels last."""
ML = Domain("ai.onnx.ml")
"""Classical machine learning."""
TRAINING = Domain("ai.onnx.preview.training")
"""Optimizers."""

_PACKAGES = {
    **dict.fromkeys((MICROSOFT.name, NCHWC.name, NHWC.name), "contrib"),
    **dict.fromkeys((ML.name, TRAINING.name), "ml"),
}
"""Where the rules of a domain stand that few models name: they are imported when one does."""


def types_of(op_type: str, domain: str) -> TypeRule | None:
    """Return what says the types of an operator's outputs; None where onnx's own inference does."""
    _load(domain)
    return _types.get((domain, op_type))


def _bytes(types: Iterable[Type | None]) -> int:
    sizes = [size_of(one) for one in types]
    if None in sizes:
        raise UnknownShapeError("the size of a value is not known")
    return sum(filter(None, sizes))
