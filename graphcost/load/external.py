"""Tensors whose elements are in another file: judged by what the model says and by that file's size, never opened."""

from __future__ import annotations

import os
import re
import stat
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING

from graphcost.load.quote import shown
from graphcost.results import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from graphcost.results import Severity

    Flaws = Iterator[tuple[Severity, str]]

_WHOLE_NUMBER = re.compile("[0-9]{1,19}")


def check(tensor_name: str, entries: Mapping[str, str], needed: int | None, folder: Path | None) -> Finding | None:
    """Return the first thing that is wrong with where a tensor says that its elements are; None where nothing is.

    `entries` are its `external_data`; `needed` are the bytes that its dims want, None where that isn't known; `folder`
    is the model's, None where there is none: then the file isn't looked for. No link is followed.

    >>> check("w", {"location": "../secret"}, 4, None).message
    "its file is '../secret', which leads out of the model's folder"
    """
    for severity, message in _flaws(entries, needed, folder):
        return Finding("external-data", severity, tensor_name, message)
    return None


def _flaws(entries: Mapping[str, str], needed: int | None, folder: Path | None) -> Flaws:
    """Yield what is wrong; each step relies on the ones before it having found nothing."""
    location = entries.get("location", "")
    yield from _in_location(location)
    yield from _in_number("offset", entries)
    yield from _in_number("length", entries)
    offset, length = int(entries.get("offset", 0)), int(entries.get("length", needed or 0))
    if needed is not None and length < needed:
        yield "error", f"its dims need {needed} bytes, its length is {length}"
    if folder is not None:
        yield from _in_file(os.path.join(folder, location), offset + length)  # noqa: PTH118  # a Path costs a stat's time


def _in_location(location: str) -> Flaws:
    """Judge by the rules of either system: a model is made on one and read on the other."""
    path = PureWindowsPath(location)
    if not location:
        yield "error", "its elements are in another file, and no location says in which"
    elif "\0" in location:
        yield "error", f"its file is {shown(location)}, which holds a NUL"
    elif path.root or path.drive:
        yield "error", f"its file is {shown(location)}, where a path inside the model's folder is wanted"
    elif ".." in path.parts:
        yield "error", f"its file is {shown(location)}, which leads out of the model's folder"


def _in_number(key: str, entries: Mapping[str, str]) -> Flaws:
    text = entries.get(key, "0")
    if not _WHOLE_NUMBER.fullmatch(text):
        yield "error", f"its {key} is {shown(text)}, where a number of bytes from 0 to 2^63 is wanted"


def _in_file(path: str, wanted: int) -> Flaws:
    name = shown(os.path.basename(path))  # noqa: PTH119  # as above
    try:
        found = os.lstat(path)
    except (OSError, ValueError) as fault:
        yield "error", f"its file {name} can't be looked at: {getattr(fault, 'strerror', None) or fault}"
        return
    if stat.S_ISLNK(found.st_mode):
        yield "warning", f"its file {name} is a link, which is not followed: {wanted} bytes are wanted there"
    elif not stat.S_ISREG(found.st_mode):
        yield "error", f"its file {name} is no plain file"
    elif found.st_size < wanted:
        yield "error", f"its file {name} has {found.st_size} bytes, {wanted} are wanted"
