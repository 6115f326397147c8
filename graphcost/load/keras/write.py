"""A source -> an ONNX file with its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx

from graphcost.errors import SourceError
from graphcost.load.keras.convert import export as converted
from graphcost.load.keras.verify import largest_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LARGEST = 1_900_000_000
"""Bytes of weights above which they are written beside the file: protobuf takes no message of 2 GB."""


def export(source: Any, output: Path, shapes: Mapping[str, Sequence[int]], *, verify: bool) -> dict[str, Any]:
    """Write the ONNX model of a source, checked; return its number of nodes, and how far off its outputs are."""
    proto = converted(source, shapes)
    weights = sum(len(one.raw_data) for one in proto.graph.initializer)
    nodes = len(proto.graph.node)
    try:
        onnx.save_model(proto, str(output), save_as_external_data=weights > LARGEST, location=f"{output.name}.data")
        onnx.checker.check_model(str(output))
    except (onnx.checker.ValidationError, ValueError, OSError) as fault:
        raise SourceError(f"{output.name}: what tf2onnx made can't be saved: {fault}") from fault
    return {"nodes": nodes, "difference": largest_difference(source, shapes, output) if verify else None}
