"""The front door for Keras files: what they are, what they hold and what is dangerous in them, before Keras sees them.

Only this project and Python's own library look into the file here; nothing in it is run or written to disk.
"""

from __future__ import annotations

import mmap
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from graphcost.errors import InvalidModelError, SourceError
from graphcost.load import recognise
from graphcost.load.keras import config, hdf5, own, sizes, zipped
from graphcost.load.quote import listed, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Kind = Literal["keras", "h5", "saved_model"]

LARGEST_SAVED_MODEL = 1 << 31
"""Bytes of the largest saved_model.pb that is taken: protobuf parses no more."""

_ENDS = 1 << 16
"""So many bytes from either end tell what a file is that is none of Keras'."""
_WANTED = (
    "a Keras model is a .keras archive, an .h5 file with the model's configuration, or a directory with saved_model.pb"
)


@dataclass(frozen=True, slots=True)
class Archive:
    """What a Keras file says of its model."""

    path: Path
    kind: Kind
    config: Mapping[str, Any]
    """The model's configuration: class_name, config and so on, but no compile_config; empty for a SavedModel."""
    custom: tuple[str, ...]
    """What is not Keras' own in it, or would run code of its own: quoted names, each with its layer's."""
    keras_version: str
    """The version that wrote it, as it says; empty where it does not."""


def kind_of(path: Path) -> Kind | None:
    """Return which kind of Keras file it is, by what it holds; None where it is none. Raises nothing, reads little."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return "saved_model" if os.path.lexists(path / "saved_model.pb") else None
        return _kind_of_file(path) if stat.S_ISREG(mode) else None
    except (OSError, ValueError):  # ValueError: a path that holds NUL
        return None


def read(path: Path) -> Archive:
    """Read what a Keras file says of its model, within bounds of time and memory whatever it holds.

    Raises SourceError where it can't be read or holds no model, InvalidModelError where it breaks its format.
    """
    try:
        return _read(path)
    except (SourceError, InvalidModelError) as fault:
        raise type(fault)(f"{path}: {fault}") from None
    except (OSError, ValueError) as fault:  # as above
        raise SourceError(f"{path}: can't be read: {getattr(fault, 'strerror', None) or fault}") from None


def refuse_unsafe(archive: Archive, *, trust: bool) -> None:
    """Raise SourceError for a file that would run code of its own, unless it is trusted."""
    if archive.custom and not trust:
        hint = "; an .h5 file does not say what is from keras.ops, a .keras file does" if archive.kind == "h5" else ""
        raise SourceError(
            f"{archive.path}: holds what is not Keras' own: {listed(archive.custom)}{hint}; "
            "--trust (in Python trust=True) runs their code: give it where you know who wrote that"
        )


def refuse_absurd(archive: Archive) -> None:
    """Raise SourceError where the configuration asks for sizes that no model has."""
    problem = sizes.absurdity(archive.config)
    if problem:
        raise SourceError(f"{archive.path}: {problem}")


def _read(path: Path) -> Archive:
    kind = kind_of(path)
    if kind is None:
        raise SourceError(_what_else(path))
    return _READERS[kind](path)


def _kind_of_file(path: Path) -> Kind | None:
    with path.open("rb") as file:
        head = file.read(_ENDS)
    if head.startswith(hdf5.SIGNATURE):
        return "h5"
    return "keras" if zipped.is_keras(path, head) else None


def _what_else(path: Path) -> str:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        return f"{_WANTED}; this is {'a directory without it' if stat.S_ISDIR(found.st_mode) else 'no plain file'}"
    if found.st_size == 0:
        return "is empty, it has 0 bytes"
    with path.open("rb") as file:
        ends = file.read(_ENDS)
        file.seek(max(file.tell(), found.st_size - _ENDS))
        ends += file.read(_ENDS)
    return recognise.foreign(path, ends) or f"is no Keras model: {_WANTED}"


def _read_keras(path: Path) -> Archive:
    text, metadata = zipped.read(path, largest=config.LARGEST)
    version = config.parsed(metadata, "metadata.json").get("keras_version")
    return _archive(path, "keras", config.parsed(text, "config.json"), version)


def _read_h5(path: Path) -> Archive:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = hdf5.root_strings(data, ("model_config", "keras_version"), largest=config.LARGEST)
    if "model_config" not in found:
        raise SourceError(
            "is an HDF5 file without a model: it has no attribute model_config, so it holds weights alone, or is not "
            "from Keras; model.save('model.keras') writes both"
        )
    version = found.get("keras_version", b"").decode("utf-8", "replace")
    return _archive(path, "h5", config.parsed(found["model_config"], "model_config"), version)


def _read_saved_model(path: Path) -> Archive:
    found = (path / "saved_model.pb").stat()
    if not stat.S_ISREG(found.st_mode):
        raise SourceError("its saved_model.pb is no plain file")
    if not 0 < found.st_size <= LARGEST_SAVED_MODEL:
        raise SourceError(f"a saved_model.pb has 1 to {LARGEST_SAVED_MODEL} bytes, this one has {found.st_size}")
    return Archive(path, "saved_model", {}, (), "")


def _archive(path: Path, kind: Kind, found: dict[str, Any], version: object) -> Archive:
    if "class_name" not in found or "config" not in found:
        there = listed([shown(key) for key in found]) or "nothing"
        raise InvalidModelError(f"the configuration of a model has class_name and config, this one has {there}")
    gone = own.gone(found)
    if gone:
        raise SourceError(f"Keras {shown(str(version))} wrote it, with what Keras 3 can't read: {listed(gone)}")
    return Archive(path, kind, found, own.custom(found), version if isinstance(version, str) else "")


_READERS = {"keras": _read_keras, "h5": _read_h5, "saved_model": _read_saved_model}
