"""DeformConv against a loop that counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import backend
from oracles import sampling as oracle
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.windows import axes as window_axes
from oracles.windows import axes_of

from graphcost.errors import NodeError
from graphcost.terms import Arith
from graphcost.types import DType, TensorType


@st.composite
def cases(draw):
    """A tally, the inputs, the windows, and the attributes."""
    windows = [draw(window_axes(largest=3)) for _ in range(draw(st.integers(1, 2)))]
    group, offset_group = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    tally, batch = Tally(), draw(st.integers(1, 2))
    kernel, outputs = [axis.kernel for axis in windows], [len(axis.starts()) for axis in windows]
    places = offset_group * math.prod(kernel)
    x = tally.some(batch, 2, *(axis.size for axis in windows))
    w = tally.some(group * draw(st.integers(1, 2)), 2 // group, *kernel)
    offset = tally.some(batch, places * len(kernel), *outputs)
    b = tally.some(len(w)) if draw(st.booleans()) else None
    mask = tally.some(batch, places, *outputs) if draw(st.booleans()) else None
    said = {
        "strides": [axis.stride for axis in windows],
        "dilations": [axis.dilation for axis in windows],
        "pads": [axis.begin for axis in windows] + [axis.end for axis in windows],
        "group": group,
        "offset_group": offset_group,
    }
    return tally, (x, w, offset, b, mask), windows, said


@checks("DeformConv")
@given(cases())
@settings(max_examples=200, deadline=None)
def test_deform_conv_counts_what_the_loop_does(case):
    tally, inputs, windows, said = case
    groups = {"group": said["group"], "offset_group": said["offset_group"]}
    y = oracle.deform_conv(tally, *inputs, windows, **groups)
    call = make_call("DeformConv", *(None if one is None else ts(*one.shape) for one in inputs), **said)
    assert call.outputs == (ts(*y.shape),)
    assert counts(call) == tally.as_dict()


@pytest.mark.parametrize("case", backend.cases("DeformConv"), ids=lambda case: case[0])
def test_the_loop_computes_the_operator(case):
    _, inputs, (expected,), said = case
    tally = Tally()
    x, w, offset, b, mask = (
        None if one is None or not one.size else tally.tensor(one) for one in (*inputs, None, None)[:5]
    )
    windows = axes_of(x, w.shape[2:], said)
    groups = {"group": said.get("group", 1), "offset_group": said.get("offset_group", 1)}
    y = oracle.deform_conv(tally, x, w, offset, b, mask, windows, **groups)
    np.testing.assert_allclose(values(y), expected, atol=1e-4)


def test_one_window_of_two_points_that_move():
    call = make_call("DeformConv", ts(1, 1, 2, 2), ts(3, 1, 1, 2), ts(1, 4, 2, 1), ts(3), ts(1, 2, 2, 1), opset=19)
    samples = 2 * 2
    assert counts(call) == {
        Arith.ROUND: 2 * samples,
        Arith.ADD: 3 * 2 * samples + 3 * samples + 6,  # offset, ratio, 1 - ratio; the average of four; B
        Arith.MUL: 4 * samples + 4 * samples + samples,  # weights; the average; the mask
        Arith.MAC: 3 * samples,
    }


def test_an_unknown_size_stays_an_unknown_dimension():
    x = TensorType(DType.FLOAT32, (None, 1, None, 5))
    call = make_call("DeformConv", x, ts(4, 1, 3, 3), TensorType(DType.FLOAT32, None))
    assert call.outputs == (TensorType(DType.FLOAT32, (None, 4, None, 3)),)


@pytest.mark.parametrize(
    ("shapes", "said", "message"),
    [
        (((1, 2, 5), (4, 2, 3), (1, 2, 3)), {}, r"offset of shape \(1, 3, 3\), it is \(1, 2, 3\)"),
        (((1, 2, 5), (4, 2, 3), (1, 3, 3), (4,), (1, 2, 3)), {}, r"mask of shape \(1, 3, 3\), it is \(1, 2, 3\)"),
        (((1, 3, 5), (4, 3, 3), (1, 6, 3)), {"offset_group": 2}, "a multiple of offset_group, 2, X has 3"),
        (((1, 2, 5), (4, 2, 7), (1, 7, 1)), {"strides": [3]}, "wants windows of 7 positions, X has 5"),
        (((1, 2, 5), (4, 2, 3), (1, 3, 3), (5,)), {}, r"wants B of shape \(4,\), it is \(5,\)"),
    ],
)
def test_what_breaks_the_specification_is_named(shapes, said, message):
    with pytest.raises(NodeError, match=message):
        terms(make_call("DeformConv", *(ts(*shape) for shape in shapes), **said))
