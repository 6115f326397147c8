"""Any source -> Model."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

    from graphcost.types import Model

    Source = str | os.PathLike[str] | ModelProto


def load(source: Source) -> Model:
    """Read a model from a path or an onnx.ModelProto; its structure is checked, its weights stay where they are.

    Raises SourceError where the source can't be read, InvalidModelError where it breaks the specification.
    """
    from graphcost.load import onnx as reader  # noqa: PLC0415  # onnx takes 0.1 s to import
    from graphcost.load import structure  # noqa: PLC0415  # as above

    model = reader.from_path(Path(source)) if isinstance(source, str | os.PathLike) else reader.from_proto(source)
    return replace(model, findings=(*model.findings, *structure.check(model)))
