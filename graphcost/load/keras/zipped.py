"""A .keras archive: its two JSON members, read from the zip file within bounds."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from graphcost.errors import InvalidModelError, SourceError
from graphcost.load.quote import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_MEMBERS = 100_000
LARGEST_METADATA = 1 << 20
"""Bytes of metadata.json; Keras writes about 65."""

_LARGEST_READ = 100 * MOST_MEMBERS
"""Bytes that are read from the file at a time: its directory is, which lists all members."""
_PIECE = 1 << 20
_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", ("model.weights.h5", "model.weights.npz")
_BEGINS = re.compile(rb"PK\x03\x04.{26}(?:config|metadata)\.json", re.DOTALL)
"""How Keras' archives begin, so that one that was cut off is known too."""
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The other ways to compress have no bound on what one piece unpacks to."""
_FAULTS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError, RuntimeError, ValueError
)  # fmt: skip
"""What zipfile raises for archives that are broken."""


class _Sips(io.FileIO):
    """A file of which no one can read too much at a time, whatever sizes it claims to have."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = os.fstat(self.fileno()).st_size - self.tell() if size is None or size < 0 else size
        if wanted > _LARGEST_READ:
            raise SourceError(f"a zip directory of at most {_LARGEST_READ} bytes is read, this asks for {wanted}")
        return super().read(wanted)


def is_keras(path: Path, head: bytes) -> bool:
    """Return whether a file that begins with `head` is a zip archive that Keras wrote, perhaps cut off."""
    if not head.startswith(b"PK\x03\x04"):
        return False
    try:
        with _opened(path) as archive:
            names = {info.filename for info in archive.infolist()}
    except (SourceError, *_FAULTS):
        return bool(_BEGINS.match(head))
    return {_CONFIG, _METADATA} <= names and not names.isdisjoint(_WEIGHTS)


def read(path: Path, *, largest: int) -> tuple[bytes, bytes]:
    """Return config.json, of at most `largest` bytes, and metadata.json.

    Raises SourceError where they can't be read, InvalidModelError where a member breaks the format.
    """
    try:
        with _opened(path) as archive:
            _refuse_members(archive.infolist())
            return _member(archive, _CONFIG, largest), _member(archive, _METADATA, LARGEST_METADATA)
    except _FAULTS as fault:
        raise SourceError(f"is a .keras archive that was cut off or damaged: {fault}") from None


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    with _Sips(path) as file, zipfile.ZipFile(file) as archive:
        yield archive


def _refuse_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        raise SourceError(f"a .keras archive of at most {MOST_MEMBERS} members is read, this has {len(members)}")
    for member in members:
        if member.flag_bits & 1:
            raise SourceError(f"its member {shown(member.filename)} is encrypted, which Keras does not read")
        if _leaves(member.orig_filename) or stat.S_ISLNK(member.external_attr >> 16):
            raise InvalidModelError(f"its member {shown(member.orig_filename)} leads out of the archive")


def _leaves(name: str) -> bool:
    steps = re.split(r"[/\\]", name)
    return ".." in steps or steps[0] == "" or steps[0][1:2] == ":" or "\0" in name


def _member(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    found = [info for info in archive.infolist() if info.filename == name]
    if len(found) != 1:
        raise InvalidModelError(f"a .keras archive has one {name}, this has {len(found)}")
    if found[0].compress_type not in _READABLE:
        raise SourceError(f"its {name} is compressed in a way that is not read here: {found[0].compress_type}")
    with archive.open(found[0]) as member:
        data = _at_most(member, largest)
    if max(len(data), found[0].file_size) > largest:
        raise SourceError(f"a {name} of at most {largest} bytes is read, this unpacks to more")
    if len(data) != found[0].file_size:
        raise InvalidModelError(f"its {name} has {len(data)} bytes, the archive says {found[0].file_size}")
    return data


def _at_most(member: IO[bytes], largest: int) -> bytes:
    """Return what a member holds, or a little more than the largest that is wanted."""
    data = bytearray()
    while len(data) <= largest and (piece := member.read(_PIECE)):
        data += piece
    return bytes(data)
