"""Text -> file, whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from graphcost.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def save(text: str, path: Path) -> None:
    """Write text to a file: to a temporary name beside it, which then takes its place.

    What is no regular file (a pipe, a terminal) is written to as it is. Raises UsageError where that fails.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, "utf-8", newline="\n")
        else:
            _replace(text, path.resolve())  # a link stays a link
    except OSError as fault:
        raise UsageError(f"can't write {path}: {fault.strerror or fault}") from fault


def _replace(text: str, target: Path) -> None:
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, "utf-8", newline="\n")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
