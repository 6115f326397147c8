"""Keras models, TensorFlow modules and functions -> Model.

A live object is converted where it is; a file in a process of its own, with limits on memory and time, from its
configuration alone. TensorFlow is imported only there.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphcost.errors import SourceError, UsageError
from graphcost.load import onnx as reader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphcost.load.keras.archive import Archive, Kind
    from graphcost.types import Model

log = logging.getLogger("graphcost")

_LIBRARIES = ("keras", "tensorflow")


def is_path(source: Any) -> bool:
    """Return whether a source is the path of a file or folder."""
    return isinstance(source, str | os.PathLike)


def is_live(source: Any) -> bool:
    """Return whether an object is a Keras model, a tf.Module, a tf.function, or callable with some tf.Variables."""
    if _is_theirs(type(source)):
        return True
    weights = getattr(source, "weights", None)
    return callable(source) and isinstance(weights, list | tuple) and any(_is_theirs(type(one)) for one in weights)


def _is_theirs(kind: type) -> bool:
    return any(one.__module__.partition(".")[0] in _LIBRARIES for one in kind.__mro__)


def from_live(source: Any, shapes: Mapping[str, Sequence[int]]) -> Model:
    """Convert an object in memory; `shapes` gives the inputs of one that was never built.

    Raises SourceError where it can't be converted, UsageError where shapes are missing.
    """
    try:
        from graphcost.load.keras import convert  # noqa: PLC0415  # TensorFlow takes 2 s to import
    except ImportError as fault:
        raise missing(fault) from fault
    label = type(source).__name__
    return replace(reader.from_proto(convert.structure(source, shapes)), source=label, format="keras")


def export(
    source: Any, output: Path, shapes: Mapping[str, Sequence[int]], *, trust: bool, verify: bool
) -> dict[str, Any]:
    """Write the ONNX model of a source with its weights; return how many nodes it has, and how far off it is.

    Raises as `from_live` and `from_file` do.
    """
    from graphcost.load.keras import archive, process  # noqa: PLC0415  # as above

    if not is_path(source) and not is_live(source):
        raise UsageError(f"wants a Keras model, a tf.Module or a file of one, got {type(source).__name__}")
    if not is_path(source):
        return _exported(source, output, shapes, verify=verify)
    path = Path(source)
    kind = archive.kind_of(path)
    if kind is None:
        raise UsageError(f"{path}: is no Keras file and no SavedModel; an ONNX model needs no conversion")
    found = _checked(path, trust=trust)
    return process.export(found, output, shapes, trust=trust, verify=verify)


def _exported(source: Any, output: Path, shapes: Mapping[str, Sequence[int]], *, verify: bool) -> dict[str, Any]:
    try:
        from graphcost.load.keras import write  # noqa: PLC0415  # as above
    except ImportError as fault:
        raise missing(fault) from fault
    return write.export(source, output, shapes, verify=verify)


def from_file(path: Path, kind: Kind, shapes: Mapping[str, Sequence[int]], *, trust: bool) -> Model:
    """Convert a .keras or .h5 file or a SavedModel; `trust` lets it run code of its own.

    A trusted file is converted in this process where that uses Keras: classes of the user's own are known here alone.
    Raises SourceError where it is broken or dangerous, or takes more memory or time than a conversion may.
    """
    from graphcost.load.keras import process  # noqa: PLC0415  # onnx takes 0.1 s to import

    found = _checked(path, trust=trust)
    if trust and kind != "saved_model" and "keras" in sys.modules:
        return replace(from_live(_rebuilt(found), shapes), source=str(path), format=kind)
    proto = process.structure(found, shapes, trust=trust)
    return replace(reader.from_proto(proto), source=str(path), format=kind)


def _rebuilt(archive: Archive) -> Any:
    from graphcost.load.keras import rebuild  # noqa: PLC0415  # TensorFlow takes 2 s to import

    return rebuild.from_config(archive.path, archive.config, trust=True)


def _checked(path: Path, *, trust: bool) -> Archive:
    """Return what a file holds, if it is sound and does nothing that nobody allowed."""
    from graphcost.load.keras import archive  # noqa: PLC0415  # as above

    found = archive.read(path)
    archive.refuse_unsafe(found, trust=trust)
    archive.refuse_absurd(found)
    log.info("%s: converting; TensorFlow takes a few seconds to start", path)
    return found


def missing(fault: ImportError) -> ImportError | SourceError:
    """Return the error that says what to install; the fault itself, where something else is missing."""
    if (fault.name or "").partition(".")[0] not in (*_LIBRARIES, "tf2onnx"):
        return fault
    return SourceError(f"Keras models are read with TensorFlow and tf2onnx: pip install 'graphcost[keras]' ({fault})")
