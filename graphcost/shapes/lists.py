"""What onnx's inference does not say about lists and optionals: the entries one by one, and whether a value is there.

It knows one type for all entries of a list. Where they differ, or their number matters, a list is followed entry by
entry, from the node that makes it to those that take it apart.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from graphcost.errors import NodeError
from graphcost.load.quote import shown
from graphcost.shapes.facts import merge_all, scalar
from graphcost.types import UNKNOWN, OptionalType, SequenceType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from graphcost.call import Fact
    from graphcost.types import Dim, Node, Runs, Type

    Inputs = Sequence[Fact | None]
    Refinement = Callable[[Node, Inputs, Type], Type | None]

MOST_RUNS = 64
"""Of a list whose entries change their type more often, no entry is known alone; alike ones may be any number."""


def refined(node: Node, inputs: Inputs, found: Type) -> Type:
    """Return the type of a node's output: what inference found, with what is known of its entries."""
    refine = None if node.domain else _REFINEMENTS.get(node.op_type)
    return (refine(node, inputs, found) if refine else None) or found


def listed(entries: Iterable[tuple[Type, int]]) -> SequenceType:
    """Return the type of a list with these entries.

    >>> from graphcost.types import DType
    >>> one, other = TensorType(DType.FLOAT32, (1, 3)), TensorType(DType.FLOAT32, (2, 3))
    >>> found = listed([(one, 1), (one, 4), (other, 1)])
    >>> str(found), found.length, [times for _, times in found.entries]
    ('sequence(float32[?, 3])', 6, [5, 1])
    """
    grouped = groupby(((one, times) for one, times in entries if times), key=lambda run: run[0])
    runs = tuple((one, sum(times for _, times in group)) for one, group in grouped)
    return SequenceType(merge_all(one for one, _ in runs), runs if len(runs) <= MOST_RUNS else None)


def _cut(runs: Runs, place: int) -> tuple[Runs, Runs]:
    """Return the entries before a place, and those from there on."""
    before: list[tuple[Type, int]] = []
    for index, (one, times) in enumerate(runs):
        if place < times:
            return (*before, (one, place)), ((one, times - place), *runs[index + 1 :])
        before.append((one, times))
        place -= times
    return runs, ()


def at(runs: Runs, place: int) -> Type:
    """Return the type of the entry at a place that there is."""
    return _cut(runs, place)[1][0][0]


def _place(fact: Fact | None, length: int, *, last: int) -> int | None:
    """Return the place that a position from -length to `last` names; None where it isn't known."""
    position = scalar(fact)
    if position is None:
        return None
    if not -length <= position <= last:
        raise NodeError(f"wants a position from {-length} to {last}, it is {position}")
    return position + length if position < 0 else position


def _axis(node: Node, rank: int, *default: int) -> int:
    """Return the axis of `rank` axes that a node names."""
    axis = node.attributes.get("axis", *default)
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise NodeError(f"wants one of {rank} axes as axis, it is {shown(str(axis))}")
    return axis % rank


def _entries(inputs: Inputs) -> Runs | None:
    return inputs[0].type.entries if inputs and inputs[0] and isinstance(inputs[0].type, SequenceType) else None


def _given(inputs: Inputs, place: int) -> Fact | None:
    return inputs[place] if place < len(inputs) else None


def _empty(_node: Node, _inputs: Inputs, found: Type) -> Type | None:
    return replace(found, entries=()) if isinstance(found, SequenceType) else None


def _constructed(_node: Node, inputs: Inputs, _found: Type) -> Type:
    return listed((one.type if one else UNKNOWN, 1) for one in inputs)


def _inserted(_node: Node, inputs: Inputs, _found: Type) -> Type | None:
    runs, new, position = _entries(inputs), _given(inputs, 1), _given(inputs, 2)
    if runs is None or new is None:
        return _with(inputs, new)
    length = sum(times for _, times in runs)
    place = _place(position, length, last=length) if position else length
    if place is None:  # among entries like it, it is all the same where
        return listed([*runs, (new.type, 1)]) if {one for one, _ in runs} <= {new.type} else None
    before, after = _cut(runs, place)
    return listed([*before, (new.type, 1), *after])


def _with(inputs: Inputs, new: Fact | None) -> Type | None:
    """Return the type of a list of unknown length with one entry more."""
    whole = inputs[0].type if inputs and inputs[0] else None
    return SequenceType(merge_all([whole.element, new.type])) if isinstance(whole, SequenceType) and new else None


def _erased(_node: Node, inputs: Inputs, _found: Type) -> Type | None:
    runs, position = _entries(inputs), _given(inputs, 1)
    if not runs:
        return None
    length = sum(times for _, times in runs)
    place = _place(position, length, last=length - 1) if position else length - 1
    if place is None:
        return SequenceType(runs[0][0], ((runs[0][0], length - 1),)) if len(runs) == 1 else None
    before, rest = _cut(runs, place)
    return listed([*before, *_cut(rest, 1)[1]]) if length > 1 else SequenceType(runs[0][0], ())


def _at(_node: Node, inputs: Inputs, _found: Type) -> Type | None:
    runs = _entries(inputs)
    if not runs:
        return None
    length = sum(times for _, times in runs)
    place = _place(_given(inputs, 1), length, last=length - 1)
    return merge_all(one for one, _ in runs) if place is None else at(runs, place)


def _split(node: Node, inputs: Inputs, _found: Type) -> Type | None:
    whole, split = inputs[0].type if inputs and inputs[0] else UNKNOWN, _given(inputs, 1)
    if not isinstance(whole, TensorType) or whole.shape is None:
        return None
    shape = whole.shape
    at = _axis(node, len(shape), 0)
    parts = _parts(shape[at], split)
    if parts is None:
        return None
    is_kept = split is not None or node.attributes.get("keepdims", 1)
    middle = [(size,) if is_kept else () for size, _ in parts]
    types = (TensorType(whole.dtype, (*shape[:at], *one, *shape[at + 1 :])) for one in middle)
    return listed(zip(types, (times for _, times in parts), strict=True))


def _parts(size: Dim, split: Fact | None) -> list[tuple[int | None, int]] | None:
    """Return the sizes into which an axis is split, each with how many parts have it."""
    if split is None:
        return [(1, size)] if isinstance(size, int) else None
    sizes, count = split.constant, shape_of(split.type)
    if sizes is not None and (sizes.dtype.kind not in "iu" or (sizes.size and sizes.min() < 0)):
        raise NodeError(f"wants integers of 0 or more as split, it is {shown(str(sizes.tolist()))}")
    if sizes is not None and sizes.ndim:
        return [(int(one), 1) for one in sizes.ravel()]
    if count and isinstance(count[0], int):
        return [(None, count[0])]
    step = scalar(split)
    if not step or step < 0 or not isinstance(size, int):
        return None
    return [(step, size // step), (size % step, int(size % step > 0))]


def _concatenated(node: Node, inputs: Inputs, _found: Type) -> Type | None:
    runs, is_new = _entries(inputs), node.attributes.get("new_axis", 0)
    merged = merge_all(one for one, _ in runs) if runs else UNKNOWN
    if not runs or not isinstance(merged, TensorType) or merged.shape is None:
        return None
    at = _axis(node, len(merged.shape) + (1 if is_new else 0))
    sizes = [(1 if is_new else shape_of(one)[at], times) for one, times in runs]
    known = [size * times for size, times in sizes if isinstance(size, int)]
    total = sum(known) if len(known) == len(sizes) else None
    return TensorType(merged.dtype, (*merged.shape[:at], total, *merged.shape[at + (0 if is_new else 1) :]))


def _wrapped(_node: Node, inputs: Inputs, found: Type) -> Type | None:
    if inputs and inputs[0]:
        return OptionalType(inputs[0].type, is_there=True)
    return replace(found, is_there=False) if isinstance(found, OptionalType) else None


def _unwrapped(_node: Node, inputs: Inputs, _found: Type) -> Type | None:
    whole = inputs[0].type if inputs and inputs[0] else None
    return whole.element if isinstance(whole, OptionalType) else whole


def _same(_node: Node, inputs: Inputs, found: Type) -> Type | None:
    return None if isinstance(found, TensorType) or not inputs or not inputs[0] else inputs[0].type


_REFINEMENTS: dict[str, Refinement] = {
    "ConcatFromSequence": _concatenated,
    "Identity": _same,
    "Optional": _wrapped,
    "OptionalGetElement": _unwrapped,
    "SequenceAt": _at,
    "SequenceConstruct": _constructed,
    "SequenceEmpty": _empty,
    "SequenceErase": _erased,
    "SequenceInsert": _inserted,
    "SplitToSequence": _split,
}
