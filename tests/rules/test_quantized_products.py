"""Products of quantized numbers against loops that count, and against onnx and onnxruntime."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import kernels, products, windows
from oracles import quantized as oracle
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.quantized import Quantizer
from oracles.reference import computed, opsets

from graphcost.errors import NodeError
from graphcost.rules.registry import types_of
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MICROSOFT, NHWC = "com.microsoft", "com.ms.internal.nhwc"
many = settings(max_examples=200, deadline=None)
few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 999).map(np.random.default_rng)
sizes = st.integers(1, 3)
flags = st.booleans()
DTYPES = st.sampled_from([np.uint8, np.int8])


def one(value, dtype=np.float32):
    return np.array(value, dtype)


def integers(rng, shape, dtype):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def scale(rng, shape=()):
    return rng.choice([0.25, 0.5, 1.0], shape).astype(np.float32)


def typed(given):
    return given if given is None else TensorType(DType(given.dtype.name), given.shape)


def called(op_type, inputs, *, known=(), domain=MICROSOFT, **attributes):
    """Return the call for arrays; the elements of some inputs, by place, are known before any run."""
    types = [given if place in known else typed(given) for place, given in enumerate(inputs)]
    return make_call(op_type, *types, domain=domain, **attributes)


def in_run(tally, array, run):
    """Return a scale or an operand: counting where it only comes in the run."""
    return tally.tensor(array) if run else np.asarray(array, float)


def places(*groups):
    """Return the places of those groups of inputs that are known before any run: pairs of a flag and places."""
    return [place for is_known, group in groups if is_known for place in group]


@st.composite
def matrices(draw):
    """The shapes of A and B as numpy.matmul takes them, and the axes that they share."""
    batch, (m, k, n) = draw(st.lists(sizes, max_size=2)), (draw(sizes), draw(sizes), draw(sizes))
    a = draw(st.sampled_from(((*batch, m, k), (k,))))
    b = draw(st.sampled_from(((*batch, k, n), (k, n), (k,))))
    return tuple(a), tuple(b)


@checks("MatMulInteger")
@many
@given(matrices(), seeds, DTYPES, DTYPES, flags, flags, flags, st.sampled_from(opsets("MatMulInteger")))
def test_matmul_integer(shapes, rng, of_a, of_b, has_a, has_b, held, opset):
    a, b = integers(rng, shapes[0], of_a), integers(rng, shapes[1], of_b)
    zeros = [integers(rng, (), of_a) if has_a else None, integers(rng, (), of_b) if has_b else None]
    tally = Tally()
    quantizers = Quantizer(None, zeros[0], of_a), Quantizer(None, zeros[1], of_b)
    looped = oracle.integer_matmul(tally, tally.tensor(a), in_run(tally, b, not held), *quantizers)
    inputs = [a, b, *zeros]
    known = places((held, (1, 3)))
    assert counts(called("MatMulInteger", inputs, known=known, domain="", opset=opset)) == tally.as_dict()
    np.testing.assert_array_equal(np.asarray(looped, float), computed("MatMulInteger", inputs, opset)[0])


@given(seeds)
@few
def test_zero_points_of_rows_and_columns_are_subtracted_as_often(rng):
    a, b = integers(rng, (2, 3), np.uint8), integers(rng, (3, 4), np.uint8)
    zeros, tally = [integers(rng, (2,), np.uint8), integers(rng, (4,), np.uint8)], Tally()
    of_a, of_b = Quantizer(None, zeros[0][:, None], np.uint8), Quantizer(None, zeros[1], np.uint8)
    oracle.integer_matmul(tally, tally.tensor(a), tally.tensor(b), of_a, of_b)
    assert counts(called("MatMulInteger", [a, b, *zeros], domain="")) == tally.as_dict()


@st.composite
def convolutions(draw):
    """The shapes of x and w, their windows, and the attributes that say so."""
    found, auto_pad = draw(windows.padded_axes())
    found = found[:2]
    group, channels, maps = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    x = (draw(st.integers(1, 2)), channels * group, *(axis.size for axis in found))
    w = (maps * group, channels, *(axis.kernel for axis in found))
    return x, w, windows.attributes(found, auto_pad) | {"group": group}


def runs(case):
    """Return whether onnxruntime has a kernel for a convolution: padding that is worked out takes no dilation."""
    x, said = case[0], case[-1]
    is_dilated = said["auto_pad"].startswith("SAME") and max(said["dilations"]) > 1
    return not is_dilated and len(x if isinstance(x, tuple) else x.shape) == 4


@checks("ConvInteger")
@many
@given(convolutions(), seeds, flags, flags, flags, st.sampled_from(opsets("ConvInteger")))
def test_conv_integer(case, rng, has_x, has_w, held, opset):
    x_shape, w_shape, said = case
    x, w = integers(rng, x_shape, np.uint8), integers(rng, w_shape, np.uint8)
    zeros = [one(rng.integers(256), np.uint8) if has else None for has in (has_x, has_w)]
    tally = Tally()
    of_x, of_w = (Quantizer(None, zero, np.uint8) for zero in zeros)
    found = windows.axes_of(x, w_shape[2:], said)
    numbers = of_x.shift(tally.tensor(x)), of_w.shift(in_run(tally, w, not held))
    y = windows.conv(tally, *numbers, windows=found, group=said["group"])
    call = called("ConvInteger", [x, w, *zeros], known=places((held, (1, 3))), domain="", opset=opset, **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs[0].shape == y.shape


@few
@given(convolutions().filter(runs), seeds)
def test_the_loop_computes_a_convolution_of_integers(case, rng):
    x_shape, w_shape, said = case
    x, w = integers(rng, x_shape, np.uint8), integers(rng, w_shape, np.uint8)
    zeros, tally = [one(3, np.uint8), one(5, np.uint8)], Tally()
    of_x, of_w = (Quantizer(None, zero, np.uint8) for zero in zeros)
    found = windows.axes_of(x, w_shape[2:], said)
    numbers = of_x.shift(tally.tensor(x)), of_w.shift(tally.tensor(w))
    y = windows.conv(tally, *numbers, windows=found, group=said["group"])
    np.testing.assert_array_equal(values(y), kernels.computed("ConvInteger", [x, w, *zeros], domain="", **said)[0])


@st.composite
def scaled_matrices(draw):
    """A, B, their scales and zero points; those of B may be one per column."""
    rng, run = draw(seeds), draw(flags)
    a_shape, b_shape = draw(matrices().filter(lambda shapes: min(map(len, shapes)) > 1))
    per_column = draw(flags)
    size = b_shape[-1:] if per_column else ()
    dtype = draw(DTYPES)
    a, b = integers(rng, a_shape, dtype), integers(rng, b_shape, dtype)
    return rng, run, a, b, (scale(rng), integers(rng, (), dtype)), (scale(rng, size), integers(rng, size, dtype))


@checks("QLinearMatMul")
@many
@given(scaled_matrices(), flags, st.sampled_from(opsets("QLinearMatMul")))
def test_qlinear_matmul(case, held, opset):
    rng, run, a, b, of_a, of_b = case
    of_y, tally = (scale(rng), integers(rng, (), a.dtype)), Tally()
    quantizers = [Quantizer(in_run(tally, part[0], run), part[1], a.dtype) for part in (of_a, of_b, of_y)]
    y = oracle.qlinear_matmul(tally, tally.tensor(a), in_run(tally, b, not held), *quantizers)
    inputs = [a, *of_a, b, *of_b, *of_y]
    known = places((not run, (1, 4, 6)), (held, (3, 5)))
    call = called("QLinearMatMul", inputs, known=known, domain="", opset=opset)
    assert counts(call) == tally.as_dict()
    expected = computed("QLinearMatMul", inputs, opset)[0]
    np.testing.assert_allclose(values(y), expected, atol=1)


def test_the_scale_of_rows_by_that_of_columns_is_one_per_output():
    scales = [ts(2), ts(2, dtype=DType.INT8), ts(4), ts(4, dtype=DType.INT8)]
    call = make_call("QLinearMatMul", ts(2, 3, dtype=DType.INT8), *scales[:2], ts(3, 4, dtype=DType.INT8), *scales[2:],
                     ts(), ts(dtype=DType.INT8))  # fmt: skip
    found = {term.what: term.count for term in terms(call)}
    assert found["a_scale * b_scale"] == found["a_scale * b_scale / y_scale"] == 2 * 4


@st.composite
def quantized_convolutions(draw):
    """A convolution, its scales and zero points; those of w may be one for each of its maps."""
    (x_shape, w_shape, said), rng = draw(convolutions()), draw(seeds)
    size = w_shape[:1] if draw(flags) else ()
    x, w = integers(rng, x_shape, np.uint8), integers(rng, w_shape, np.int8)
    of_x, of_y = ((scale(rng), integers(rng, (), np.uint8)) for _ in range(2))
    bias = rng.integers(-99, 99, w_shape[:1]).astype(np.int32) if draw(flags) else None
    return x, w, bias, of_x, (scale(rng, size), np.zeros(size, np.int8)), of_y, said


def qlinear_conv(tally, case, *, run, held=False):
    x, w, bias, of_x, of_w, of_y, said = case
    parts = [
        Quantizer(in_run(tally, part[0], run), part[1], dtype)
        for part, dtype in ((of_x, np.uint8), (of_w, np.int8), (of_y, np.uint8))
    ]
    numbers = tally.tensor(x), in_run(tally, w, not held), None if bias is None else tally.tensor(bias)
    return oracle.qlinear_conv(tally, *numbers, *parts, said)


@checks("QLinearConv")
@checks("QLinearConv", domain=MICROSOFT)
@checks("QLinearConv", domain=NHWC)
@many
@given(quantized_convolutions(), flags, flags, st.sampled_from(("", MICROSOFT, "channels last", NHWC)))
def test_qlinear_conv(case, run, held, variant):
    x, w, bias, of_x, of_w, of_y, said = case
    tally = Tally()
    y = qlinear_conv(tally, case, run=run, held=held)
    is_last = variant in {"channels last", NHWC}
    if variant == "channels last":
        said, variant = said | {"channels_last": 1}, MICROSOFT
    inputs = [oracle.last(x) if is_last else x, *of_x, w, *of_w, *of_y, bias]
    known = places((not run, (1, 4, 6)), (held, (3, 5)))
    call = called("QLinearConv", inputs, known=known, domain=variant, **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*(oracle.last(y) if is_last else y).shape, dtype=DType.UINT8),)


@few
@given(quantized_convolutions().filter(runs), flags)
def test_the_loop_computes_a_quantized_convolution(case, channels_last):
    x, w, bias, of_x, of_w, of_y, said = case
    y = qlinear_conv(Tally(), case, run=False)
    inputs = [oracle.last(x) if channels_last else x, *of_x, w, *of_w, *of_y, bias]
    found = kernels.computed("QLinearConv", inputs, channels_last=int(channels_last), **said)[0]
    np.testing.assert_allclose(values(y), oracle.first(found) if channels_last else found, atol=1)


@st.composite
def transposed_convolutions(draw):
    """x, w and what says how, with padding that is cut off and, at the end, added."""
    found = [draw(windows.axes()) for _ in range(draw(st.integers(1, 2)))]
    rng, group, channels, maps = draw(seeds), draw(st.integers(1, 2)), draw(sizes), draw(st.integers(1, 2))
    x = integers(rng, (draw(st.integers(1, 2)), channels * group, *(axis.size for axis in found)), np.uint8)
    w = integers(rng, (channels * group, maps, *(axis.kernel for axis in found)), np.uint8)
    said = windows.attributes(found, "NOTSET") | {"group": group}
    said["output_padding"] = [draw(st.integers(0, axis.stride - 1)) for axis in found]
    bias = rng.integers(-99, 99, maps * group).astype(np.int32) if draw(flags) else None
    left = windows.transposed_axes_of(x, w.shape[2:], said)
    sizes_left = [a.stride * (a.size - 1) + a.extent - a.begin - a.end + more for a, more in zip(*left, strict=True)]
    return (x, w, bias, rng, said) if min(sizes_left) > 0 else None


@checks("QLinearConvTranspose", domain=NHWC)
@many
@given(transposed_convolutions().filter(bool), flags, flags)
def test_qlinear_conv_transpose(case, run, held):
    x, w, bias, rng, said = case
    pairs, tally = [(scale(rng), integers(rng, (), np.uint8)) for _ in range(3)], Tally()
    quantizers = [Quantizer(in_run(tally, part[0], run), part[1], np.uint8) for part in pairs]
    numbers = tally.tensor(x), in_run(tally, w, not held), None if bias is None else tally.tensor(bias)
    y = oracle.qlinear_conv_transpose(tally, *numbers, *quantizers, said)
    inputs = [oracle.last(x), *pairs[0], w, *pairs[1], *pairs[2], bias]
    known = places((not run, (1, 4, 6)), (held, (3, 5)))
    call = called("QLinearConvTranspose", inputs, known=known, domain=NHWC, **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*oracle.last(y).shape, dtype=DType.UINT8),)


@checks("MatMulInteger16", domain=MICROSOFT)
@many
@given(matrices(), seeds, st.sampled_from([np.int16, np.uint16]))
def test_matmul_integer16(shapes, rng, dtype):
    a, b = (rng.integers(0, 99, shape).astype(dtype) for shape in shapes)
    tally = Tally()
    y = products.matmul(tally, tally.tensor(a), tally.tensor(b))
    call = called("MatMulInteger16", [a, b])
    assert counts(call) == tally.as_dict()
    wide = DType.INT32 if dtype is np.int16 else DType.UINT32
    assert call.outputs == (ts(*np.shape(y), dtype=wide),)
    np.testing.assert_array_equal(np.asarray(y, float), np.matmul(a.astype(float), b.astype(float)))


@checks("MatMulIntegerToFloat", domain=MICROSOFT)
@many
@given(scaled_matrices(), flags, flags, flags, flags)
def test_matmul_integer_to_float(case, has_a, has_b, has_bias, held):
    rng, run, a, b, of_a, of_b = case
    zeros = [of_a[1] if has_a else None, of_b[1] if has_b else None]
    bias, tally = (rng.uniform(-9, 9, b.shape[-1]).astype(np.float32) if has_bias else None), Tally()
    parts = [Quantizer(in_run(tally, of[0], run), zero, a.dtype) for of, zero in zip((of_a, of_b), zeros, strict=True)]
    product = oracle.integer_matmul(tally, tally.tensor(a), in_run(tally, b, not held), *parts)
    y = oracle.scaled_product(product, oracle.scaled(parts[0].scale, parts[1].scale), bias)
    known = places((not run, (2, 3)), (held, (1, 5)))
    call = called("MatMulIntegerToFloat", [a, b, of_a[0], of_b[0], *zeros, bias], known=known)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*y.shape),)


@few
@given(scaled_matrices(), flags)
def test_the_loop_computes_a_product_of_integers_to_float(case, has_bias):
    rng, _, a, b, of_a, of_b = case
    b, zero = b.reshape(-1, *b.shape[-2:])[0], np.zeros_like(of_b[1])
    bias, tally = (rng.uniform(-9, 9, b.shape[-1]).astype(np.float32) if has_bias else None), Tally()
    parts = [Quantizer(of_a[0], of_a[1], a.dtype), Quantizer(of_b[0], zero, a.dtype)]
    product = oracle.integer_matmul(tally, tally.tensor(a), tally.tensor(b), *parts)
    y = oracle.scaled_product(product, oracle.scaled(of_a[0], of_b[0]), bias)
    (found,) = kernels.computed("MatMulIntegerToFloat", [a, b, of_a[0], of_b[0], of_a[1], zero, bias])
    np.testing.assert_allclose(values(y), found, rtol=1e-5, atol=1e-4)


@checks("DynamicQuantizeMatMul", domain=MICROSOFT)
@many
@given(scaled_matrices(), flags, flags, flags)
def test_dynamic_quantize_matmul(case, has_zero_point, has_bias, held):
    rng, _, a, b, _, (b_scale, zero) = case
    a, tally = rng.uniform(-3, 3, a.shape).astype(np.float32), Tally()
    zero = zero if has_zero_point else None
    bias = rng.uniform(-9, 9, b.shape[-1]).astype(np.float32) if has_bias else None
    of_b = Quantizer(b_scale, zero, b.dtype)
    y = oracle.dynamic_quantize_matmul(tally, tally.tensor(a), in_run(tally, b, not held), of_b, bias)
    call = called("DynamicQuantizeMatMul", [a, b, b_scale, zero, bias], known=places((True, (2, 3)), (held, (1,))))
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*y.shape),)


@few
@given(scaled_matrices(), flags)
def test_the_loop_computes_a_dynamically_quantized_product(case, has_bias):
    rng, _, a, b, _, (b_scale, zero) = case
    a, b, zero = rng.uniform(-3, 3, a.shape).astype(np.float32), b.reshape(-1, *b.shape[-2:])[0], np.zeros_like(zero)
    bias, tally = (rng.uniform(-9, 9, b.shape[-1]).astype(np.float32) if has_bias else None), Tally()
    y = oracle.dynamic_quantize_matmul(tally, tally.tensor(a), tally.tensor(b), Quantizer(b_scale, zero, b.dtype), bias)
    (found,) = kernels.computed("DynamicQuantizeMatMul", [a, b, b_scale, zero, bias])
    np.testing.assert_allclose(values(y), found, rtol=1e-2, atol=0.05 * np.abs(found).max() + 1e-3)


@st.composite
def gemms(draw):
    """What QGemm takes: the matrices as they are stored, their quantizers' parts, C, and the attributes."""
    rng, dtype, run = draw(seeds), draw(DTYPES), draw(flags)
    (m, k, n), (trans_a, trans_b) = [draw(sizes) for _ in range(3)], [draw(flags) for _ in range(2)]
    a, b = integers(rng, (m, k), dtype), integers(rng, (k, n), dtype)
    size = draw(st.sampled_from(((), (n,))))
    c = rng.integers(-99, 99, draw(st.sampled_from(((n,), (1, n), (m, 1), (m, n))))).astype(np.int32)
    said = {"transA": int(trans_a), "transB": int(trans_b), "alpha": draw(st.sampled_from((1.0, 0.5)))}
    of_a, of_b = (scale(rng), integers(rng, (), dtype)), (scale(rng, size), np.full(size, 3, dtype))
    of_y = (scale(rng), integers(rng, (), dtype)) if draw(flags) else None
    return a, b, c if draw(flags) else None, of_a, of_b, of_y, said, run


def qgemm(tally, case, *, run, held=False):
    a, b, c, of_a, of_b, of_y, said, _ = case
    parts = [one and Quantizer(in_run(tally, one[0], run), one[1], a.dtype) for one in (of_a, of_b, of_y)]
    numbers = tally.tensor(a), in_run(tally, b, not held), None if c is None else tally.tensor(c)
    return oracle.qgemm(tally, *numbers, *parts, said["alpha"])


def stored(case):
    a, b, c, of_a, of_b, of_y, said, _ = case
    a, b = (a.T if said["transA"] else a), (b.T if said["transB"] else b)
    return [a, *of_a, b, *of_b, c, *(of_y or (None, None))]


@checks("QGemm", domain=MICROSOFT)
@many
@given(gemms(), flags)
def test_qgemm(case, held):
    *_, of_y, said, run = case
    tally = Tally()
    y = qgemm(tally, case, run=run, held=held)
    call = called("QGemm", stored(case), known=places((not run, (1, 4, 7)), (held, (3, 5))), **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*y.shape, dtype=DType(case[0].dtype.name) if of_y else DType.FLOAT32),)


@few
@given(gemms())
def test_the_loop_computes_qgemm(case):
    y, said = qgemm(Tally(), case, run=False), case[6]
    found = kernels.computed("QGemm", stored(case), **said)[0]
    np.testing.assert_allclose(values(y), found.astype(float), rtol=1e-5, atol=1 if case[5] else 1e-4)


@checks("QOrderedMatMul", domain=MICROSOFT)
@many
@given(seeds, st.tuples(sizes, sizes, sizes, sizes), flags, flags, flags, flags)
def test_qordered_matmul(rng, dims, per_column, has_bias, has_c, run):
    batch, m, k, n = dims
    a, b, c = (integers(rng, shape, np.int8) for shape in ((batch, m, k), (k, n), (1, m, n)))
    of_b = scale(rng, (n,) if per_column else ())
    of_a, of_y, of_c = (scale(rng) for _ in range(3))
    bias, tally = rng.uniform(-9, 9, n).astype(np.float32), Tally()
    scales = [in_run(tally, one, run) for one in (of_a, of_b, of_y, of_c)]
    numbers = tally.tensor(bias) if has_bias else None, tally.tensor(c) if has_c else None
    y = oracle.qordered_matmul(tally, tally.tensor(a), tally.tensor(b), scales, *numbers)
    inputs = [a, of_a, b, of_b, of_y, bias if has_bias else None, *((c, of_c) if has_c else ())]
    call = called("QOrderedMatMul", inputs, known=() if run else (1, 3, 4, 7), order_A=1, order_B=0, order_Y=1)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*y.shape, dtype=DType.INT8),)
    exact = of_a * of_b / of_y * np.matmul(a.astype(float), b.astype(float))
    exact = exact + (bias / of_y if has_bias else 0) + (of_c / of_y * c if has_c else 0)
    np.testing.assert_allclose(values(y), np.clip(np.rint(exact), -128, 127), atol=1)


def test_products_are_of_integers_sums_of_32_bits_and_scales_of_floats():
    inputs = [ts(1, 2, 5, dtype=DType.UINT8), ts(), ts(dtype=DType.UINT8), ts(3, 2, 2, dtype=DType.INT8), ts(3),
              ts(3, dtype=DType.INT8), ts(), ts(dtype=DType.UINT8), ts(3, dtype=DType.INT32)]  # fmt: skip
    found = {term.what: (term.arith, term.dtype) for term in terms(make_call("QLinearConv", *inputs))}
    assert found["x*w"] == (Arith.MAC, None)  # the first input's own
    assert found["w - w_zero_point"] == (Arith.ADD, DType.INT8)
    assert found["+ B"] == (Arith.ADD, DType.INT32)
    assert found["x*w * scale"] == (Arith.MUL, DType.FLOAT32)


def test_a_dynamically_quantized_product_is_one_of_bytes():
    call = make_call("DynamicQuantizeMatMul", ts(2, 3), ts(3, 4, dtype=DType.INT8), ts(), domain=MICROSOFT)
    assert [term.dtype for term in terms(call) if term.arith is Arith.MAC] == [DType.UINT8]


def test_each_factor_of_a_product_is_named_as_its_operator_names_it():
    call = make_call("MatMulInteger", ts(2, 3, dtype=DType.INT8), ts(3, 4, dtype=DType.INT8))
    assert [term.wrt for term in terms(call) if term.arith is Arith.MAC] == [("A", "B")]


def test_unknown_sizes_stay_unknown():
    a = TensorType(DType.UINT8, (None, 3))
    call = make_call("MatMulIntegerToFloat", a, ts(3, 4, dtype=DType.UINT8), ts(), ts(), domain=MICROSOFT)
    assert call.outputs == (TensorType(DType.FLOAT32, (None, 4)),)
    x = TensorType(DType.UINT8, (None, 7, None, 2))
    parts = (ts(), ts(dtype=DType.UINT8), ts(6, 2, 3, 3, dtype=DType.UINT8), ts(), ts(dtype=DType.UINT8), ts())
    call = make_call("QLinearConv", x, *parts, ts(dtype=DType.UINT8), domain=NHWC)
    assert call.outputs == (TensorType(DType.UINT8, (None, 5, None, 6)),)


def test_the_specified_operators_leave_their_types_to_onnx():
    assert all(types_of(name, "") is None for name in ("QLinearConv", "QLinearMatMul", "MatMulInteger", "ConvInteger"))


TRANSPOSED = make_call(
    "QLinearConvTranspose", ts(1, 5, 2, dtype=DType.UINT8), ts(), ts(dtype=DType.UINT8), ts(2, 3, 2, dtype=DType.UINT8),
    ts(), ts(dtype=DType.UINT8), ts(), ts(dtype=DType.UINT8), domain=NHWC,
)  # fmt: skip
FLOAT = make_call("MatMulIntegerToFloat", *[ts(3, 3, dtype=DType.INT8)] * 2, ts(), ts(), domain=MICROSOFT)
WRONG = [
    (replace(TRANSPOSED, inputs=(ts(1, 5, 4), *TRANSPOSED.inputs[1:])), "wants x with the 2 channels of w, it has 4"),
    (replace(FLOAT, inputs=(*FLOAT.inputs, None, None, ts(4))), r"wants bias of shape \(3,\), it is \(4,\)"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_what_breaks_the_specification_is_an_error(call, message):
    call = replace(call, stages=(call.stages + call.stages)[: len(call.inputs)])
    with pytest.raises(NodeError, match=message):
        terms(call)
