"""How many bytes and entries a tensor's dims need is what onnx writes for them."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphcost.errors import InvalidModelError
from graphcost.load.storage import LARGEST_COUNT, STORAGE, check, element_count, needed_bytes, stored_elements

KNOWN = {name: number for name, number in TensorProto.DataType.items() if name != "UNDEFINED"}
NUMERIC = [number for name, number in KNOWN.items() if name != "STRING"]
SHAPES = [(), (1,), (3,), (5, 3), (0, 4), (2, 2, 2)]


def test_every_data_type_is_known_by_its_number():
    assert {storage.name: number for number, storage in STORAGE.items()} == KNOWN


@pytest.mark.parametrize("data_type", NUMERIC)
@pytest.mark.parametrize("shape", SHAPES)
def test_onnx_writes_as_many_raw_bytes(data_type, shape):
    array = np.zeros(shape, helper.tensor_dtype_to_np_dtype(data_type))
    written = numpy_helper.from_array(array)
    assert written.data_type == data_type
    assert needed_bytes(shape, data_type) == len(written.raw_data)


@pytest.mark.parametrize("data_type", KNOWN.values())
@pytest.mark.parametrize("shape", SHAPES)
def test_onnx_writes_as_many_entries(data_type, shape):
    zero = "" if data_type == TensorProto.STRING else 0
    written = helper.make_tensor("w", data_type, shape, [zero] * int(np.prod(shape)))
    field = STORAGE[data_type].field
    assert helper.tensor_dtype_to_field(data_type) == field
    entries = len(getattr(written, field))
    check("w", shape, data_type, {field: entries})
    assert stored_elements(data_type, {field: entries}) >= element_count(shape)
    if entries:
        with pytest.raises(InvalidModelError, match=rf"need {entries} entries of {field}, there are {entries - 1}"):
            check("w", shape, data_type, {field: entries - 1})


@pytest.mark.parametrize(
    ("dims", "count"),
    [((), 1), ((7,), 7), ((1 << 40, 0, 1 << 40), 0), ((LARGEST_COUNT,), LARGEST_COUNT), ((1,) * 1000, 1)],
)
def test_elements_are_the_product_of_the_dims(dims, count):
    assert element_count(dims) == count


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ((3, -1), r"0 or more are wanted, there are \[3, -1\]"),
        ((0, -1), r"0 or more are wanted"),
        ((1 << 62, 2), r"at most 2\^63 - 1 elements are possible"),
        ((2,) * 1_000_000, r"\[2, 2, 2, 2, 2, 2, 2, 2, ... 1000000 in all\] hold more"),
    ],
)
def test_dims_that_make_no_sense_are_refused(dims, message):
    with pytest.raises(InvalidModelError, match=message):
        needed_bytes(dims, TensorProto.FLOAT)
    with pytest.raises(InvalidModelError, match="tensor 'w': .*" + message):
        check("w", dims, TensorProto.FLOAT, {})


@pytest.mark.parametrize("data_type", [TensorProto.STRING, TensorProto.UNDEFINED, 99, -1])
def test_the_bytes_of_strings_and_unknown_types_are_not_known(data_type):
    assert needed_bytes([3], data_type) is None


@pytest.mark.parametrize(
    ("data_type", "stored"),
    [
        (TensorProto.FLOAT, {}),  # weightless
        (TensorProto.FLOAT, {"raw_data": 12}),
        (TensorProto.FLOAT, {"raw_data": 13}),  # more than needed
        (TensorProto.FLOAT, {"float_data": 3}),
        (TensorProto.STRING, {"string_data": 3}),
        (99, {"raw_data": 0}),  # an unknown type needs nothing
    ],
)
def test_enough_is_enough(data_type, stored):
    check("w", [3], data_type, stored)


@pytest.mark.parametrize(
    ("data_type", "stored", "message"),
    [
        (
            TensorProto.FLOAT,
            {"raw_data": 11},
            r"tensor 'w': dims \[3\] of FLOAT need 12 bytes of raw_data, there are 11",
        ),
        (TensorProto.INT4, {"raw_data": 1}, "need 2 bytes of raw_data, there are 1"),
        (TensorProto.FLOAT, {"int32_data": 3}, "need 3 entries of float_data, there are 0"),
        (TensorProto.STRING, {"raw_data": 99}, "need 3 entries of string_data, there are 0"),
    ],
)
def test_too_little_is_refused_with_both_numbers(data_type, stored, message):
    with pytest.raises(InvalidModelError, match=message):
        check("w", [3], data_type, stored)


@pytest.mark.parametrize(
    ("data_type", "stored", "count"),
    [
        (TensorProto.FLOAT, {"raw_data": 8}, 2),
        (TensorProto.INT4, {"raw_data": 8}, 16),
        (TensorProto.COMPLEX64, {"float_data": 8}, 4),
        (TensorProto.UINT2, {"int32_data": 8}, 32),
        (TensorProto.FLOAT, {"raw_data": 8, "int32_data": 5}, 7),
        (99, {"raw_data": 8}, 8),
    ],
)
def test_stored_elements_follow_from_the_fields(data_type, stored, count):
    assert stored_elements(data_type, stored) == count
