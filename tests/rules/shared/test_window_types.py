"""The sizes that windows leave, against the places where loops find that they start."""

from __future__ import annotations

from dataclasses import replace

import pytest
from calls import make_call, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import windows as oracle
from oracles.counting import Tally
from oracles.windows import Axis, attributes, padded_axes

from graphcost.errors import NodeError
from graphcost.types import DType, TensorType

POOLS = {"MaxPool": (10, 11, 12, 22), "AveragePool": (19, 22), "LpPool": (18, 22)}
"""The opsets at which each knows ceil_mode and dilations."""


@given(padded_axes(ceil=False), st.sampled_from(sorted(POOLS)), st.booleans(), st.data())
@settings(max_examples=500, deadline=None)
def test_a_pool_has_an_output_where_a_window_starts(case, op_type, ceil, data):
    axes, auto_pad = case
    axes = [replace(axis, ceil=ceil and not auto_pad.startswith("SAME")) for axis in axes]
    said = attributes(axes, auto_pad) | {"kernel_shape": [axis.kernel for axis in axes], "ceil_mode": int(ceil)}
    opset = data.draw(st.sampled_from(POOLS[op_type]))
    call = make_call(op_type, ts(2, 3, *(axis.size for axis in axes)), opset=opset, **said)
    assert call.outputs[0] == ts(2, 3, *(len(axis.starts()) for axis in axes))


@given(padded_axes(), st.sampled_from((1, 11, 22)))
@settings(max_examples=300, deadline=None)
def test_conv_has_an_output_where_a_window_starts(case, opset):
    axes, auto_pad = case
    x, w = (2, 3, *(axis.size for axis in axes)), (4, 3, *(axis.kernel for axis in axes))
    call = make_call("Conv", ts(*x), ts(*w), opset=opset, **attributes(axes, auto_pad))
    assert call.outputs == (ts(2, 4, *(len(axis.starts()) for axis in axes)),)


def test_a_last_window_that_would_start_in_the_padding_is_none():
    said = {"kernel_shape": [2], "strides": [2], "pads": [0, 1], "ceil_mode": 1}
    for op_type, opsets in POOLS.items():
        for opset in opsets:
            assert make_call(op_type, ts(1, 1, 4), opset=opset, **said).outputs[0] == ts(1, 1, 2)


@pytest.mark.parametrize(("size", "outputs"), [(5, 0), (6, 0), (7, 1), (9, 1), (10, 2)])
def test_no_window_is_found_where_none_fits_whatever_the_stride(size, outputs):
    assert make_call("Conv", ts(1, 1, size), ts(1, 1, 7), strides=[3]).outputs == (ts(1, 1, outputs),)
    assert make_call("LpPool", ts(1, 1, size), kernel_shape=[7], strides=[3]).outputs == (ts(1, 1, outputs),)


def test_indices_have_the_shape_of_what_they_point_at():
    call = make_call("MaxPool", ts(1, 2, 5, dtype=DType.FLOAT16), outputs=2, kernel_shape=[2])
    assert call.outputs == (ts(1, 2, 4, dtype=DType.FLOAT16), ts(1, 2, 4, dtype=DType.INT64))


@st.composite
def transposed(draw):
    """The sizes of X and of the kernel, and the attributes of a ConvTranspose."""
    size, kernel, stride, dilation = (draw(st.integers(1, most)) for most in (4, 3, 4, 2))
    said = {"strides": [stride], "dilations": [dilation], "output_padding": [draw(st.integers(0, stride - 1))]}
    full = stride * (size - 1) + (kernel - 1) * dilation + 1 + said["output_padding"][0]
    way = draw(st.sampled_from(("pads", "output_shape", "VALID", "SAME_UPPER", "SAME_LOWER")))
    if way == "pads":
        begin = draw(st.integers(0, full - 1))
        said["pads"] = [begin, draw(st.integers(0, full - 1 - begin))]
    elif way == "output_shape":
        said["output_shape"] = [draw(st.integers(1, full))]
    else:
        said["auto_pad"] = way
    return size, kernel, said, way, full


@given(transposed(), st.sampled_from((1, 11, 22)))
@settings(max_examples=400, deadline=None)
def test_conv_transpose_leaves_what_is_not_cropped(case, opset):
    size, kernel, said, way, full = case
    tally = Tally()
    axis = Axis(size, kernel, said["strides"][0], said["dilations"][0])
    begin, end = said.get("pads", (0, 0))
    if way == "output_shape":
        end = full - said["output_shape"][0]
    elif way.startswith("SAME"):
        end = max(full - size * axis.stride, 0)
    windows, more = [replace(axis, begin=begin, end=end)], said["output_padding"]
    y = oracle.conv_transpose(tally, tally.some(1, 1, size), tally.some(1, 2, kernel), windows=windows, more=more)
    call = make_call("ConvTranspose", ts(1, 1, size), ts(1, 2, kernel), opset=opset, **said)
    assert call.outputs == (ts(*y.shape),)


def test_an_output_shape_may_be_smaller_than_x_in_one_axis():
    call = make_call("ConvTranspose", ts(1, 4, 4, 4), ts(4, 3, 3, 3), group=2, output_shape=[2, 9])
    assert call.outputs == (ts(1, 6, 2, 9),)


UNKNOWN = TensorType(DType.FLOAT32, (None, 3, None, 8))
NOTHING = TensorType(DType.FLOAT16, None)


@pytest.mark.parametrize(
    ("op_type", "inputs", "said", "dtype", "shape"),
    [
        ("Conv", (UNKNOWN, ts(4, 3, 3, 3)), {"strides": [2, 2]}, "float32", (None, 4, None, 3)),
        ("Conv", (ts(1, 3, 8, 8), TensorType(DType.FLOAT32, (4, 3, None, 3))), {}, "float32", (1, 4, None, 6)),
        ("Conv", (NOTHING, ts(4, 3, 3, 3)), {}, "float16", (None, 4, None, None)),
        ("MaxPool", (UNKNOWN,), {"kernel_shape": [2, 2]}, "float32", (None, 3, None, 7)),
        ("AveragePool", (NOTHING,), {"kernel_shape": [2, 2]}, "float16", (None, None, None, None)),
        ("ConvTranspose", (UNKNOWN, ts(3, 2, 2, 2)), {"group": 3}, "float32", (None, 6, None, 9)),
        ("ConvTranspose", (UNKNOWN, ts(3, 2, 2, 2)), {"output_shape": [9, 9]}, "float32", (None, 2, 9, 9)),
        ("ConvTranspose", (UNKNOWN, ts(3, 2, 2, 2)), {"auto_pad": "SAME_LOWER"}, "float32", (None, 2, None, 8)),
    ],
)
def test_an_unknown_size_stays_an_unknown_dimension(op_type, inputs, said, dtype, shape):
    assert make_call(op_type, *inputs, **said).outputs[0] == TensorType(DType(dtype), shape)


@pytest.mark.parametrize(
    ("op_type", "inputs", "said", "message"),
    [
        ("Conv", (ts(1, 2, 5), ts(3, 2)), {}, "wants X and W of the same rank, 3 or more"),
        ("Conv", (ts(1, 2), ts(3, 2)), {}, "wants X and W of the same rank, 3 or more"),
        (
            "Conv",
            (ts(1, 2, 5), ts(3, 2, 3)),
            {"strides": [0]},
            r"wants strides to be 1 integers of 1 or more, .* \(0,\)",
        ),
        ("Conv", (ts(1, 2, 5), ts(3, 2, 3)), {"dilations": [1, 1]}, "wants dilations to be 1 integers of 1 or more"),
        ("Conv", (ts(1, 2, 5), ts(3, 2, 3)), {"pads": [1]}, "wants pads to be 2 integers of 0 or more"),
        ("MaxPool", (ts(1, 2, 5),), {"pads": [-1, 0], "kernel_shape": [2]}, "wants pads to be 2 integers of 0 or more"),
        ("MaxPool", (ts(1, 2, 5),), {"kernel_shape": [2, 2]}, "the 1 spatial axes of X"),
        ("LpPool", (ts(1, 2, 5),), {}, "wants the attribute kernel_shape, there is none"),
        ("ConvTranspose", (ts(1, 2, 2), ts(2, 3, 3)), {"pads": [3, 3]}, r"which leaves \(-2,\)"),
        ("ConvTranspose", (ts(1, 2, 2), ts(2, 3, 3)), {"pads": [1, 1], "auto_pad": "VALID"}, "either auto_pad or pads"),
        ("ConvTranspose", (ts(1, 2, 2), ts(2, 3, 3)), {"output_shape": [1, 1]}, "output_shape to be 1 integers"),
    ],
)
def test_what_breaks_the_specification_has_no_type(op_type, inputs, said, message):
    with pytest.raises(NodeError, match=message):
        make_call(op_type, *inputs, **said)
