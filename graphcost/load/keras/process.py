"""One process per conversion: what a file makes TensorFlow do ends with the process, its memory and its noise too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from graphcost import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphcost.load.keras.archive import Archive

    Shapes = Mapping[str, Sequence[int]]

SECONDS = 600
"""How long a conversion may take."""
BYTES = 16 << 30
"""How much memory a conversion may take, where the system can limit it."""
RAISED = {one.__name__: one for one in (errors.SourceError, errors.InvalidModelError, errors.UsageError)}
"""What a conversion raises, by its name."""


def structure(archive: Archive, shapes: Shapes, *, trust: bool) -> onnx.ModelProto:
    """Return the graph of an archive without its weights, and raise here what goes wrong there."""
    return onnx.ModelProto.FromString(_answer(archive, shapes, task="structure", trust=trust))


def export(archive: Archive, output: Path, shapes: Shapes, *, trust: bool, verify: bool) -> dict[str, Any]:
    """Write the ONNX model of an archive with its weights, and raise here what goes wrong there."""
    answer = _answer(archive, shapes, task="export", trust=trust, output=str(output), verify=verify)
    found: dict[str, Any] = json.loads(answer)
    return found


def _answer(archive: Archive, shapes: Shapes, **more: Any) -> bytes:
    request = {
        "path": str(archive.path),
        "kind": archive.kind,
        "config": dict(archive.config),
        "shapes": {name: list(shape) for name, shape in shapes.items()},
        "bytes": BYTES,
        **more,
    }
    try:
        done = _run(json.dumps(request).encode())
    except subprocess.TimeoutExpired as fault:
        raise errors.SourceError(f"{archive.path}: converting it takes more than {SECONDS} s") from fault
    head, _, body = done.stdout.partition(b"\n")
    if head != b"done":
        raise _fault(archive.path, head.decode(), body.decode("utf-8", "replace"), done.returncode)
    return body


def _run(request: bytes) -> subprocess.CompletedProcess[bytes]:
    folder = str(Path(errors.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-P", "-m", "graphcost.load.keras.worker"],
        input=request,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
    )


def _fault(path: Path, name: str, message: str, code: int) -> Exception:
    if name in RAISED:
        return RAISED[name](message)
    reason = f"{name}: {message}" if name else f"its process ended with {code}"
    limit = f"a conversion may take {BYTES >> 30} GiB of memory"
    return errors.SourceError(f"{path}: can't be converted: {reason} ({limit})")
