"""A Keras model, a tf.Module or a SavedModel -> an ONNX file with its weights."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphcost.errors import UsageError
from graphcost.load import keras

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence


WITHIN = 1e-3
"""How far outputs may be apart, in parts of the largest: kernels add up in different orders."""


@dataclass(frozen=True, slots=True)
class Export:
    """An ONNX file that was written."""

    path: Path
    """Where it is."""
    bytes: int
    """Its size, that of the weights beside it included."""
    nodes: int
    """How many nodes its graph has."""
    difference: float | None
    """The largest difference between its outputs and the source's, in parts of the largest; None: nobody looked."""

    @property
    def agrees(self) -> bool:
        """Whether the outputs are as far as one knows those of the source."""
        return self.difference is None or self.difference <= WITHIN


def convert(
    source: Any,
    output: str | os.PathLike[str],
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    trust: bool = False,
    verify: bool = False,
) -> Export:
    """Write the ONNX model of a Keras model, a tf.Module, a tf.function or a file of one of these.

    `shapes` gives the inputs of a model that was never built; `trust` lets a file run the code that it brings along;
    `verify` runs both on the same random inputs (extra `ort`). Weights of 2 GB and more are written beside the file.
    Nodes say in their metadata which layer they come from. Raises SourceError where the source can't be read or
    converted, UsageError where it is an ONNX model already.
    """
    target = Path(output)
    try:
        return _written(source, target, shapes or {}, trust=trust, verify=verify)
    except OSError as fault:
        raise UsageError(f"can't write {target}: {fault.strerror or fault}") from fault


def _written(source: Any, target: Path, shapes: Mapping[str, Sequence[int]], *, trust: bool, verify: bool) -> Export:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".graphcost-") as folder:
        made = keras.export(source, Path(folder) / target.name, shapes, trust=trust, verify=verify)
        size = sum(one.stat().st_size for one in Path(folder).iterdir())
        for one in Path(folder).iterdir():
            one.replace(target.parent / one.name)
    return Export(target, size, made["nodes"], made["difference"])
