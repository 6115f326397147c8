"""Rules of one's own, for operators that graphcost does not know.

A package makes its rules known by an entry point of the group `graphcost.rules` that names the module with them.
"""

from __future__ import annotations

import inspect
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from graphcost.errors import UsageError
from graphcost.results import Finding
from graphcost.rules import registry
from graphcost.rules.registry import Entry, each_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphcost.rules.registry import Elements, Rule, Traffic, TypeRule

GROUP = "graphcost.rules"
"""The group of entry points whose modules are imported before the first model is analysed."""


def rule(  # what a registry entry can say, each by its name
    domain: str,
    op_type: str,
    signature: str = "",
    *,
    types: TypeRule | None = None,
    traffic: Traffic = each_once,
    since: int = 1,
    not_weights: str = "",
    packed: Mapping[str, Elements] | None = None,
    state: str = "",
    **defaults: Any,
) -> Callable[[Rule], Rule]:
    """Register the decorated function as the price of an operator; it wins over a rule or function body there is.

    The function takes a Call and yields Terms. `signature` names the operator's inputs and outputs ("X W bias? -> Y"),
    by which `call.input("X")` finds them; `types` takes a Call as well and yields the type of each output;
    `traffic` returns the bytes read and written, where not each input is read and each output written once; `since`
    is the first version of the domain for which it holds. `not_weights` names inputs that hold no parameters although
    their type could be one (scales, tables), `packed` those that hold several in one, and what counts these; `state`
    names outputs that the next run takes up again. The rest are the attributes' defaults.

    >>> from graphcost.terms import Arith, work
    >>> @rule("doctest", "Scale", "X -> Y", types=lambda call: [call.input("X")])
    ... def scale(call):
    ...     yield work("alpha * X", Arith.MUL, elements=call.input("X").elements)
    """
    registry.find(op_type, domain, since)  # what this wins over is registered before it
    if signature and "->" not in signature:
        raise UsageError(f"the signature of {op_type} wants inputs -> outputs, it is {signature!r}")
    if signature:
        registry.signature(op_type, signature, domain=domain, **defaults)
    if types is not None:
        registry.types(op_type, domain=domain)(types)

    def register(function: Rule) -> Rule:
        doc = inspect.cleandoc(function.__doc__ or f"The work of {op_type}, by {function.__module__}.")
        entry = Entry(
            op_type,
            domain,
            since,
            doc,
            function,
            traffic,
            not_weights=frozenset(not_weights.split()),
            packed=packed or {},
            state=frozenset(state.split()),
        )
        registry.put(entry)
        return function

    return register


@cache
def load_installed() -> tuple[Finding, ...]:
    """Import the modules that installed packages name as holding rules, and return what can't be imported."""
    return tuple(filter(None, map(_loaded, metadata.entry_points(group=GROUP))))


def _loaded(found: metadata.EntryPoint) -> Finding | None:
    try:
        found.load()
    except Exception as fault:  # noqa: BLE001  # a module of someone else's, which can raise anything
        message = f"the rules of {found.value} can't be loaded: {type(fault).__name__}: {fault}"
        return Finding("rules-not-loaded", "warning", found.name, message)
    return None
