"""Col2Im against a loop that counts; what folds, unfolds, unpools and crops has the shape that onnx computes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import sampling as oracle
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed
from oracles.windows import axes as window_axes

from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.types import DType, TensorType

INT64 = np.int64


@checks("Col2Im")
@given(st.lists(window_axes(largest=4), min_size=1, max_size=2), st.integers(1, 2), st.integers(1, 2))
@settings(max_examples=250, deadline=None)
def test_col2im_counts_what_the_loop_does(windows, batch, channels):
    block, image = [axis.kernel for axis in windows], [axis.size for axis in windows]
    tally = Tally()
    columns = tally.some(batch, channels * math.prod(block), math.prod(len(axis.starts()) for axis in windows))
    y = oracle.col2im(tally, columns, image, windows)
    said = {
        "strides": [axis.stride for axis in windows],
        "dilations": [axis.dilation for axis in windows],
        "pads": [axis.begin for axis in windows] + [axis.end for axis in windows],
    }
    given = np.array(image, INT64), np.array(block, INT64)
    np.testing.assert_allclose(values(y), computed("Col2Im", [values(columns), *given], 18, **said)[0], atol=1e-12)
    call = make_call("Col2Im", ts(*columns.shape), *given, **said)
    assert call.outputs == (ts(*y.shape),)
    assert counts(call) == tally.as_dict()


@given(st.lists(st.integers(2, 5), min_size=1, max_size=3), st.data())
@settings(max_examples=200, deadline=None)
def test_unfolded_slices_are_those_of_a_sliding_window(dims, data):
    dim, step = data.draw(st.integers(-len(dims), len(dims) - 1)), data.draw(st.integers(1, 3))
    size = data.draw(st.integers(1, dims[dim]))
    windows = np.lib.stride_tricks.sliding_window_view(np.zeros(dims), size, axis=dim)
    expected = windows.take(range(0, windows.shape[dim % len(dims)], step), axis=dim % len(dims)).shape
    call = make_call("UnfoldTensor", ts(*dims), domain="com.microsoft", opset=1, dim=dim, size=size, step=step)
    assert call.outputs == (ts(*expected),)
    assert terms(call) == ()


@pytest.mark.parametrize(("size", "step"), [(5, 1), (0, 1), (2, 0)])
def test_a_slice_that_does_not_fit_has_no_type(size, step):
    with pytest.raises(NodeError, match="wants slices of 1 to 4 elements"):
        make_call("UnfoldTensor", ts(4), domain="com.microsoft", opset=1, size=size, step=step)


@given(st.lists(window_axes(largest=3), min_size=1, max_size=2), st.sampled_from((9, 11, 22)))
@settings(max_examples=200, deadline=None)
def test_unpooling_gives_the_shape_that_onnx_computes(windows, opset):
    said = {"kernel_shape": [axis.kernel for axis in windows], "strides": [axis.stride for axis in windows]}
    dims = [1, 2, *(axis.size for axis in windows)]
    places = np.zeros(dims, INT64)
    y = computed("MaxUnpool", [np.ones(dims), places], 11, **said)[0]
    assert make_call("MaxUnpool", ts(*dims), ts(*dims, dtype=DType.INT64), opset=opset, **said).outputs == (
        ts(*y.shape),
    )
    larger = np.array([1, 2, *(size + 1 for size in y.shape[2:])], INT64)
    call = make_call("MaxUnpool", ts(*dims), ts(*dims, dtype=DType.INT64), larger, opset=opset, **said)
    assert call.outputs == (ts(*larger),)
    assert terms(call) == ()
    unknown = make_call("MaxUnpool", ts(*dims), ts(*dims, dtype=DType.INT64), ts(len(dims)), opset=opset, **said)
    assert unknown.outputs == (TensorType(DType.FLOAT32, (None,) * len(dims)),)


def test_pads_are_taken_off_what_is_unpooled():
    call = make_call("MaxUnpool", ts(1, 1, 3), ts(1, 1, 3), kernel_shape=[3], strides=[2], pads=[1, 1])
    assert call.outputs == (ts(1, 1, 2 * 2 + 3 - 1 - 1),)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=3), st.data())
@settings(max_examples=200, deadline=None)
def test_a_cropped_centre_has_the_shape_that_onnx_computes(dims, data):
    axes = data.draw(st.permutations(range(len(dims))))[: data.draw(st.integers(1, len(dims)))]
    wanted = np.array([data.draw(st.integers(1, 6)) for _ in axes], INT64)
    y = computed("CenterCropPad", [np.zeros(dims, np.float32), wanted], 18, axes=axes)[0]
    call = make_call("CenterCropPad", ts(*dims), wanted, axes=axes)
    assert call.outputs == (ts(*y.shape),)
    kept = math.prod(min(pair) for pair in zip(dims, y.shape, strict=True))
    assert registry.of(call).traffic(call) == (4 * kept + 8 * len(axes), y.nbytes)
    unknown = make_call("CenterCropPad", ts(*dims), ts(len(axes), dtype=DType.INT64), axes=axes)
    assert unknown.outputs[0].shape == tuple(None if axis in axes else size for axis, size in enumerate(dims))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (ts(1, 5, 4), "a multiple of the block's 4 elements"),
        (ts(1, 4, 5), "a column for each of 4 blocks, there are 5"),
    ],
)
def test_what_breaks_the_specification_is_named(columns, message):
    with pytest.raises(NodeError, match=message):
        terms(make_call("Col2Im", columns, np.array([3, 3]), np.array([2, 2])))


@pytest.mark.parametrize(
    ("op_type", "inputs", "said", "message"),
    [
        (
            "MaxUnpool",
            (ts(1, 1, 3), ts(1, 1, 3)),
            {"kernel_shape": [2, 2]},
            "kernel_shape to be 1 integers of 1 or more",
        ),
        ("MaxUnpool", (ts(1, 1, 3), ts(1, 1, 3), np.array([4])), {"kernel_shape": [2]}, "output_shape to be 3 sizes"),
        ("CenterCropPad", (ts(3, 3), np.array([2])), {}, r"shape to be 2 sizes of 0 or more, it is \(2,\)"),
    ],
)
def test_what_breaks_the_specification_has_no_type(op_type, inputs, said, message):
    with pytest.raises(NodeError, match=message):
        make_call(op_type, *inputs, **said)
