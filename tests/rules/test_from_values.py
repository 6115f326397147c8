"""Types that follow from elements are those of what the reference computes, or of what onnxruntime does."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from calls import make_call, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_dtypes import bfloat16
from onnx import helper
from oracles.reference import computed, opsets

from graphcost.errors import NodeError
from graphcost.types import DType

many = settings(max_examples=200, deadline=None)
small = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@many
@given(st.data(), small, st.sampled_from(opsets("Compress", first=9)))
def test_compress_keeps_as_many_slices_as_are_true(data, shape, opset):
    axis = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    length = np.prod(shape) if axis is None else shape[axis]
    condition = np.array(data.draw(st.lists(st.booleans(), min_size=1, max_size=int(length))))
    given_axis = {} if axis is None else {"axis": axis}
    (real,) = computed("Compress", [np.zeros(shape, np.float32), condition], opset, **given_axis)
    assert make_call("Compress", ts(*shape), condition, opset=opset, **given_axis).outputs == (ts(*real.shape),)


def test_compress_by_what_only_the_run_knows_keeps_the_other_axes():
    condition = ts(3, dtype=DType.BOOL)
    assert make_call("Compress", ts(3, 4), condition, axis=0).outputs[0].shape == (None, 4)
    assert make_call("Compress", ts(3, 4), condition).outputs[0].shape == (None,)


@many
@given(st.data(), small, st.integers(1, 5), st.sampled_from([np.int64, np.int32, np.float32]))
def test_one_hot_has_an_axis_of_the_depth(data, shape, depth, dtype):
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    indices, values = np.zeros(shape, np.int64), np.array([0, 1], np.float16)
    (real,) = computed("OneHot", [indices, np.array(depth, dtype), values], 11, axis=axis)
    found = make_call("OneHot", ts(*shape, dtype=DType.INT64), np.array(depth, dtype), values, opset=11, axis=axis)
    assert found.outputs == (ts(*real.shape, dtype=DType.FLOAT16),)


def test_one_hot_of_a_depth_that_only_the_run_knows_keeps_the_other_axes():
    depth, values = ts(dtype=DType.INT64), ts(2)
    assert make_call("OneHot", ts(3, 4, dtype=DType.INT64), depth, values, axis=1).outputs[0].shape == (3, None, 4)


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes"),
    [
        ("Compress", [ts(3), np.array([True])], {"axis": 1}),
        ("OneHot", [ts(3), np.array(4), ts(2)], {"axis": 2}),
        ("OneHot", [ts(3), np.array([4, 5]), ts(2)], {}),
        ("OneHot", [ts(3), np.array(-1), ts(2)], {}),
        ("OneHot", [ts(3), np.array(np.nan, np.float32), ts(2)], {}),
        ("Range", [np.array(0), np.array(4), np.array(0)], {}),
        ("Range", [np.array(0), np.array(4), np.array(0.5)], {}),
        ("Range", [ts(dtype=DType.STRING), ts(dtype=DType.STRING), ts(dtype=DType.STRING)], {}),
        ("Range", [np.array(0), np.array([4, 5]), np.array(1)], {}),
    ],
)
def test_a_node_that_breaks_the_specification_is_refused(op_type, inputs, attributes):
    with pytest.raises(NodeError):
        make_call(op_type, *inputs, **attributes)


steps = st.integers(-20, 20)


def arranged(*numbers, dtype=np.int64, rank=0, opset=11):
    return make_call("Range", *(np.array(one, dtype).reshape((1,) * rank) for one in numbers), opset=opset).outputs[0]


@many
@given(steps, steps, steps.filter(bool), st.sampled_from([np.int16, np.int32, np.int64, np.float32, np.float64]))
def test_a_range_of_whole_numbers_is_as_long_as_pythons(start, limit, delta, dtype):
    found = arranged(start, limit, delta, dtype=dtype)
    assert found.shape == (len(range(start, limit, delta)),)
    assert found.dtype is DType(np.dtype(dtype).name)


@many
@given(steps, steps, steps.filter(bool), st.sampled_from([np.float16, bfloat16, np.float32, np.float64]))
def test_a_range_of_quarters_is_as_long_as_that_of_whole_numbers(start, limit, delta, dtype):
    found = arranged(start / 4, limit / 4, delta / 4, dtype=dtype, opset=27)
    assert found.shape == (len(range(start, limit, delta)),)


def test_a_range_of_large_whole_numbers_is_exact():
    assert arranged(0, 2**62 + 1, 2**61).shape == (3,)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_range_takes_single_elements_of_any_rank(rank):
    """As onnxruntime does, and as the function body of AffineGrid needs it."""
    assert arranged(0, 5, 2, rank=rank).shape == (3,)


def test_where_rounding_decides_the_length_is_unknown():
    """onnxruntime 1.31 gives 11 elements, onnx's inference says 10."""
    assert arranged(0.1, 1.1, 0.1, dtype=np.float32).shape == (None,)
    assert arranged(0, np.inf, 1, dtype=np.float32).shape == (None,)


def test_a_range_that_only_the_run_knows_has_one_axis():
    assert make_call("Range", np.array(0), ts(dtype=DType.INT64), np.array(1)).outputs[0].shape == (None,)


def test_what_onnx_itself_says_is_wrong():
    """The reason for a rule of our own."""
    node = helper.make_node("Range", ["s", "l", "d"], ["y"])
    numbers = {name: np.array(one, np.float32) for name, one in zip("sld", (0.1, 1.1, 0.1), strict=True)}
    types = {name: helper.make_tensor_type_proto(1, ()) for name in numbers}
    data = {name: onnx.numpy_helper.from_array(one) for name, one in numbers.items()}
    schema = onnx.defs.get_schema("Range", 11)
    found = onnx.shape_inference.infer_node_outputs(schema, node, types, data)["y"]
    assert found.tensor_type.shape.dim[0].dim_value == 10
