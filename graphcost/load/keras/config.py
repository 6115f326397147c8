"""The configuration of a Keras model: JSON that a stranger wrote, read within bounds."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from graphcost.errors import InvalidModelError, SourceError
from graphcost.load.quote import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 1 << 25
"""Bytes of the largest configuration that is read; those of the largest networks in Keras have a million."""
MOST_VALUES = 1_000_000
"""Values, lists and objects in it; each may take 300 bytes of memory."""
DEEPEST = 200
"""Lists and objects inside one another. Keras, and JSON, follow them by recursion."""
LONGEST_INTEGER = 40
"""Digits; those of any size that a model has are fewer."""

_KINDS = {bool: "a boolean", dict: "an object", list: "a list", str: "a string", type(None): "null"}
_CONTAINERS = (dict, list)
_STRING = re.compile(rb'"[^"]*"')
_HALF_PAIR = re.compile(rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def parsed(text: bytes, where: str) -> dict[str, Any]:
    """Return the object that a JSON text holds, without any compile_config.

    NaN and Infinity are taken, since Keras writes them; a key given twice, another encoding than UTF-8 and half a
    surrogate pair are not. Raises SourceError beyond the bounds, InvalidModelError for what is no such object.
    """
    _refuse_large(text, where)
    if _HALF_PAIR.search(text.replace(b"\\\\", b"  ")):
        raise InvalidModelError(f"{where} holds half of a surrogate pair, which is no character")
    try:
        found = json.loads(text.decode(), object_pairs_hook=_object, parse_int=_integer)
    except UnicodeDecodeError as fault:
        raise InvalidModelError(f"{where} is not UTF-8 at byte {fault.start}") from None
    except ValueError as fault:
        raise InvalidModelError(f"{where} is no JSON that Keras writes: {fault}") from None
    if not isinstance(found, dict):
        raise InvalidModelError(f"{where} is {_kind(found)}, wanted is an object")
    return found


def entries(config: Mapping[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return whatever has a class_name, in the order of the file, with the name of the layer that it is in or is."""
    found: list[tuple[dict[str, Any], str]] = []
    _collect(config, "", found)
    return found


def settings(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entry gives its class: its `config`, where that is an object."""
    inner = entry.get("config")
    return inner if isinstance(inner, dict) else {}


def _collect(value: Any, layer: str, found: list[tuple[dict[str, Any], str]]) -> None:
    if isinstance(value, dict):
        if "class_name" in value:
            layer = _name(value) or layer
            found.append((value, layer))
        value = value.values()
    for one in value:
        if isinstance(one, _CONTAINERS):
            _collect(one, layer, found)


def _name(entry: Mapping[str, Any]) -> str:
    if not isinstance(entry["class_name"], str):
        raise InvalidModelError(f"a class_name is {_kind(entry['class_name'])}, wanted is a string")
    name = settings(entry).get("name")
    return name if isinstance(name, str) and entry["class_name"] != "DTypePolicy" else ""


def _refuse_large(text: bytes, where: str) -> None:
    """Bound memory and recursion before the parser builds anything."""
    if len(text) > LARGEST:
        raise SourceError(f"{where} of at most {LARGEST} bytes is read, this has {len(text)}")
    without_escapes = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if without_escapes.count(b'"') > 4 * MOST_VALUES:  # a value has two of its own, and its key
        raise SourceError(f"{where} of at most {MOST_VALUES} values is read, this has more")
    bare = _STRING.sub(b"", without_escapes)
    values = sum(map(bare.count, (b"[", b"{", b",")))
    if values > MOST_VALUES:
        raise SourceError(f"{where} of at most {MOST_VALUES} values is read, this has {values}")
    steps = (1 if bracket in b"[{" else -1 for bracket in bare.translate(None, _NO_BRACKET))
    depth = max(accumulate(steps), default=0)
    if depth > DEEPEST:
        raise SourceError(f"{where} nested at most {DEEPEST} deep is read, this is nested {depth} deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"an object has the key {shown(twice)} more than once")
    if "class_name" in found:
        found.pop("compile_config", None)
    return found


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER:
        raise ValueError(f"an integer has {len(digits)} digits")
    return int(digits)


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a number")
