"""Types, tensors and attributes are what onnx's own helpers make of them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, TypeProto, helper, numpy_helper

from graphcost.errors import InvalidModelError
from graphcost.load import protos
from graphcost.types import UNKNOWN, DType, MapType, OptionalType, SequenceType, TensorType

FLOATS = helper.make_tensor_type_proto(TensorProto.FLOAT, [2, "N", None])
KNOWN = TensorType(DType.FLOAT32, (2, "N", None))
TYPES = {
    "tensor": (FLOATS, KNOWN),
    "scalar": (helper.make_tensor_type_proto(TensorProto.INT64, []), TensorType(DType.INT64, ())),
    "no rank": (helper.make_tensor_type_proto(TensorProto.BOOL, None), TensorType(DType.BOOL, None)),
    "sequence": (helper.make_sequence_type_proto(FLOATS), SequenceType(KNOWN)),
    "optional": (
        helper.make_optional_type_proto(helper.make_sequence_type_proto(FLOATS)),
        OptionalType(SequenceType(KNOWN)),
    ),
    "map": (helper.make_map_type_proto(TensorProto.INT64, FLOATS), MapType(DType.INT64, KNOWN)),
    "nothing": (TypeProto(), UNKNOWN),
}


@pytest.mark.parametrize("case", TYPES)
def test_a_type_there_and_back(case):
    proto, expected = TYPES[case]
    assert protos.type_of(proto) == expected
    assert protos.type_of(protos.proto_of(expected)) == expected


def test_a_sparse_type_is_a_tensor_of_the_same_shape():
    proto = helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, [2, "N", None])
    assert protos.type_of(proto) == KNOWN


def test_an_element_type_that_nobody_knows_is_unknown():
    proto = helper.make_tensor_type_proto(TensorProto.FLOAT, [2])
    proto.tensor_type.elem_type = 9999
    assert protos.type_of(proto) == TensorType(None, (2,))


NUMBERS = [name for name, _ in TensorProto.DataType.items() if name not in {"UNDEFINED", "STRING"}]


@pytest.mark.parametrize("name", NUMBERS)
def test_stored_numbers(name):
    data_type = TensorProto.DataType.Value(name)
    expected = np.array([[0, 1, 0], [1, 1, 0]]).astype(helper.tensor_dtype_to_np_dtype(data_type))
    raw = numpy_helper.from_array(expected, "w")
    typed = helper.make_tensor("w", data_type, (2, 3), expected.flatten())
    for proto in (raw, typed):
        declared, read, size = protos.stored(proto)
        assert declared == TensorType(protos.dtype_of(expected), (2, 3))
        assert read().dtype == expected.dtype
        assert read().tobytes() == expected.tobytes()
        assert size == len(raw.raw_data)


def test_every_data_type_of_onnx_has_a_name_here():
    known = {protos.tensor_type(TensorProto(data_type=one)).dtype for one in TensorProto.DataType.values()}
    assert len(known - {None}) == len(NUMBERS) + 1


def test_stored_strings_need_not_be_utf8():
    declared, read, size = protos.stored(
        TensorProto(data_type=TensorProto.STRING, dims=[2], string_data=[b"ab", b"\xff"])
    )
    assert (declared, size) == (TensorType(DType.STRING, (2,)), 3)
    assert read().tolist() == ["ab", "\ufffd"]


UNREAD = {
    "many": TensorProto(data_type=TensorProto.FLOAT, dims=[4097], raw_data=bytes(4 * 4097)),
    "left on disk": TensorProto(data_type=TensorProto.FLOAT, dims=[3]),
    "in another file": TensorProto(data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL),
    "of an unknown type": TensorProto(data_type=9999, dims=[3], raw_data=bytes(3)),
    "of a rank beyond numpy's": TensorProto(data_type=TensorProto.FLOAT, dims=[1] * 65, raw_data=bytes(4)),
}


@pytest.mark.parametrize("case", UNREAD)
def test_elements_that_are_not_read(case):
    assert protos.stored(UNREAD[case]).read is None
    assert protos.array(UNREAD[case]) is None
    assert protos.tensor_type(UNREAD[case]).shape == tuple(UNREAD[case].dims)


def test_exactly_as_many_as_are_kept_are_read():
    expected = np.arange(4096, dtype=np.float32)
    np.testing.assert_array_equal(protos.array(numpy_helper.from_array(expected)), expected)


def test_no_elements_are_read_without_any_data():
    assert protos.array(TensorProto(data_type=TensorProto.FLOAT, dims=[2, 0])).shape == (2, 0)


@pytest.mark.parametrize("size", [11, 13])
def test_other_than_the_dims_need_is_refused(size):
    with pytest.raises(InvalidModelError, match=r"tensor 'w': float32\[3\] wants 3 elements"):
        protos.stored(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], raw_data=bytes(size)))


ATTRIBUTES = {
    "int": (3, 3),
    "float": (0.5, 0.5),
    "string": ("a", "a"),
    "bytes that are no text": (b"\xff", "\ufffd"),
    "ints": ([1, -2], (1, -2)),
    "floats": ([0.5, 1.0], (0.5, 1.0)),
    "strings": (["a", "b"], ("a", "b")),
    "a type": (FLOATS, None),
}


@pytest.mark.parametrize("case", ATTRIBUTES)
def test_an_attribute(case):
    value, expected = ATTRIBUTES[case]
    assert protos.attribute(helper.make_attribute("a", value)) == expected


@pytest.mark.parametrize("case", set(ATTRIBUTES) - {"a type", "bytes that are no text"})
def test_an_attribute_there_and_back(case):
    proto = helper.make_attribute("a", ATTRIBUTES[case][0])
    assert protos.attribute_proto("a", ATTRIBUTES[case][1]) == proto


def test_an_empty_list_needs_to_know_what_it_lists():
    assert protos.attribute_proto("a", (), AttributeProto.INTS) == AttributeProto(name="a", type=AttributeProto.INTS)


def test_a_tensor_as_an_attribute():
    expected = np.array([1, 2], np.int64)
    np.testing.assert_array_equal(
        protos.attribute(helper.make_attribute("a", numpy_helper.from_array(expected))), expected
    )
    np.testing.assert_array_equal(numpy_helper.to_array(protos.attribute_proto("a", expected).t), expected)


LEFT = {
    "tensor": (AttributeProto(type=AttributeProto.TENSOR, t=UNREAD["left on disk"]), TensorType(DType.FLOAT32, (3,))),
    "ints": (AttributeProto(type=AttributeProto.INTS, i=5000), TensorType(DType.INT64, (5000,))),
    "floats": (AttributeProto(type=AttributeProto.FLOATS, i=5000), TensorType(DType.FLOAT32, (5000,))),
    "strings": (AttributeProto(type=AttributeProto.STRINGS, i=5000), TensorType(DType.STRING, (5000,))),
    "string": (AttributeProto(type=AttributeProto.STRING, i=1), None),
    "sparse tensor": (
        helper.make_attribute(
            "a",
            helper.make_sparse_tensor(
                numpy_helper.from_array(np.ones(1, np.float32), "w"),
                numpy_helper.from_array(np.zeros(1, np.int64)),
                [7, 8],
            ),
        ),
        TensorType(DType.FLOAT32, (7, 8)),
    ),
}


@pytest.mark.parametrize("case", LEFT)
def test_an_attribute_whose_elements_are_not_there_says_what_they_were(case):
    proto, expected = LEFT[case]
    assert protos.attribute(proto) == expected


def test_dims_that_make_no_sense_are_refused():
    values = TensorProto(name="w", dims=[1], data_type=TensorProto.FLOAT)
    with pytest.raises(InvalidModelError, match=r"tensor 'w'.*-3"):
        protos.sparse_type(onnx.SparseTensorProto(values=values, dims=[-3]))
