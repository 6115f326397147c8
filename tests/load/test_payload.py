"""The elements of a tensor or an attribute, met field by field."""

from __future__ import annotations

import pytest
from encoder import record, varint
from onnx import AttributeProto, TensorProto

from graphcost.load.fields import WireError, fields
from graphcost.load.messages import MESSAGES
from graphcost.load.payload import FIELDS, STRING_LISTS, Payload

LONG = [b"x" * 200] * 5


def payload_of(kind, data):
    payload = Payload()
    for span in fields(data, 0, len(data), STRING_LISTS[kind]):
        name = MESSAGES[kind][span[0]].name
        if name in FIELDS[kind]:
            payload.add(data, name, FIELDS[kind][name], span)
    return payload


@pytest.mark.parametrize(
    ("message", "name", "count", "size"),
    [
        (TensorProto(raw_data=bytes(7)), "raw_data", 7, 7),
        (TensorProto(float_data=[1.0] * 7), "float_data", 7, 28),
        (TensorProto(double_data=[1.0] * 7), "double_data", 7, 56),
        (TensorProto(int32_data=[300] * 7), "int32_data", 7, 14),
        (TensorProto(int64_data=[-1] * 7), "int64_data", 7, 70),
        (TensorProto(uint64_data=[1] * 7), "uint64_data", 7, 7),
        (TensorProto(string_data=LONG), "string_data", 5, 1_000),
        (TensorProto(int64_data=[1] * 50_000), "int64_data", 50_000, 50_000),
        (TensorProto(int64_data=[300] * 50_000), "int64_data", 100_000, 100_000),  # not read: at most so many
        (AttributeProto(s=b"text"), "s", 1, 4),
        (AttributeProto(floats=[1.0] * 7), "floats", 7, 35),  # one by one, each behind its tag
        (AttributeProto(ints=[300] * 50_000), "ints", 50_000, 150_000),
        (AttributeProto(strings=LONG), "strings", 5, 1_000),
    ],
)
def test_its_elements_are_counted_and_its_place_is_one(message, name, count, size):
    data = message.SerializeToString()
    payload = payload_of(message.DESCRIPTOR.name, data)
    assert payload.stored == {name: count}
    assert payload.size == size
    assert payload.spans == [(0, len(data))]


def test_what_lies_between_is_no_part_of_it():
    first, name, second = (
        one.SerializeToString()
        for one in (TensorProto(float_data=[1.0]), TensorProto(name="w"), TensorProto(float_data=[2.0] * 3))
    )
    payload = payload_of("TensorProto", first + name + second)
    assert payload.stored == {"float_data": 4}
    assert payload.spans == [(0, 6), (9, 9 + len(second))]


def test_packed_integers_of_an_attribute_are_counted_however_many():
    assert payload_of("AttributeProto", record(8, varint(300) * 50_000)).stored == {"ints": 50_000}


def test_another_wire_type_is_no_element():
    assert payload_of("AttributeProto", b"\x38\x01\x45" + bytes(4)).stored == {}


def test_floats_that_are_cut_short_are_refused():
    with pytest.raises(WireError, match="is 6 bytes long, which is no multiple of 4"):
        payload_of("TensorProto", b"\x22\x06" + bytes(6))
