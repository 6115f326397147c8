"""Quantized pools, means, softmax and normalization against loops that count, and against onnxruntime's kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import kernels, rows, windows
from oracles import quantized as oracle
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.quantized import Quantizer

from graphcost.errors import NodeError
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MICROSOFT, NHWC = "com.microsoft", "com.ms.internal.nhwc"
many = settings(max_examples=200, deadline=None)
few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 999).map(np.random.default_rng)
flags = st.booleans()
DTYPES = st.sampled_from([np.uint8, np.int8])


def drawn(rng, shape, dtype, *, has_zero_point=True):
    """Return a quantized tensor and how: (elements, scale, zero point), the scale a power of two."""
    info = np.iinfo(dtype)
    elements = rng.integers(info.min, info.max + 1, shape).astype(dtype)
    zero_point = rng.integers(info.min // 2, info.max // 2, ()).astype(dtype) if has_zero_point else None
    return elements, np.array(rng.choice([0.25, 0.5, 1.0]), np.float32), zero_point


def called(op_type, inputs, domain=MICROSOFT, **attributes):
    types = [given if given is None else TensorType(DType(given.dtype.name), given.shape) for given in inputs]
    return make_call(op_type, *types, domain=domain, **attributes)


def check(call, tally, y, dtype):
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*y.shape, dtype=DType(np.dtype(dtype).name)),)


def quantized(x, of_y, loop):
    """Return a tally, and y = quantize(loop(dequantize(x)))."""
    tally = Tally()
    elements, *of_x = x
    y = loop(tally, Quantizer(*of_x, elements.dtype).dequantize(tally.tensor(elements)))
    return tally, Quantizer(*of_y, elements.dtype).quantize(y)


@st.composite
def pools(draw):
    """A quantized tensor (N, C, *spatial), how the result is quantized, and the attributes."""
    ceil = draw(st.integers(0, 1))
    found, auto_pad = draw(windows.padded_axes(ceil=ceil == 1))
    said = windows.attributes(found, auto_pad) | {
        "kernel_shape": [axis.kernel for axis in found],
        "ceil_mode": ceil,
        "count_include_pad": draw(st.integers(0, 1)),
    }
    rng, dtype = draw(seeds), draw(DTYPES)
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *(axis.size for axis in found))
    return (
        drawn(rng, shape, dtype, has_zero_point=draw(flags)),
        drawn(rng, (), dtype, has_zero_point=draw(flags))[1:],
        said,
    )


def average(said):
    def loop(tally, x):
        found = windows.axes_of(x, said["kernel_shape"], said)
        return windows.average_pool(tally, x, found, include_pad=said["count_include_pad"])

    return loop


@checks("QLinearAveragePool", domain=MICROSOFT)
@checks("QLinearAveragePool", domain=NHWC)
@many
@given(pools(), st.sampled_from((MICROSOFT, "channels last", NHWC)))
def test_qlinear_average_pool(case, variant):
    (x, *of_x), of_y, said = case
    tally, y = quantized((x, *of_x), of_y, average(said))
    if variant != MICROSOFT:
        x, y = oracle.last(x), oracle.last(y)
    if variant == "channels last":
        said, variant = said | {"channels_last": 1}, MICROSOFT
    check(called("QLinearAveragePool", [x, *of_x, *of_y], variant, **said), tally, y, x.dtype)


@st.composite
def plain_pools(draw):
    """A pool for which onnxruntime has a kernel: two spatial axes, no dilations, zero points."""
    ceil, rng, dtype = draw(st.integers(0, 1)), draw(seeds), draw(DTYPES)
    found = [replace(draw(windows.axes(ceil=ceil == 1)), dilation=1) for _ in range(2)]
    said = windows.attributes(found, "NOTSET") | {"kernel_shape": [axis.kernel for axis in found], "ceil_mode": ceil}
    x = drawn(rng, (1, 2, *(axis.size for axis in found)), dtype)
    return x, drawn(rng, (), dtype)[1:], said | {"count_include_pad": draw(st.integers(0, 1))}


@few
@given(plain_pools(), flags)
def test_the_loop_computes_a_pool(case, channels_last):
    (x, *of_x), of_y, said = case
    _, y = quantized((x, *of_x), of_y, average(said))
    said = {name: value for name, value in said.items() if name not in {"dilations", "auto_pad"}}
    inputs = [oracle.last(x) if channels_last else x, *of_x, *of_y]
    (found,) = kernels.computed("QLinearAveragePool", inputs, channels_last=int(channels_last), **said)
    np.testing.assert_allclose(values(y), (oracle.first(found) if channels_last else found).astype(float), atol=1)


@checks("QLinearGlobalAveragePool", domain=MICROSOFT)
@many
@given(st.lists(st.integers(1, 3), min_size=3, max_size=4), seeds, DTYPES, flags)
def test_qlinear_global_average_pool(shape, rng, dtype, channels_last):
    x, (_, *of_y) = drawn(rng, shape, dtype), drawn(rng, (), dtype)
    tally, y = quantized(x, of_y, lambda tally, x: windows.average_pool(tally, x, windows.whole(x), include_pad=0))
    if channels_last:
        x, y = (oracle.last(x[0]), *x[1:]), oracle.last(y)
    said = {"channels_last": int(channels_last)}
    check(called("QLinearGlobalAveragePool", [*x, *of_y], **said), tally, y, dtype)
    if rng.integers(8) == 0:
        (found,) = kernels.computed("QLinearGlobalAveragePool", [*x, *of_y], **said)
        np.testing.assert_allclose(values(y), found.astype(float), atol=1)


@st.composite
def reductions(draw):
    """A shape, the axes to reduce, whether they stay, and the shape that is left."""
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple))
    axes = draw(st.lists(st.integers(-len(shape), len(shape) - 1), max_size=3, unique_by=lambda a: a % len(shape)))
    keepdims = draw(st.integers(0, 1))
    left = np.zeros(shape).sum(tuple(axes) if axes else None, keepdims=keepdims == 1).shape
    said = {"keepdims": keepdims} | ({"axes": axes} if axes else {})
    return shape, axes or range(len(shape)), said, left


@checks("QLinearReduceMean", domain=MICROSOFT)
@many
@given(reductions(), seeds, DTYPES, flags, flags)
def test_qlinear_reduce_mean(case, rng, dtype, has_x, has_y):
    shape, axes, said, left = case
    x, (_, *of_y) = drawn(rng, shape, dtype, has_zero_point=has_x), drawn(rng, (), dtype, has_zero_point=has_y)

    def mean(tally, x):
        found = [rows.mean([x[place] for place in row], tally) for row in rows.rows(shape, axes)]
        return np.array(found, object).reshape(left)

    tally, y = quantized(x, of_y, mean)
    check(called("QLinearReduceMean", [*x, *of_y], **said), tally, y, dtype)
    plain = (x[0].astype(float) - (0 if x[2] is None else x[2])) * x[1]
    plain = np.rint(plain.mean(tuple(axes)).reshape(left) / of_y[0]) + (0 if of_y[1] is None else of_y[1])
    np.testing.assert_allclose(values(y), np.clip(plain, np.iinfo(dtype).min, np.iinfo(dtype).max), atol=1)


@checks("ReduceSumInteger", domain=MICROSOFT)
@many
@given(reductions(), seeds, DTYPES)
def test_reduce_sum_integer(case, rng, dtype):
    shape, axes, said, left = case
    x, _, _ = drawn(rng, shape, dtype)
    tally = Tally()
    numbers = tally.tensor(x)
    found = [rows.total([numbers[place] for place in row], tally) for row in rows.rows(shape, axes)]
    y = np.array(found, object).reshape(left)
    call = called("ReduceSumInteger", [x], **said)
    check(call, tally, y, np.uint32 if dtype is np.uint8 else np.int32)
    np.testing.assert_array_equal(values(y), x.astype(int).sum(tuple(axes)).reshape(left))
    assert {term.dtype for term in terms(call)} == {call.outputs[0].dtype}


shapes = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)


@checks("QLinearSoftmax", domain=MICROSOFT)
@many
@given(shapes, st.data(), seeds, DTYPES, flags, st.sampled_from((11, 13)))
def test_qlinear_softmax(shape, data, rng, dtype, has_x, opset):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = drawn(rng, shape, dtype, has_zero_point=has_x)
    of_y = np.array(2.0**-8, np.float32), np.array(np.iinfo(dtype).min, dtype)
    axes = [axis] if opset == 13 else range(axis % len(shape), len(shape))
    tally, y = quantized(x, of_y, lambda tally, x: rows.softmax(x, list(axes), tally))
    call = called("QLinearSoftmax", [*x, *of_y], axis=axis)
    check(replace(call, attributes=call.attributes | {"opset": opset}), tally, y, dtype)


@few
@given(shapes, st.data(), seeds, DTYPES, st.sampled_from((11, 13)))
def test_the_loop_computes_softmax(shape, data, rng, dtype, opset):
    axis = data.draw(st.integers(0, len(shape) - 1))
    x, of_y = drawn(rng, shape, dtype), (np.array(2.0**-7, np.float32), np.array(np.iinfo(dtype).min, dtype))
    axes = [axis] if opset == 13 else range(axis, len(shape))
    _, y = quantized(x, of_y, lambda tally, x: rows.softmax(x, list(axes), tally))
    (found,) = kernels.computed("QLinearSoftmax", [*x, *of_y], axis=axis, opset=opset)
    np.testing.assert_allclose(values(y), found.astype(float), atol=1)


@checks("QOrderedLayerNormalization", domain=MICROSOFT)
@many
@given(shapes, st.data(), seeds, flags)
def test_qordered_layer_normalization(shape, data, rng, has_bias):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    (x, scale_x, _), scale_y = drawn(rng, shape, np.int8), np.array(0.25, np.float32)
    gamma, beta = (rng.uniform(0.5, 2, shape[axis:]).astype(np.float32) for _ in range(2))
    beta = beta if has_bias else None

    def normalized(tally, x):
        return rows.layer_normalization((x, gamma, beta), tally, 1e-5, axis)

    tally, y = quantized((x, scale_x, None), (scale_y, None), normalized)
    call = called("QOrderedLayerNormalization", [x, scale_x, gamma, beta, scale_y], axis=axis)
    check(call, tally, y, np.int8)
    assert {term.dtype for term in terms(call)} == {DType.FLOAT32}


def test_what_is_computed_on_dequantized_elements_is_computed_in_floats():
    inputs = [ts(1, 2, 4, dtype=DType.INT8), ts(), ts(dtype=DType.INT8), ts(), ts(dtype=DType.INT8)]
    call = make_call("QLinearAveragePool", *inputs, domain=MICROSOFT, kernel_shape=[2])
    assert {term.dtype for term in terms(call)} == {DType.FLOAT32}
    assert counts(call)[Arith.ADD] == 8 + 6 + 6  # zero points of 8 elements, 6 windows of 2, zero points of 6


def test_unknown_sizes_stay_unknown():
    x = TensorType(DType.INT8, (None, 5, None, 2))
    inputs = [x, ts(), ts(dtype=DType.INT8), ts(), ts(dtype=DType.INT8)]
    call = make_call("QLinearAveragePool", *inputs, domain=NHWC, kernel_shape=[2, 2])
    assert call.outputs == (TensorType(DType.INT8, (None, 4, None, 2)),)
    call = make_call("QLinearReduceMean", *inputs, domain=MICROSOFT, axes=[1], keepdims=0)
    assert call.outputs == (TensorType(DType.INT8, (None, None, 2)),)


def test_an_axis_beyond_the_rank_is_an_error():
    with pytest.raises(NodeError, match="wants an axis from -1 to 0, it is 1"):
        called("ReduceSumInteger", [np.zeros(3, np.int8)], axes=[1])
