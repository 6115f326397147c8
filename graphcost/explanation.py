"""Where a node's numbers come from: its formula with this model's numbers filled in."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphcost.analysis import analyze
from graphcost.errors import UsageError
from graphcost.rules import registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from graphcost.bounds import Bounds
    from graphcost.convention import Convention
    from graphcost.load import Source
    from graphcost.results import Row
    from graphcost.rules.registry import Entry
    from graphcost.terms import Term

SUGGESTIONS = 3
"""How many names an error suggests."""
LONGEST_SUGGESTION = 200
"""Characters of a name that is compared with what was typed; a longer one nobody types."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a node's numbers come from."""

    row: Row
    """The node, and what the report says about it."""
    entry: Entry | None
    """The rule of its operator; None where its bodies say what it costs, or nothing does."""
    convention: Convention
    """What its work is priced by."""
    body: tuple[Row, ...]
    """The nodes of its bodies; those of a body that several nodes share have the ids of the first of them."""

    def worth(self, term: Term) -> Bounds | None:
        """Return what the convention counts for one of the node's terms; None where it does not count it."""
        return self.convention.value(replace(self.row.cost, terms=(term,)))

    def __str__(self) -> str:
        from graphcost.report import explained  # noqa: PLC0415  # it prints itself, as the Report does

        return explained.render(self)


def explain(
    source: Source,
    node: str,
    *,
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    convention: str = "graphcost",
    as_dtype: str | None = None,
    values: Mapping[str, Sequence[float] | float] | None = None,
    trust: bool = False,
) -> Explanation:
    """Return where the numbers of one node come from.

    `node` is its id, its name or the name of one of its outputs; the rest is as for `analyze`. Raises UsageError
    where there is no such node, or several.

    >>> found = explain("models/mnist_cnn.onnx", "conv1/Conv")
    >>> [(term.what, term.count) for term in found.row.cost.terms]
    [('X*W', 194688), ('+ B', 21632)]
    """
    report = analyze(
        source, dims=dims, shapes=shapes, convention=convention, as_dtype=as_dtype, values=values, trust=trust
    )
    row = _find(report.rows, node)
    call = row.cost.call
    bodies = {inner for body in row.cost.bodies for inner in body.nodes}
    return Explanation(
        row=row,
        entry=None if row.cost.bodies else registry.find(call.op_type, call.domain, call.opset),
        convention=report.settings.convention,
        body=tuple(one for one in report.rows if one.cost in bodies),
    )


def _find(rows: Sequence[Row], wanted: str) -> Row:
    """Return the node with an id, else with a name, else with an output."""
    for found in (
        [row for row in rows if row.id == wanted],
        [row for row in rows if row.cost.node.name == wanted],
        [row for row in rows if wanted in row.cost.node.outputs],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(repr(row.id) for row in found[:SUGGESTIONS])
            raise UsageError(f"{len(found)} nodes are called {wanted!r}; name one by its id: {ids} ...")
    raise UsageError(f"the model has no node {wanted!r}{_suggestion(rows, wanted)}")


def _suggestion(rows: Sequence[Row], wanted: str) -> str:
    names = list(dict.fromkeys(_names(rows)))
    holding = [name for name in names if wanted.lower() in name.lower()]
    close = holding[:SUGGESTIONS] or difflib.get_close_matches(wanted, names, SUGGESTIONS, cutoff=0.4)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def _names(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        for name in (row.id, row.cost.node.name, *row.cost.node.outputs):
            if 0 < len(name) <= LONGEST_SUGGESTION:
                yield name
