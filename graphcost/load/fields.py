"""Protobuf's wire format: where the fields of a message begin and end, without reading what they hold."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

    Data = bytes | mmap
    Span = tuple[int, int, int, int, int]

VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = range(6)
"""The wire types; 6 and 7 do not exist."""
DEEPEST = 100
"""Messages or groups inside one another, as deep as protobuf follows them."""

_LONGEST = 10
"""Bytes of the longest varint."""
_LONGEST_HEAD = 5
"""Bytes of the longest varint that protobuf takes as a tag or a length."""
_CONTINUED = bytes(range(128, 256))
"""All bytes but the last of a varint are these."""
_CHUNK = 1 << 20


class WireError(Exception):
    """The bytes are no protobuf message."""

    def __init__(self, reason: str, number: int = 0, at: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.number = number
        self.at = at


def fields(data: Data, start: int, stop: int, strings: int = 0) -> Iterator[Span]:
    """Yield (number, wire type, first byte of the tag, first byte of the content, end) of each field of a message.

    A run of numbers in one field, each behind its own tag, is yielded once: a list of millions takes no longer than
    a search. So is a run of short strings in the field of number `strings`. A length that leads past `stop` is yielded
    before it raises: whoever looks inside finds the inner fault.
    """
    at, number = start, 0
    try:
        while at < stop:
            tag, begin = data[at], at + 1
            if tag > 127:
                tag, begin = varint(data, at, stop, _LONGEST_HEAD)
            number, wire = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                _refuse(f"has the field number {number}, where 1 to 2^29 - 1 are possible")
            if wire == BYTES:
                length, begin = varint(data, begin, stop, _LONGEST_HEAD)
                end = begin + length
                if number == strings and end <= stop:
                    end = _run_end(data, tag, at, stop) or end
            else:
                end = _end(data, tag, at, begin, stop)
            yield number, wire, at, begin, end
            if end > stop:
                _refuse(f"is {length} bytes long, and {stop - begin} are left")
            at = end
    except WireError as fault:
        raise WireError(fault.reason, number, at) from None


def _refuse(reason: str) -> NoReturn:
    raise WireError(reason)


def varint(data: Data, at: int, stop: int, longest: int = _LONGEST) -> tuple[int, int]:
    """Return the number that is encoded at an offset, and the offset behind it."""
    value = 0
    for shift in range(0, 7 * longest, 7):
        if at >= stop:
            raise WireError("ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise WireError(f"has a number of more than {longest} bytes")


def encoded(number: int) -> bytes:
    """Return a number of 0 or more as a varint."""
    octets = bytearray()
    while number > 127:
        octets.append(number & 127 | 128)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def varints(data: Data, span: Span) -> list[int]:
    """Return the signed 64-bit numbers of a field, packed or one behind each tag."""
    number, wire, tag_at, at, end = span
    found = []
    try:
        while at < end:
            value, at = varint(data, at, end)
            found.append((value + (1 << 63)) % (1 << 64) - (1 << 63))
            if wire == VARINT and at < end:
                _, at = varint(data, at, end, _LONGEST_HEAD)
    except WireError as fault:
        raise WireError(fault.reason, number, tag_at) from None
    return found


def count_varints(data: Data, start: int, stop: int) -> int:
    """Return how many numbers end between two offsets; the tags of a run count as well."""
    chunks = (data[at : min(at + _CHUNK, stop)] for at in range(start, stop, _CHUNK))
    return sum(len(chunk.translate(None, _CONTINUED)) for chunk in chunks)


def count_strings(data: Data, start: int, stop: int) -> int:
    """Return the number of strings in a run that `fields` yielded, or 1 for a long one."""
    if data[start] > 127 or data[start + 1] > 127:
        return 1
    return sum(1 for _ in _one(data[start]).finditer(data, start, stop))


def _end(data: Data, tag: int, at: int, begin: int, stop: int) -> int:
    """Return the end of a number and of those of the same field that follow it, or of a group."""
    wire = tag & 7
    if wire == GROUP:
        return _group_end(data, tag, begin, stop)
    return _run_end(data, tag, at, stop) or _value_end(data, wire, begin, stop)


_CONTENT = {
    VARINT: rb"[\x80-\xff]{0,9}[\x00-\x7f]",
    FIXED64: rb".{8}",
    FIXED32: rb".{4}",
    BYTES: rb"(?:%b)" % b"|".join(rb"\x%02x.{%d}" % (length, length) for length in range(128)),
}


def _run_end(data: Data, tag: int, at: int, stop: int) -> int | None:
    """Return the end of a run of numbers or short strings; None where none begins, or its tags are written oddly."""
    if tag > 127 or data[at] != tag or tag & 7 not in _CONTENT:
        return None
    run = _one(tag, b"++").match(data, at, stop)
    return run.end() if run else None


@cache
def _one(tag: int, times: bytes = b"") -> re.Pattern[bytes]:
    return re.compile(rb"(?:%b%b)%b" % (re.escape(bytes([tag])), _CONTENT[tag & 7], times), re.DOTALL)


def _value_end(data: Data, wire: int, at: int, stop: int) -> int:
    if wire == VARINT:
        return varint(data, at, stop)[1]
    if wire == BYTES:
        length, at = varint(data, at, stop, _LONGEST_HEAD)
    elif wire in (FIXED32, FIXED64):
        length = 4 if wire == FIXED32 else 8
    else:
        raise WireError("ends a group that never began" if wire == GROUP_END else f"has wire type {wire}, of 0 to 5")
    if at + length > stop:
        raise WireError(f"is {length} bytes long, and {stop - at} are left")
    return at + length


def _group_end(data: Data, tag: int, at: int, stop: int) -> int:
    """Return the end of a group: nobody has written one for long, and protobuf still skips them."""
    open_groups = [tag >> 3]
    while open_groups:
        tag, at = varint(data, at, stop, _LONGEST_HEAD)
        if tag & 7 == GROUP:
            open_groups.append(tag >> 3)
        elif tag & 7 != GROUP_END:
            at = _value_end(data, tag & 7, at, stop)
        elif open_groups.pop() != tag >> 3:
            raise WireError("holds the end of another group")
        if len(open_groups) > DEEPEST:
            raise WireError(f"is nested more than {DEEPEST} groups deep, which is as deep as protobuf goes")
    return at
