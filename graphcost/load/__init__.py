"""Any source -> Model."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphcost.types import Model

    Source = Any
    """A path, an onnx.ModelProto, a Keras model, a tf.Module, a tf.function, or a callable with a list of weights."""


def load(source: Source, shapes: Mapping[str, Sequence[int]] | None = None, *, trust: bool = False) -> Model:
    """Read a model: from a file its structure, the weights stay where they are; a Keras model is converted.

    `shapes` gives the inputs of a Keras model that was never built; `trust` lets a Keras file run code of its own.
    Raises SourceError where the source can't be read, InvalidModelError where it breaks the specification.
    """
    from graphcost.load import structure  # noqa: PLC0415  # onnx takes 0.1 s to import

    model = _read(source, shapes or {}, trust=trust)
    return replace(model, findings=(*model.findings, *structure.check(model)))


def _read(source: Source, shapes: Mapping[str, Sequence[int]], *, trust: bool) -> Model:
    from graphcost.load import keras  # noqa: PLC0415  # as above
    from graphcost.load import onnx as reader  # noqa: PLC0415  # as above

    if not isinstance(source, str | os.PathLike):
        return keras.from_live(source, shapes) if keras.is_live(source) else reader.from_proto(source)
    from graphcost.load.keras import archive  # noqa: PLC0415  # as above

    path = Path(source)
    kind = archive.kind_of(path)
    return keras.from_file(path, kind, shapes, trust=trust) if kind else reader.from_path(path)
