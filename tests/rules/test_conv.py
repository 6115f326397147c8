"""Conv and ConvTranspose against loops that count."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import backend
from oracles import windows as oracle
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed
from oracles.windows import Axis, attributes, padded_axes

from graphcost.errors import NodeError
from graphcost.terms import Arith

SIZES = st.sampled_from((1, 2, 1, 2, 0))


@st.composite
def conv_cases(draw):
    """A tally, X, W, B or None, the axes, the groups, and the attributes that say so."""
    windows, auto_pad = draw(padded_axes())
    tally, group = Tally(), draw(st.integers(1, 3))
    batch, channels, maps = draw(SIZES), draw(SIZES), draw(SIZES)
    kernel = [axis.kernel for axis in windows]
    x = tally.some(batch, channels * group, *(axis.size for axis in windows))
    w = tally.some(maps * group, channels, *kernel)
    b = tally.some(maps * group) if draw(st.booleans()) else None
    said = attributes(windows, auto_pad) | {"group": group}
    return tally, x, w, b, windows, group, said | ({"kernel_shape": kernel} if draw(st.booleans()) else {})


@checks("Conv")
@given(conv_cases())
@settings(max_examples=400, deadline=None)
def test_conv_counts_what_the_loop_does(case):
    tally, x, w, b, windows, group, said = case
    oracle.conv(tally, x, w, b, windows=windows, group=group)
    call = make_call("Conv", ts(*x.shape), ts(*w.shape), None if b is None else ts(*b.shape), **said)
    assert counts(call) == tally.as_dict()


@given(conv_cases().filter(lambda case: case[1].size and case[2].size))
@settings(max_examples=100, deadline=None)
def test_the_conv_loop_computes_the_operator(case):
    tally, x, w, b, windows, group, said = case
    y = oracle.conv(tally, x, w, b, windows=windows, group=group)
    plain = [None if one is None else values(one) for one in (x, w, b)]
    np.testing.assert_allclose(values(y), computed("Conv", plain, 22, **said)[0], atol=1e-12)


@st.composite
def transposed_attributes(draw, sizes, kernel):
    """The attributes of a ConvTranspose, where every axis keeps at least one position."""
    rank, said = len(sizes), {}
    way = draw(st.sampled_from(("pads", "output_shape", "VALID", "SAME_UPPER", "SAME_LOWER")))
    dilations = said["dilations"] = [draw(st.integers(1, 2)) for _ in range(rank)]
    extents = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    # auto_pad says how to lose positions, and not how to gain those that a wider stride would need
    widest = extents if way.startswith("SAME") else [3] * rank
    strides = said["strides"] = [draw(st.integers(1, min(3, most))) for most in widest]
    full = [s * (size - 1) + e for s, size, e in zip(strides, sizes, extents, strict=True)]
    if way == "pads":
        begins = [draw(st.integers(0, size - 1)) for size in full]
        said["pads"] = begins + [draw(st.integers(0, size - 1 - b)) for size, b in zip(full, begins, strict=True)]
        said["output_padding"] = [draw(st.integers(0, max(p) - 1)) for p in zip(strides, dilations, strict=True)]
    elif way == "output_shape":
        said["output_shape"] = [draw(st.integers(size, most + 1)) for size, most in zip(sizes, full, strict=True)]
    else:
        said["auto_pad"] = way
    return said


@st.composite
def transposed_cases(draw):
    """A tally, X, W, B or None, and the attributes."""
    rank, group, tally = draw(st.integers(1, 3)), draw(st.integers(1, 3)), Tally()
    kernel, sizes = ([draw(st.integers(1, 3)) for _ in range(rank)] for _ in range(2))
    batch, channels, maps = draw(SIZES), draw(SIZES), draw(st.integers(1, 2))
    x, w = tally.some(batch, channels * group, *sizes), tally.some(channels * group, maps, *kernel)
    b = tally.some(maps * group) if draw(st.booleans()) else None
    return tally, x, w, b, draw(transposed_attributes(sizes, kernel)) | {"group": group}


def transposed(tally, x, w, b, said):
    windows, more = oracle.transposed_axes_of(x, w.shape[2:], said)
    return oracle.conv_transpose(tally, x, w, b, windows=windows, more=more, group=said.get("group", 1))


@checks("ConvTranspose")
@given(transposed_cases())
@settings(max_examples=300, deadline=None)
def test_conv_transpose_counts_what_the_loop_does(case):
    tally, x, w, b, said = case
    transposed(tally, x, w, b, said)
    call = make_call("ConvTranspose", ts(*x.shape), ts(*w.shape), None if b is None else ts(*b.shape), **said)
    assert counts(call) == tally.as_dict()


@pytest.mark.parametrize("case", backend.cases("ConvTranspose"), ids=lambda case: case[0])
def test_the_transposed_loop_computes_the_operator(case):
    _, inputs, outputs, said = case
    tally = Tally()
    x, w = (tally.tensor(one) for one in inputs)
    y = transposed(tally, x, w, None, said)
    np.testing.assert_allclose(values(y), outputs[0], rtol=1e-5)
    assert counts(make_call("ConvTranspose", ts(*x.shape), ts(*w.shape), **said)) == tally.as_dict()


@pytest.mark.parametrize("opset", [1, 11, 22])
def test_every_version_of_the_operators_counts_alike(opset):
    conv = make_call("Conv", ts(1, 2, 5), ts(4, 2, 3), ts(4), opset=opset)
    transposed = make_call("ConvTranspose", ts(1, 2, 5), ts(2, 4, 3), ts(4), opset=opset)
    assert counts(conv) == {Arith.MAC: 3 * 4 * 2 * 3, Arith.ADD: 12}
    assert counts(transposed) == {Arith.MAC: 5 * 2 * 4 * 3, Arith.ADD: 28}


def test_a_window_that_does_not_fit_is_an_error_and_never_a_count():
    """For each window that type inference accepts, the outputs are where the loop says that windows start."""
    grid = itertools.product(range(4), (1, 2, 3), (1, 2, 3), (1, 2), (0, 1), (0, 1), ("NOTSET", "VALID", "SAME_LOWER"))
    for size, kernel, stride, dilation, begin, end, auto_pad in grid:
        axis = Axis(size, kernel, stride, dilation, begin, end).with_padding(auto_pad)
        call = make_call("Conv", ts(1, 1, size), ts(1, 1, kernel), **attributes([axis], auto_pad))
        if outputs := len(axis.starts()):
            assert counts(call) == {Arith.MAC: outputs * kernel}
        else:
            with pytest.raises(NodeError, match="wants windows of"):
                terms(call)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (make_call("Conv", ts(1, 4, 5), ts(4, 3, 3)), "wants X with the 3 channels of W, it has 4"),
        (make_call("Conv", ts(1, 4, 5), ts(3, 2, 3), group=2), "a multiple of group, 2, W has 3"),
        (make_call("Conv", ts(1, 0, 5), ts(3, 2, 3), group=0), "a multiple of group, 0, W has 3"),
        (make_call("Conv", ts(1, 2, 5), ts(3, 2, 3), kernel_shape=[2]), r"kernel_shape \(2,\), it has \(3,\)"),
        (make_call("Conv", ts(1, 2, 5), ts(3, 2, 3), ts(4)), r"wants B of shape \(3,\), it is \(4,\)"),
        (make_call("Conv", ts(1, 2, 5), ts(3, 2, 7)), "wants windows of 7 positions, X has 5 with its padding"),
        (make_call("Conv", ts(1, 2, 5), ts(3, 2, 3), dilations=[3], pads=[0, 1]), "windows of 7 positions, X has 6"),
        (make_call("Conv", ts(1, 2, 5), ts(3, 2, 3), auto_pad="SAME_UPPER", pads=[0, 0]), "either auto_pad or pads"),
        (make_call("Conv", ts(1, 2, 5), ts(3, 2, 3), auto_pad="VALID", pads=[1, 1]), "either auto_pad or pads"),
        (make_call("ConvTranspose", ts(1, 4, 5), ts(3, 2, 3)), "wants X with the 3 channels of W, it has 4"),
        (make_call("ConvTranspose", ts(1, 2, 5), ts(2, 3, 3), kernel_shape=[2]), r"kernel_shape \(2,\), it has \(3,\)"),
        (make_call("ConvTranspose", ts(1, 2, 5), ts(2, 3, 3), ts(4), group=2), r"of shape \(6,\), it is \(4,\)"),
    ],
)
def test_what_breaks_the_specification_is_named(call, message):
    with pytest.raises(NodeError, match=message):
        terms(call)


def test_an_output_shape_may_be_smaller_than_the_input():
    call = make_call("ConvTranspose", ts(1, 1, 2, 2), ts(1, 1, 1, 1), ts(1), output_shape=[1, 2])
    assert counts(call) == {Arith.MAC: 4, Arith.ADD: 2}


def test_valid_with_pads_of_zero_says_nothing_wrong():
    call = make_call("Conv", ts(1, 1, 5), ts(1, 1, 3), auto_pad="VALID", pads=[0, 0])
    assert counts(call) == {Arith.MAC: 9}
