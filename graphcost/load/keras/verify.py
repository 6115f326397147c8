"""An exported model against the one it was made from: the same inputs, and how far the outputs are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from graphcost.errors import SourceError
from graphcost.load.keras.signature import signature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.generic]

BATCH, FREE = 2, 16
"""How large a free first dimension is made, and any other."""


def largest_difference(source: Any, shapes: Mapping[str, Sequence[int]], path: Path) -> float:
    """Return the largest difference between outputs of a source and of its export, in parts of the largest output.

    Both get the same random inputs: floats between 0 and 1, integers 0 and 1. Raises SourceError without onnxruntime,
    or where that can't run the model.
    """
    called = signature(source, shapes)
    drawn = np.random.default_rng(0)
    inputs = {one.name: _random(drawn, one) for one in called.specs}
    expected = [np.asarray(one) for one in keras.tree.flatten(called.call(*inputs.values()))]
    return float(np.max([_apart(one, other) for one, other in zip(_run(path, inputs), expected, strict=True)]))


def _run(path: Path, inputs: Mapping[str, Array]) -> list[Array]:
    try:
        import onnxruntime  # noqa: PLC0415  # an extra, and needed here alone
    except ImportError as fault:
        raise SourceError("an export is verified with onnxruntime: pip install 'graphcost[ort]'") from fault
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return list(session.run(None, dict(inputs)))
    except Exception as fault:
        raise SourceError(f"{path}: onnxruntime can't run it: {fault}") from fault


def _random(drawn: np.random.Generator, spec: Any) -> Array:
    shape = [size or (BATCH if axis == 0 else FREE) for axis, size in enumerate(spec.shape)]
    dtype = np.dtype(spec.dtype.as_numpy_dtype)
    if dtype.kind not in "fiub":
        raise SourceError(f"input {spec.name} is of type {spec.dtype.name}: only numbers can be drawn to verify with")
    return (drawn.random(shape) if dtype.kind == "f" else drawn.integers(0, 2, shape)).astype(dtype)


def _apart(one: Array, other: Array) -> float:
    if one.shape != other.shape:
        raise SourceError(f"the export gives {one.shape} where the model gives {other.shape}")
    if not one.size:
        return 0.0
    wide, expected = one.astype(np.float64), other.astype(np.float64)
    largest = np.abs(expected).max()
    return float(np.abs(wide - expected).max() / (largest or 1.0))
