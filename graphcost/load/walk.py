"""Walks a serialized ModelProto: finds what can stay on disk, and what is broken."""

from __future__ import annotations

import mmap
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from graphcost.errors import InvalidModelError, SourceError
from graphcost.load import storage
from graphcost.load.fields import BYTES, DEEPEST, VARINT, WireError, encoded, fields, varints
from graphcost.load.messages import MESSAGES, Field
from graphcost.load.payload import FIELDS, LARGEST_KEPT, LARGEST_KEPT_BYTES, STRING_LISTS, Payload

if TYPE_CHECKING:
    from graphcost.load.fields import Data, Span

SMALLEST_LARGE = LARGEST_KEPT * 2 // 8
"""A message of so few bytes can't hold more than LARGEST_KEPT elements, even of two bits each."""

_FORGET_EVERY = 256
_GRAPH = 7
_DIMS, _DATA_TYPE, _NAME = 1, 2, 8
_COUNT_TAG = encoded(3 << 3 | VARINT)
"""The tag of AttributeProto.i."""
_SCALAR = Field("")


class Cut(NamedTuple):
    """A part of the file that the skeleton lacks."""

    start: int
    """Its first byte."""
    stop: int
    """The byte behind it."""
    instead: bytes = b""
    """What stands in its place."""


class _Place(NamedTuple):
    kind: str
    path: str
    start: int
    stop: int
    depth: int


class _Tensor(NamedTuple):
    name: str
    dims: list[int]
    data_type: int


class Walk:
    """One walk through a file; afterwards its attributes tell what was found."""

    def __init__(self, data: Data, *, look_into: int) -> None:
        """Look into messages of more bytes than `look_into`: SMALLEST_LARGE finds all large payloads, 0 all faults."""
        self.data = data
        self.look_into = look_into
        self.cuts: list[Cut] = []
        self.left_on_disk = 0
        self.payloads_left = 0
        self.large_attributes: list[str] = []
        self.invalid: list[InvalidModelError] = []

    def model(self) -> int:
        """Walk the whole file; return the bytes that the skeleton lacks. SourceError where it is no model."""
        saved = self._message(_Place("ModelProto", "", 0, len(self.data), 0))
        if not any(number == _GRAPH and wire == BYTES for number, wire, *_ in fields(self.data, 0, len(self.data))):
            raise SourceError("an ONNX model has a graph, this file has none")
        return saved

    def _message(self, place: _Place) -> int:
        """Walk one message; return the bytes that it shrinks by."""
        if place.depth > DEEPEST:
            raise SourceError(f"{place.path} is more than {DEEPEST} messages deep, which protobuf does not follow")
        known, large, strings = MESSAGES[place.kind], FIELDS.get(place.kind, {}), STRING_LISTS.get(place.kind, 0)
        seen, payload, saved, at = Counter[int](), Payload(), 0, -1
        try:
            for span in fields(self.data, place.start, place.stop, strings):
                number, wire, at, begin, end = span
                name, message = known.get(number, _SCALAR)
                if message and wire == BYTES:
                    seen[number] += 1
                    if end - begin > self.look_into or end > place.stop:
                        saved += self._inner(place, span, seen[number] - 1)
                elif name in large and end <= place.stop:
                    payload.add(self.data, name, large[name], span)
            return saved + self._leave_if_large(place, payload)
        except WireError as fault:
            path = _path(place, fault.number, seen[fault.number] - (fault.at == at))
            raise SourceError(f"{path} at byte {fault.at} {fault.reason}") from None

    def _inner(self, place: _Place, span: Span, index: int) -> int:
        """Walk a message inside another, and write its new length; return the bytes that the outer one loses."""
        number, _, at, begin, end = span
        kind, path = MESSAGES[place.kind][number].message, _path(place, number, index)
        saved = self._message(_Place(kind, path, begin, min(end, place.stop), place.depth + 1))
        if not saved:
            return 0
        head = encoded(number << 3 | BYTES) + encoded(end - begin - saved)
        self.cuts.append(Cut(at, begin, head))
        return saved + (begin - at) - len(head)

    def _leave_if_large(self, place: _Place, payload: Payload) -> int:
        if payload.size <= SMALLEST_LARGE:
            return 0
        tensor = self._tensor(place) if place.kind == "TensorProto" else None
        count = storage.stored_elements(tensor.data_type, payload.stored) if tensor else payload.stored.total()
        if count <= LARGEST_KEPT and payload.size <= LARGEST_KEPT_BYTES:
            return 0
        self.left_on_disk += payload.size
        self.payloads_left += 1
        forget_pages(self.data, self.payloads_left)
        self.cuts += (Cut(*span) for span in payload.spans)
        saved = sum(stop - start for start, stop in payload.spans)
        if tensor is None:
            return saved - self._note(place, count)
        self._check(tensor, payload)
        return saved

    def _note(self, place: _Place, count: int) -> int:
        """Write into an attribute how many elements it had; return the bytes that this takes."""
        self.large_attributes.append(place.path)
        note = _COUNT_TAG + encoded(count)
        self.cuts.append(Cut(place.stop, place.stop, note))
        return len(note)

    def _tensor(self, place: _Place) -> _Tensor:
        """Return what a tensor says about itself; of a field that occurs twice, the last holds."""
        name, dims, data_type = place.path, [], 0
        for span in fields(self.data, place.start, place.stop):
            number, wire, _, begin, end = span
            if number == _NAME and wire == BYTES and end > begin:
                name = self.data[begin:end].decode(errors="replace")
            elif number == _DIMS and wire in (VARINT, BYTES):
                dims += varints(self.data, span)
            elif number == _DATA_TYPE and wire == VARINT:
                data_type = varints(self.data, span)[-1]
        return _Tensor(name, dims, data_type)

    def _check(self, tensor: _Tensor, payload: Payload) -> None:
        try:
            storage.check(tensor.name, tensor.dims, tensor.data_type, payload.stored)
        except InvalidModelError as fault:
            self.invalid.append(fault)  # raised only after the walk: a file that is cut short can end in such a tensor


def forget_pages(data: Data, step: int) -> None:
    """Give back, every so many steps, the pages of the file that were touched.

    The system maps 64 KiB around each byte that is read: without this, all of a file of many small weights.
    """
    if step % _FORGET_EVERY == 0 and hasattr(data, "madvise"):
        data.madvise(mmap.MADV_DONTNEED)


def _path(place: _Place, number: int, index: int) -> str:
    name = MESSAGES[place.kind].get(number, Field(f"field {number}")).name.replace("[]", f"[{index}]")
    return f"{place.path}.{name}" if place.path else name
