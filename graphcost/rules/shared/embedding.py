"""Looking up rows of tables: what the operators share that look up words, positions and segments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost.rules.registry import each_once
from graphcost.rules.shared import axes
from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import TensorType


def reads_rows(call: Call, found: Mapping[str, int]) -> tuple[int, int]:
    """Return the traffic where of each table no more is read than so many rows."""
    tables = [call.schema.inputs.index(name) for name in found]
    others = tuple(None if place in tables else one for place, one in enumerate(call.inputs))
    read, written = each_once(replace(call, inputs=others))
    return read + sum(_bytes(call, name, rows) for name, rows in found.items()), written


def _bytes(call: Call, name: str, rows: int) -> int:
    table = call.optional(name)
    return replace(table, shape=(rows, *table.dims[1:])).bytes if table else 0


def counted(call: Call, mask: TensorType) -> Iterator[Term]:
    """Yield the work of mask_index: how many places of each row of a mask are 1."""
    words = axes.over(call, mask, [-1])
    yield work("mask = 1", Arith.CMP, dtype=mask.dtype, rows=words.count, elements=words.size)
    yield work("mask_index", Arith.ADD, dtype=mask.dtype, rows=words.count, additions=words.steps)
