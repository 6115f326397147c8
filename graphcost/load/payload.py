"""The elements of one tensor or attribute in a file: where they are, and how many."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphcost.load.fields import BYTES, FIXED32, FIXED64, VARINT, WireError, count_strings, count_varints

if TYPE_CHECKING:
    from graphcost.load.fields import Data, Span

LARGEST_KEPT = 4_096
"""Elements of the largest tensor whose values are kept; up to the same number, constants are evaluated."""
LARGEST_KEPT_BYTES = 1 << 20
"""Elements of more bytes than this stay on disk however few they are: long strings, surplus data."""

FIELDS = {
    "TensorProto": {
        "float_data": FIXED32,
        "int32_data": VARINT,
        "string_data": BYTES,
        "int64_data": VARINT,
        "raw_data": BYTES,
        "double_data": FIXED64,
        "uint64_data": VARINT,
    },
    "AttributeProto": {"s": BYTES, "floats": FIXED32, "ints": VARINT, "strings": BYTES},
}
"""The fields that can be large, and the wire type of one of their elements where it isn't packed with others."""

STRING_LISTS = {"TensorProto": 6, "AttributeProto": 9}
"""The number of the field among them that is a list of strings."""

_WIDTHS = {FIXED32: 4, FIXED64: 8}
_SURELY_LARGE = 10 * LARGEST_KEPT
"""So many bytes of packed integers, each of at most 10, are more than LARGEST_KEPT elements."""


@dataclass(slots=True)
class Payload:
    """The elements of one tensor or attribute, as its fields are met one by one."""

    spans: list[tuple[int, int]] = field(default_factory=list)
    """From where to where its fields go, tags and lengths included; neighbours are one span."""
    stored: Counter[str] = field(default_factory=Counter)
    """By field: its entries; for raw_data its bytes; for long packed integers of a tensor at most so many."""
    size: int = 0
    """The bytes of the elements."""

    def add(self, data: Data, name: str, single: int, span: Span) -> None:
        """Take in a field, `single` being the wire type of one of its elements. Any other wire type is not its own."""
        _, wire, at, begin, end = span
        if wire not in (single, BYTES):
            return
        self.stored[name] += _count(data, name, single, span)
        self.size += end - begin if wire == BYTES else end - at
        if self.spans and self.spans[-1][1] == at:
            at = self.spans.pop()[0]
        self.spans.append((at, end))


def _count(data: Data, name: str, single: int, span: Span) -> int:
    _, wire, at, begin, end = span
    size = end - begin
    if single == BYTES:
        return size if name == "raw_data" else count_strings(data, at, end)
    if single == VARINT:
        return _packed_integers(data, name, begin, end) if wire == BYTES else count_varints(data, at, end) // 2
    width = _WIDTHS[single]
    if wire != BYTES:
        return (end - at) // (begin - at + width)
    if size % width:
        raise WireError(f"is {size} bytes long, which is no multiple of {width}", span[0], at)
    return size // width


def _packed_integers(data: Data, name: str, begin: int, end: int) -> int:
    """Return their number; for a tensor beyond any doubt large their bytes, which are not read: at most so many."""
    if name != "ints" and end - begin > _SURELY_LARGE:
        return end - begin
    return count_varints(data, begin, end)
