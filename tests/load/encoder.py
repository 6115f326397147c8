"""Writes protobuf messages in every way that the wire format permits; onnx's own encoder knows only one."""

from __future__ import annotations

import struct


def encode(message, choose):
    """Serialize a message, its fields in any order, its lists of numbers packed or not, whole or in two parts."""
    parts = [list(_records(field, value, choose)) for field, value in message.ListFields()]
    choose.shuffle(parts)
    return b"".join(record for part in parts for record in part)


def record(number, content):
    """Return a field that holds bytes or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number):
    """Return an integer as protobuf writes it; negative ones take ten bytes."""
    number %= 1 << 64
    octets = []
    while number > 127:
        octets.append(number & 127 | 128)
        number >>= 7
    return bytes([*octets, number])


def _records(field, value, choose):
    values = list(value) if field.is_repeated else [value]
    if field.message_type:
        yield from (record(field.number, encode(one, choose)) for one in values)
        return
    wire_type, written = _wire_type(field), [_content(field, one) for one in values]
    if field.is_repeated and wire_type != 2 and choose.random() < 0.5:
        cut = choose.randint(0, len(written))
        yield from (record(field.number, b"".join(part)) for part in (written[:cut], written[cut:]) if part)
    else:
        head = varint(field.number << 3 | wire_type)
        yield from (head + (varint(len(one)) if wire_type == 2 else b"") + one for one in written)


def _wire_type(field):
    return {field.TYPE_STRING: 2, field.TYPE_BYTES: 2, field.TYPE_FLOAT: 5, field.TYPE_DOUBLE: 1}.get(field.type, 0)


def _content(field, value):
    if field.type == field.TYPE_FLOAT:
        return struct.pack("<f", value)
    if field.type == field.TYPE_DOUBLE:
        return struct.pack("<d", value)
    if isinstance(value, int):
        return varint(value)
    return value.encode() if isinstance(value, str) else value
