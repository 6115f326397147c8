"""The messages of the ONNX format by their field numbers: what the walk follows, and how it names a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import onnx

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor


class Field(NamedTuple):
    """One field of a message."""

    name: str
    """Its name; `[]` behind it where it is a list of messages."""
    message: str = ""
    """Which message it holds; empty where it holds a number or a string."""


def _messages(root: Descriptor) -> dict[str, dict[int, Field]]:
    """Return every message that a message can hold, by its name without the package."""
    found: dict[str, dict[int, Field]] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if _name(one) not in found:
            found[_name(one)] = {field.number: _field(field) for field in one.fields}
            waiting += [field.message_type for field in one.fields if field.message_type]
    return found


def _field(field: FieldDescriptor) -> Field:
    if not field.message_type:
        return Field(field.name)
    return Field(field.name + ("[]" if field.is_repeated else ""), _name(field.message_type))


def _name(message: Descriptor) -> str:
    return message.full_name.removeprefix("onnx.")


MESSAGES = _messages(onnx.ModelProto.DESCRIPTOR)  # type: ignore[arg-type]  # a class with two names in its stub
"""Every message of a model: its fields by number."""
