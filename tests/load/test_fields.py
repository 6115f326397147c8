"""The fields that are found are those that protobuf finds."""

from __future__ import annotations

import struct

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import AttributeProto

from graphcost.load.fields import (
    WireError,
    count_strings,
    count_varints,
    encoded,
    fields,
    varint,
    varints,
)

NUMBERS = st.integers(0, (1 << 64) - 1)


@given(NUMBERS)
def test_a_number_comes_back(number):
    written = encoded(number)
    assert varint(written + b"rest", 0, len(written)) == (number, len(written))


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1), st.booleans())
def test_signed_numbers_are_read_as_protobuf_writes_them(numbers, packed):
    if packed:
        content = b"".join(encoded(one % (1 << 64)) for one in numbers)
        message = b"\x42" + encoded(len(content)) + content
    else:
        message = AttributeProto(ints=numbers).SerializeToString()
    (span,) = fields(message, 0, len(message))
    assert AttributeProto.FromString(message).ints == numbers
    assert varints(message, span) == numbers


@given(st.lists(NUMBERS, max_size=50))
def test_packed_numbers_are_counted(numbers):
    message = b"".join(map(encoded, numbers))
    assert count_varints(message, 0, len(message)) == len(numbers)


def test_numbers_are_counted_across_chunks():
    message = encoded(300) * ((1 << 20) + 3)
    assert count_varints(message, 1, len(message)) == (1 << 20) + 3


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=40))
@example([b""] * 30 + [b"x" * 127] * 3 + [b"x" * 128] * 2 + [b"\x4a\x01"])
def test_strings_are_found_and_counted(strings):
    message = AttributeProto(strings=strings).SerializeToString()
    spans = list(fields(message, 0, len(message), strings=9))
    assert sum(count_strings(message, at, end) for _, _, at, _, end in spans) == len(strings)
    assert [spans[0][2], spans[-1][4]] == [0, len(message)]


def test_a_run_of_numbers_is_one_field():
    message = AttributeProto(name="a", floats=[1.0] * 1000, ints=[7, 1 << 40] * 500).SerializeToString()
    assert [number for number, *_ in fields(message, 0, len(message))] == [1, 7, 8]


def test_a_tag_of_two_bytes_is_not_taken_for_a_run():
    message = AttributeProto(ints=[1, 2], type=AttributeProto.INTS).SerializeToString()  # type: tag 160 is a0 01
    assert [number for number, *_ in fields(message, 0, len(message))] == [8, 20]


GROUP = b"\x9b\x06"  # field 99 begins a group
GROUP_END = b"\x9c\x06"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        GROUP + GROUP_END,
        GROUP + b"\x0a\x01x\x08\x01" + GROUP + GROUP_END + b"\x0d" + b"1234" + b"\x09" + b"12345678" + GROUP_END,
        GROUP * 100 + GROUP_END * 100,
        b"\x88\x80\x80\x80\x00\x01",  # a tag in five bytes
        b"\x0a\x81\x80\x80\x80\x00x",  # a length in five bytes
        b"\x18" + b"\xff" * 9 + b"\x7f",  # a number in ten bytes
        encoded((1 << 29) - 1 << 3) + b"\x01",
        b"\x38\x01",  # floats with the wire type of a number
        b"\x45" + struct.pack("<f", 1.0),  # ints with the wire type of a float
    ],
)
def test_what_protobuf_takes_is_taken(message):
    AttributeProto.FromString(message)
    ends = [end for *_, end in fields(message, 0, len(message))]
    assert ends[-1:] == [len(message)][: len(ends)]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\x0a", "ends in the middle of a number"),
        (b"\x0a\x02x", "is 2 bytes long, and 1 are left"),
        (b"\x0d123", "is 4 bytes long, and 3 are left"),
        (b"\x09123", "is 8 bytes long, and 3 are left"),
        (b"\x18\x80", "ends in the middle of a number"),
        (b"\x18" + b"\x80" * 10 + b"\x01", "has a number of more than 10 bytes"),
        (b"\x88\x80\x80\x80\x80\x00\x01", "has a number of more than 5 bytes"),
        (b"\x0a\x81\x80\x80\x80\x80\x00x", "has a number of more than 5 bytes"),
        (b"\x00\x01", "has the field number 0"),
        (encoded(1 << 32) + b"\x01", "has the field number 536870912"),
        (b"\x0e", "has wire type 6, of 0 to 5"),
        (b"\x0f", "has wire type 7, of 0 to 5"),
        (GROUP_END, "ends a group that never began"),
        (GROUP, "ends in the middle of a number"),
        (GROUP + b"\x0c", "holds the end of another group"),
        (GROUP + b"\x0f", "has wire type 7, of 0 to 5"),
        (GROUP + b"\x0a\x05" + GROUP_END, "is 5 bytes long, and 2 are left"),
        (GROUP * 101 + GROUP_END * 101, "nested more than 100 groups deep"),
    ],
)
def test_what_protobuf_refuses_is_refused_with_its_place(message, reason):
    with pytest.raises(DecodeError):
        AttributeProto.FromString(message)
    for before in (b"", AttributeProto(name="name").SerializeToString()):
        with pytest.raises(WireError, match=reason) as fault:
            list(fields(before + message, 0, len(before + message)))
        assert fault.value.at == len(before)


def test_a_field_that_is_too_long_is_yielded_before_it_raises():
    walk = fields(b"\x0a\x09x", 0, 3)
    assert next(walk) == (1, 2, 0, 2, 11)
    with pytest.raises(WireError, match="is 9 bytes long, and 1 are left"):
        next(walk)
