"""The strings that belong to an HDF5 file's root group, read without libhdf5.

That library trusts what a file says: a few changed bytes crash the process, take gigabytes, or never come to an end.
Nothing else in the file is followed: no group, no data set, no link.

Source: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from graphcost.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from graphcost.load.fields import Data

SIGNATURE = b"\x89HDF\r\n\x1a\n"
LARGEST_HEADER = 1 << 21
"""Bytes of the root group's header, which holds its attributes."""

_ATTRIBUTE, _CONTINUED, _ATTRIBUTES_ELSEWHERE = 0x0C, 0x10, 0x15
_SHARED = 2
_FIXED, _VARIABLE, _STRING = 3, 9, 1
_MOST_IN_HEAP = 1 << 16
"""Strings in one heap: a number of two bytes tells them apart."""


class _Form(NamedTuple):
    base: int
    """Where address 0 is."""
    root: int
    """Where the header of the root group begins, counted from there."""
    address: int
    """Bytes of an address."""
    length: int
    """Bytes of a length."""


class _Message(NamedTuple):
    kind: int
    shared: bool
    """It stands somewhere else, and many may use it."""
    body: _Cursor


@dataclass(slots=True)
class _Cursor:
    """Reads on from a place, and never beyond where it must stop."""

    data: Data
    at: int
    stop: int

    @property
    def left(self) -> int:
        return self.stop - self.at

    def skip(self, count: int) -> None:
        if count > self.left:
            raise _damaged(f"at byte {self.at} it says {count} more bytes")
        self.at += count

    def take(self, count: int) -> bytes:
        self.skip(count)
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def part(self, count: int) -> _Cursor:
        """Return what reads the next so many bytes, and go on behind them."""
        self.skip(count)
        return _Cursor(self.data, self.at - count, self.at)


def root_strings(data: Data, names: Collection[str], *, largest: int) -> dict[str, bytes]:
    """Return those of some attributes of the root group that it has; each is a string of at most `largest` bytes.

    Raises SourceError where the file is damaged, or keeps one of them in a way that Keras does not.
    """
    form = _superblock(data)
    found: dict[str, bytes] = {}
    elsewhere = False
    for message in _messages(data, form):
        if message.kind == _ATTRIBUTES_ELSEWHERE:
            elsewhere |= _is_elsewhere(message.body, form)
        elif message.kind == _ATTRIBUTE and message.shared:
            elsewhere = True
        elif message.kind == _ATTRIBUTE:
            _attribute(message.body, form, names, found, largest)
    if elsewhere and not found:
        raise SourceError("is an HDF5 file that keeps its attributes apart; save the model again as .keras")
    return found


def _superblock(data: Data) -> _Form:
    cursor = _Cursor(data, len(SIGNATURE), len(data))
    version = cursor.number(1)
    if version > 3:
        raise SourceError(f"is an HDF5 file of format {version}; 0 to 3 are read")
    cursor.skip(4 if version < 2 else 0)
    address, length = cursor.number(1), cursor.number(1)
    if not {address, length} <= {2, 4, 8}:
        raise _damaged(f"its addresses have {address} bytes, its lengths {length}")
    cursor.skip((9, 13, 1, 1)[version])
    base, _, end = (cursor.number(address) for _ in range(3))
    cursor.skip(2 * address if version < 2 else 0)
    if base + end > len(data):
        raise SourceError(f"is an HDF5 file that was cut off: it says {base + end} bytes, and has {len(data)}")
    return _Form(base, cursor.number(address), address, length)


def _messages(data: Data, form: _Form) -> Iterator[_Message]:
    """Yield the messages of the root group's header, which may go on in other places."""
    header = _Cursor(data, form.base + form.root, len(data))
    modern = data[header.at : header.at + 4] == b"OHDR"
    block, ordered = _modern_header(header) if modern else (_old_header(header), False)
    blocks = [block]
    room = LARGEST_HEADER
    while blocks:
        block = blocks.pop()
        room -= block.left
        if room < 0:
            raise _damaged(f"the header of its root group has more than {LARGEST_HEADER} bytes")
        for message in _split(block, modern=modern, ordered=ordered):
            if message.kind == _CONTINUED:
                blocks.append(_continued(message.body, form, modern=modern))
            else:
                yield message


def _old_header(header: _Cursor) -> _Cursor:
    if header.number(1) != 1:
        raise _damaged("its root group has no header")
    header.skip(7)
    size = header.number(4)
    header.skip(4)
    return header.part(size)


def _modern_header(header: _Cursor) -> tuple[_Cursor, bool]:
    header.skip(5)
    flags = header.number(1)
    header.skip((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
    size = header.number(1 << (flags & 3))
    return header.part(size), bool(flags & 4)


def _continued(where: _Cursor, form: _Form, *, modern: bool) -> _Cursor:
    at, size = form.base + where.number(form.address), where.number(form.length)
    block = _Cursor(where.data, at, len(where.data)).part(size)
    if modern and block.take(4) != b"OCHK":
        raise _damaged(f"at byte {at} the header of its root group should go on")
    return block.part(block.left - 4) if modern else block


def _split(block: _Cursor, *, modern: bool, ordered: bool) -> Iterator[_Message]:
    head = (6 if ordered else 4) if modern else 8
    while block.left >= head:
        begin = block.at
        kind, size, flags = block.number(1 if modern else 2), block.number(2), block.number(1)
        block.skip(begin + head - block.at)
        yield _Message(kind, bool(flags & _SHARED), block.part(size))


def _is_elsewhere(body: _Cursor, form: _Form) -> bool:
    body.skip(1)
    body.skip(2 if body.number(1) & 1 else 0)
    return body.take(form.address) != b"\xff" * form.address


def _attribute(body: _Cursor, form: _Form, names: Collection[str], found: dict[str, bytes], largest: int) -> None:
    version, flags = body.number(1), body.number(1)
    if version not in (1, 2, 3):
        raise _damaged(f"it has an attribute of version {version}")
    sizes = [body.number(2) for _ in range(3)]
    body.skip(1 if version == 3 else 0)
    name, kind, space = (body.part(-(-size // 8) * 8 if version == 1 else size) for size in sizes)
    label = name.take(name.left).partition(b"\0")[0].decode("utf-8", "replace")
    if label not in names or label in found:
        return
    if flags or not _is_scalar(space):
        raise SourceError(f"its attribute {label} is not one string")
    found[label] = _string(body, kind, form, label, largest)


def _is_scalar(space: _Cursor) -> bool:
    version, rank, _, null = (space.number(1) for _ in range(4))
    return rank == 0 and not (version == 2 and null == 2)


def _string(body: _Cursor, kind: _Cursor, form: _Form, label: str, largest: int) -> bytes:
    what, how, size = kind.number(1) & 15, kind.number(3) & 15, kind.number(4)
    if what == _FIXED:
        return body.take(size).rstrip(b"\0")
    if what != _VARIABLE or how != _STRING:
        raise SourceError(f"its attribute {label} is not one string")
    length, address, number = body.number(4), body.number(form.address), body.number(4)
    if length > largest:
        raise SourceError(f"{label} of at most {largest} bytes is read, this has {length}")
    heap = _Cursor(body.data, form.base + address, len(body.data))
    return _in_heap(heap, number, form).take(length).partition(b"\0")[0] if length else b""


def _in_heap(heap: _Cursor, wanted: int, form: _Form) -> _Cursor:
    if heap.take(4) != b"GCOL":
        raise _damaged(f"at byte {heap.at - 4} strings should be")
    heap.skip(4 + form.length)
    for _ in range(_MOST_IN_HEAP):
        number = heap.number(2)
        heap.skip(6)
        size = heap.number(form.length)
        if number == wanted:
            return heap.part(size)
        heap.skip(-(-size // 8) * 8)
    raise _damaged(f"string {wanted} is not where it should be")


def _damaged(why: str) -> SourceError:
    return SourceError(f"is an HDF5 file that is damaged: {why}")
