"""What runs in the process of a conversion: a request on stdin, what it gave or an error on stdout."""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def main() -> None:
    """Answer one request. Whatever TensorFlow prints goes where stderr goes."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.read())
    with suppress(ImportError, OSError, ValueError):  # not every system has limits, or lets one set them
        _limit(request["bytes"])
    try:
        head, body = "done", _TASKS[request["task"]](request)
    except Exception as fault:  # noqa: BLE001  # it is raised again on the other side
        head, body = type(fault).__name__, str(fault).encode()
    with answer:
        answer.write(head.encode() + b"\n" + body)


def _limit(size: int) -> None:
    import resource  # noqa: PLC0415  # Windows has none

    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def _structure(request: dict[str, Any]) -> bytes:
    convert, rebuild, saved = _modules("convert", "rebuild", "saved")
    path = Path(request["path"])
    if request["kind"] == "saved_model":
        source = saved.SavedModel(path)
    else:
        source = rebuild.from_config(path, request["config"], trust=request["trust"])
    body: bytes = convert.structure(source, request["shapes"]).SerializeToString()
    return body


def _export(request: dict[str, Any]) -> bytes:
    rebuild, write = _modules("rebuild", "write")
    path = Path(request["path"])
    if request["kind"] == "saved_model":
        source = rebuild.loaded(path)
    else:
        source = rebuild.with_weights(path, trust=request["trust"])
    made = write.export(source, Path(request["output"]), request["shapes"], verify=request["verify"])
    return json.dumps(made).encode()


def _modules(*names: str) -> list[Any]:
    """Return the modules that import TensorFlow; what fails there is told on the other side."""
    from graphcost.load.keras import missing  # noqa: PLC0415  # it imports onnx, and the limits hold by now

    try:
        return [importlib.import_module(f"graphcost.load.keras.{name}") for name in names]
    except ImportError as fault:
        raise missing(fault) from fault


_TASKS = {"structure": _structure, "export": _export}

if __name__ == "__main__":
    main()
