"""The front door: what is this file? Reads the structure of a model and leaves its weights on disk."""

from __future__ import annotations

import io
import mmap
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from graphcost.errors import InvalidModelError, SourceError
from graphcost.load import recognise
from graphcost.load.payload import LARGEST_KEPT
from graphcost.load.walk import SMALLEST_LARGE, Walk, forget_pages
from graphcost.results import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from graphcost.load.walk import Cut

__all__ = ["LARGEST_KEPT", "LARGEST_SKELETON", "Skeleton", "read", "why_refused"]

LARGEST_SKELETON = 1 << 28
"""Bytes of the largest structure that is read; a million nodes take about 100 MB."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A model without its large payloads.

    A tensor whose elements were left on disk keeps all but its data fields. An attribute whose floats, ints, strings
    or s were left keeps all but these, and its field `i` says how many elements it had.
    """

    data: bytes
    """A serialized ModelProto, or ONNX text."""
    format: str
    """`onnx` or `onnxtxt`."""
    left_on_disk: int
    """Bytes of elements that were left where they are."""
    findings: tuple[Finding, ...] = ()
    """What was left out that is no tensor."""


def read(path: Path) -> Skeleton:
    """Read a model file without its large payloads, so that its size hardly matters.

    Raises SourceError where the file can't be read or is no ONNX model, saying what it is; InvalidModelError where
    a tensor that stays on disk holds less than its dims need.
    """
    with _mapped(path) as data:
        if recognise.is_text(path, data[: recognise.HEAD]):
            return Skeleton(_text(path, data), "onnxtxt", 0)
        try:
            return _skeleton(data)
        except SourceError as fault:
            what = recognise.foreign(path, data) or f"is no ONNX model, or a damaged one: {fault}"
            raise SourceError(f"{path}: {what}") from None
        except InvalidModelError as fault:
            raise InvalidModelError(f"{path}: {fault}") from None


def why_refused(path: Path) -> SourceError:
    """Return why protobuf refuses what `read` gave: looks into every message, however small."""
    with _mapped(path) as data:
        try:
            Walk(data, look_into=0).model()
        except SourceError as found:
            return SourceError(f"{path}: is no ONNX model, or a damaged one: {found}")
    return SourceError(f"{path}: protobuf can't parse it as an ONNX model")


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    recognise.refuse_unreadable(path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
    except OSError as fault:
        raise SourceError(f"{path}: can't be read: {fault.strerror or fault}") from None


def _text(path: Path, data: mmap.mmap) -> bytes:
    if len(data) > LARGEST_SKELETON:
        raise SourceError(f"{path}: ONNX text of at most {LARGEST_SKELETON} bytes is read, this has {len(data)}")
    return data[:]


def _skeleton(data: mmap.mmap) -> Skeleton:
    walk = Walk(data, look_into=SMALLEST_LARGE)
    size = len(data) - walk.model()
    if size > LARGEST_SKELETON:
        raise SourceError(f"a structure of at most {LARGEST_SKELETON} bytes is read, this takes {size} without weights")
    if walk.invalid:
        raise walk.invalid[0]
    return Skeleton(_without(data, walk.cuts), "onnx", walk.left_on_disk, tuple(_findings(walk.large_attributes)))


def _without(data: mmap.mmap, cuts: list[Cut]) -> bytes:
    kept, at = io.BytesIO(), 0
    for step, cut in enumerate(sorted(cuts, key=attrgetter("start"))):
        kept.write(data[at : cut.start])
        kept.write(cut.instead)
        at = cut.stop
        forget_pages(data, step)
    kept.write(data[at:])
    return kept.getvalue()


def _findings(large_attributes: list[str]) -> Iterator[Finding]:
    if large_attributes:
        message = f"more than {LARGEST_KEPT} elements: not read, as are all of the {len(large_attributes)} that large"
        yield Finding("large-attribute", "info", large_attributes[0], message)
