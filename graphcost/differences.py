"""What happened to one layer between two models, in sentences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from graphcost.results import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from graphcost.results import Group, Row
    from graphcost.types import Weight

Kind = Literal[
    "folded", "dropped", "fused", "split", "duplicated", "rewritten", "inserted", "removed", "parameters", "shape"
]


MOST_WEIGHTS = 8
"""How many weights a layer may have for every choice of them to be tried, to find out which are gone."""
Aspect = Literal["parameters", "flops", "shape"]
"""What a comparison can fail on."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the second model does otherwise."""

    kind: Kind
    """What happened."""
    layer: str
    """The layer of the first model that it happened to; empty for the model itself."""
    message: str
    """One sentence: what was there, and what is there."""


def differences_of(
    path: str, before: Group, after: Group, weights: Sequence[Weight], writers: Mapping[str, str]
) -> Iterator[Difference]:
    """Yield what happened to a layer.

    `weights` are those of the layer, as far as they are known; `writers` gives the layer that computes each value of
    the first model.
    """
    yield from _of_work(path, before, after, writers)
    yield from _of_movement(path, before, after)
    yield from _of_parameters(path, before, after, weights)


def _of_work(path: str, before: Group, after: Group, writers: Mapping[str, str]) -> Iterator[Difference]:
    """Yield what became of the nodes that compute."""
    old, new = _computing(before.rows), _computing(after.rows)
    counted, found = Counter(_operators(old)), Counter(_operators(new))
    if counted == found:
        return
    change = f"{_listed(counted)} -> {_listed(found)}"
    if not new:
        host = _host(path, old, writers)
        into = f" into {host}" if host else ""
        kind: Kind = "folded" if before.parameters else "dropped"
        yield Difference(kind, path, f"{kind}{into if kind == 'folded' else ''}: {_listed(counted)} {_are(old)} gone")
    elif not old:
        yield Difference("inserted", path, f"inserted: {_listed(found)}, where nothing was computed")
    elif (times := _multiple(counted, found)) is not None:
        yield Difference("duplicated", path, f"duplicated: each node stands there {times} times, {change}")
    elif len(new) < len(old):
        yield Difference("fused", path, f"fused: {change}")
    elif len(new) > len(old):
        yield Difference("split", path, f"split: {change}")
    else:
        yield Difference("rewritten", path, f"rewritten: {change}")


def _of_movement(path: str, before: Group, after: Group) -> Iterator[Difference]:
    """Yield the nodes that only move elements, or change their type or shape, and that came or went."""
    old, new = Counter(_operators(_moving(before.rows))), Counter(_operators(_moving(after.rows)))
    if added := new - old:
        yield Difference("inserted", path, f"inserted, and computes nothing: {_listed(added)}")
    if gone := old - new:
        yield Difference("removed", path, f"removed, and computed nothing: {_listed(gone)}")


def _of_parameters(path: str, before: Group, after: Group, weights: Sequence[Weight]) -> Iterator[Difference]:
    lost = before.parameters - after.parameters
    if not lost:
        return
    change = f"{before.parameters:,} -> {after.parameters:,} parameters"
    if lost < 0:
        message = f"{change}: there are more"
    elif not _computing(after.rows) and _computing(before.rows):
        message = f"{change}: they are gone with its nodes"
    else:
        message = f"{change}: {_reason(lost, weights)}"
    yield Difference("parameters", path, message)


def _reason(lost: int, weights: Sequence[Weight]) -> str:
    """Return why so many elements are not there any more, as far as the weights' names tell."""
    if any(one.name.startswith("moving_") for one in weights):
        return "exporters make a scale and a shift of moving statistics"
    few = weights if len(weights) <= MOST_WEIGHTS else ()
    sets = (chosen for size in range(1, len(few) + 1) for chosen in combinations(few, size))
    fitting = [chosen for chosen in sets if sum(one.elements for one in chosen) == lost]
    if len(fitting) == 1:
        gone = " and ".join(one.name for one in fitting[0])
        return f"as many as {gone}; exporters leave out what is zero, equal to another weight, or read by nothing"
    return "exporters leave out what is zero, equal to another weight, or read by nothing"


def _computing(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.cost.status is not Status.FREE]


def _moving(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.cost.status is Status.FREE]


def _operators(rows: Sequence[Row]) -> list[str]:
    return [row.cost.node.operator for row in rows]


def _listed(operators: Mapping[str, int]) -> str:
    """Return operators and how many there are: `2 MatMul + Add`."""
    return " + ".join(f"{times} {name}" if times > 1 else name for name, times in operators.items()) or "nothing"


def _are(rows: Sequence[Row]) -> str:
    return "is" if len(rows) == 1 else "are"


def _multiple(old: Counter[str], new: Counter[str]) -> int | None:
    """Return how often each of some operators stands there again; None where that isn't the same for all."""
    ratios = {new[name] / times for name, times in old.items()}
    times = ratios.pop() if len(ratios) == 1 and old.keys() == new.keys() else 0
    return int(times) if times > 1 and times == int(times) else None


def _host(path: str, rows: Sequence[Row], writers: Mapping[str, str]) -> str:
    """Return the layer that computes what some nodes of another layer read."""
    read = (writers.get(name, path) for row in rows for name in row.cost.node.inputs)
    return next((one for one in read if one and one != path), "")
