"""Pools against loops that count."""

from __future__ import annotations

import itertools
from dataclasses import replace

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
from oracles.windows import axes as window_axes

from graphcost.errors import NodeError
from graphcost.load import schema
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

SIZES = st.sampled_from((1, 2, 1, 2, 0))


@st.composite
def pool_cases(draw):
    """The operator, a tally, X, and the attributes."""
    op_type, ceil = draw(st.sampled_from(("MaxPool", "AveragePool", "LpPool"))), draw(st.integers(0, 1))
    windows, auto_pad = draw(padded_axes(ceil=ceil == 1))
    tally = Tally()
    x = tally.some(draw(SIZES), draw(SIZES), *(axis.size for axis in windows))
    said = attributes(windows, auto_pad) | {"kernel_shape": [axis.kernel for axis in windows], "ceil_mode": ceil}
    own = {"AveragePool": ("count_include_pad", st.integers(0, 1)), "LpPool": ("p", st.integers(1, 3))}
    if op_type in own:
        name, choices = own[op_type]
        said[name] = draw(choices)
    return op_type, tally, x, said


def pooled(op_type, tally, x, said):
    windows = oracle.axes_of(x, said["kernel_shape"], said)
    if op_type == "MaxPool":
        return oracle.max_pool(tally, x, windows)
    if op_type == "AveragePool":
        return oracle.average_pool(tally, x, windows, include_pad=said.get("count_include_pad", 0))
    return oracle.lp_pool(tally, x, windows, said.get("p", 2))


@checks("MaxPool", "AveragePool", "LpPool")
@given(pool_cases())
@settings(max_examples=600, deadline=None)
def test_a_pool_counts_what_the_loop_does(case):
    op_type, tally, x, said = case
    pooled(op_type, tally, x, said)
    assert counts(make_call(op_type, ts(*x.shape), **said)) == tally.as_dict()


def small_backend_cases():
    for op_type in ("MaxPool", "AveragePool", "LpPool"):
        for name, inputs, outputs, said in backend.cases(op_type):
            if outputs[0].size * np.prod(said["kernel_shape"]) < 30_000:
                yield pytest.param(op_type, inputs[0], outputs[0], said, id=name)


@pytest.mark.parametrize(("op_type", "x", "y", "said"), list(small_backend_cases()))
def test_the_pool_loops_compute_the_operators(op_type, x, y, said):
    tally = Tally()
    np.testing.assert_allclose(values(pooled(op_type, tally, tally.tensor(x), said)), y, rtol=1e-3, atol=1e-5)
    assert counts(make_call(op_type, ts(*x.shape), **said)) == tally.as_dict()


@checks("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool")
@pytest.mark.parametrize("op_type", ["GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"])
@given(st.lists(SIZES, min_size=2, max_size=2), st.lists(st.integers(1, 3), max_size=3))
@settings(max_examples=200, deadline=None)
def test_a_global_pool_counts_what_the_loop_does(op_type, channels, sizes):
    tally = Tally()
    x = tally.some(*channels, *sizes)
    loops = {
        "GlobalMaxPool": oracle.max_pool,
        "GlobalAveragePool": lambda *case: oracle.average_pool(*case, include_pad=0),
        "GlobalLpPool": lambda *case: oracle.lp_pool(*case, 2),
    }
    loops[op_type](tally, x, oracle.whole(x))
    assert counts(make_call(op_type, ts(*x.shape))) == tally.as_dict()


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (1, {Arith.SIGN: 6, Arith.ADD: 4}),
        (2, {Arith.MUL: 6, Arith.ADD: 4, Arith.SQRT: 2}),
        (3, {Arith.SIGN: 6, Arith.POW: 6 + 2, Arith.ADD: 4}),
    ],
)
def test_the_norm_of_three_elements_for_two_channels(p, expected):
    assert counts(make_call("GlobalLpPool", ts(1, 2, 3), p=p)) == expected
    assert counts(make_call("LpPool", ts(1, 2, 3), kernel_shape=[3], p=p)) == expected


def test_p_was_a_float_once():
    call = make_call("GlobalLpPool", ts(1, 1, 3), opset=2)
    old = replace(call, opset=1, schema=schema.names_of("GlobalLpPool", "", 1))  # without type inference of its own
    assert counts(old) == counts(call)
    assert counts(replace(old, attributes={"p": 1.5}))[Arith.POW] == 4


def test_indices_cost_no_arithmetic():
    assert counts(make_call("MaxPool", ts(1, 1, 4), outputs=2, kernel_shape=[2])) == {Arith.CMP: 3}


@pytest.mark.parametrize("ceil", [False, True])
def test_a_window_that_does_not_fit_is_an_error_and_never_a_count(ceil):
    grid = itertools.product(range(4), (1, 2, 3), (1, 2, 3), (1, 2), (0, 1), (0, 1), ("NOTSET", "VALID", "SAME_UPPER"))
    for size, kernel, stride, dilation, begin, end, auto_pad in grid:
        axis = Axis(size, kernel, stride, dilation, min(begin, kernel - 1), min(end, kernel - 1), ceil)
        axis = axis.with_padding(auto_pad)
        said = attributes([axis], auto_pad) | {"kernel_shape": [kernel], "ceil_mode": int(ceil)}
        call = make_call("AveragePool", ts(1, 1, size), **said)
        outputs = len(axis.starts())
        try:
            assert counts(call).get(Arith.DIV, 0) == outputs
        except NodeError:
            assert outputs == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (make_call("MaxPool", ts(1, 2, 5), kernel_shape=[7]), "wants windows of 7 positions, X has 5"),
        (make_call("LpPool", ts(1, 2, 5), kernel_shape=[3], auto_pad="SAME_LOWER", pads=[1, 1]), "either auto_pad or"),
        (make_call("GlobalMaxPool", ts(1, 2, 0)), "wants at least 1 position to pool, X has 0"),
        (make_call("GlobalAveragePool", ts(1, 2, 3, 0)), "wants at least 1 position to pool, X has 0"),
    ],
)
def test_what_breaks_the_specification_is_named(call, message):
    with pytest.raises(NodeError, match=message):
        terms(call)


@given(st.lists(window_axes(largest=3), min_size=1, max_size=2), st.sampled_from((9, 11, 22)))
@settings(max_examples=200, deadline=None)
def test_unpooling_gives_the_shape_that_onnx_computes(windows, opset):
    said = {"kernel_shape": [axis.kernel for axis in windows], "strides": [axis.stride for axis in windows]}
    dims = [1, 2, *(axis.size for axis in windows)]
    places = np.zeros(dims, np.int64)
    y = computed("MaxUnpool", [np.ones(dims), places], 11, **said)[0]
    assert make_call("MaxUnpool", ts(*dims), ts(*dims, dtype=DType.INT64), opset=opset, **said).outputs == (
        ts(*y.shape),
    )
    larger = np.array([1, 2, *(size + 1 for size in y.shape[2:])], np.int64)
    call = make_call("MaxUnpool", ts(*dims), ts(*dims, dtype=DType.INT64), larger, opset=opset, **said)
    assert call.outputs == (ts(*larger),)
    assert terms(call) == ()
    unknown = make_call("MaxUnpool", ts(*dims), ts(*dims, dtype=DType.INT64), ts(len(dims)), opset=opset, **said)
    assert unknown.outputs == (TensorType(DType.FLOAT32, (None,) * len(dims)),)


def test_pads_are_taken_off_what_is_unpooled():
    call = make_call("MaxUnpool", ts(1, 1, 3), ts(1, 1, 3), kernel_shape=[3], strides=[2], pads=[1, 1])
    assert call.outputs == (ts(1, 1, 2 * 2 + 3 - 1 - 1),)


@pytest.mark.parametrize(
    ("more", "said", "message"),
    [
        ((), {"kernel_shape": [2, 2]}, "kernel_shape to be 1 integers of 1 or more"),
        ((np.array([4]),), {"kernel_shape": [2]}, "output_shape to be 3 sizes"),
    ],
)
def test_an_unpooling_that_breaks_the_specification_has_no_type(more, said, message):
    with pytest.raises(NodeError, match=message):
        make_call("MaxUnpool", ts(1, 1, 3), ts(1, 1, 3), *more, **said)
