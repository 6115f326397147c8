"""Which layer of one model the nodes of another belong to: by what they say, by their names, by their products."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from graphcost.bounds import NOTHING
from graphcost.layers import path_of
from graphcost.results import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from graphcost.results import Row

ENOUGH = 0.5
"""The part of the working nodes that has to be found by name for names to be believed."""


def matched(rows: Sequence[Row], others: Sequence[Row], paths: set[str]) -> dict[str, str]:
    """Return the layer of each row by its id; `others` are those of the model that has the layers `paths`.

    A row that says its layer is believed. Else the scope in its name is looked up among those of the others; where
    that finds too few, products are aligned in order. What is left goes to the node that it reads or is read by.
    """
    found = {row.id: path for row in rows if row.layer is not None and (path := row.layer.partition("#")[0]) in paths}
    if not found:
        found = _by_scope(rows, others)
    if len(found) < ENOUGH * len(rows):
        found = _by_product(rows, others)
    _spread(rows, found)
    return found


def _by_scope(rows: Sequence[Row], others: Sequence[Row]) -> dict[str, str]:
    names = {row.cost.node.name: path_of(row) for row in others if row.cost.node.name}
    scopes = {scope: path_of(row) for row in others if (scope := row.cost.node.name.strip("/").rpartition("/")[0])}
    found = {row.id: names[row.cost.node.name] for row in rows if row.cost.node.name in names}
    for row in (one for one in rows if one.id not in found):
        paths = (
            _look_up(one.strip("/").split("/")[:-1], scopes) for one in (row.cost.node.name, *row.cost.node.outputs)
        )
        path = next((one for one in paths if one is not None), None)
        if path is not None:
            found[row.id] = path
    return found


def _look_up(parts: list[str], scopes: dict[str, str]) -> str | None:
    """Return what belongs to the longest run of scopes; exporters put others before them."""
    for start in range(len(parts)):
        for end in range(len(parts), start, -1):
            path = scopes.get("/".join(parts[start:end]))
            if path is not None:
                return path
    return None


def _by_product(rows: Sequence[Row], others: Sequence[Row]) -> dict[str, str]:
    """Align the nodes that multiply and accumulate, in the order in which they stand."""
    ours = [row for row in rows if row.macs != NOTHING]
    theirs = [row for row in others if row.macs != NOTHING]
    matcher = SequenceMatcher(None, [row.macs for row in ours], [row.macs for row in theirs], autojunk=False)
    return {
        ours[block.a + step].id: path_of(theirs[block.b + step])
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    }


def _spread(rows: Sequence[Row], found: dict[str, str]) -> None:
    """Give what has no layer that of a neighbour: of its reader what only moves elements, of its writer the rest."""
    _from_readers(list(reversed(rows)), found, lambda row: row.cost.status is Status.FREE)
    writers: dict[str, str] = {}
    for row in rows:
        if row.id not in found:
            path = next((writers[name] for name in row.cost.node.inputs if name in writers), None)
            found |= {} if path is None else {row.id: path}
        writers |= dict.fromkeys(row.cost.node.outputs, found[row.id]) if row.id in found else {}
    _from_readers(list(reversed(rows)), found, lambda _row: True)
    for row in rows:
        found.setdefault(row.id, "")


def _from_readers(rows: Sequence[Row], found: dict[str, str], takes: Callable[[Row], bool]) -> None:
    """Give some of the rows, the last first, the layer of a row that reads their value."""
    readers: dict[str, str] = {}
    for row in rows:
        if row.id not in found and takes(row):
            path = next((readers[name] for name in row.cost.node.outputs if name in readers), None)
            found |= {} if path is None else {row.id: path}
        readers |= dict.fromkeys(row.cost.node.inputs, found[row.id]) if row.id in found else {}
