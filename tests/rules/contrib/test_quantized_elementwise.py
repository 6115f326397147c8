"""Quantized operators on every element, against loops that count and against onnxruntime's kernels."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import fused, kernels
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.fused import each
from oracles.quantized import Quantizer, scaled

from graphcost.errors import NodeError
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MICROSOFT = "com.microsoft"
many = settings(max_examples=200, deadline=None)
few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 999).map(np.random.default_rng)
shapes = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)
flags = st.booleans()
DTYPES = st.sampled_from([np.uint8, np.int8])


def one(value, dtype=np.float32):
    return np.array(value, dtype)


def drawn(rng, shape, dtype, *, has_zero_point=True):
    """Return a quantized tensor and how: (elements, scale, zero point), the scale a power of two."""
    info = np.iinfo(dtype)
    elements = rng.integers(info.min, info.max + 1, shape).astype(dtype)
    zero_point = rng.integers(info.min // 2, info.max // 2, ()).astype(dtype) if has_zero_point else None
    return elements, one(rng.choice([0.25, 0.5, 1.0])), zero_point


def quantizer(tensor, tally=None):
    """Return how a tensor is quantized; with a tally, its scale is only known in the run."""
    elements, scale, zero_point = tensor
    return Quantizer(scale if tally is None else tally.tensor(scale), zero_point, elements.dtype)


def called(op_type, inputs, *, run=False, **attributes):
    """Return the call: the elements of tensors aren't known, those of scalars are, unless they come in the run."""
    types = [given if _stays(given, run=run) else typed(given) for given in inputs]
    return make_call(op_type, *types, domain=MICROSOFT, **attributes)


def _stays(given, *, run):
    return given is None or isinstance(given, TensorType) or (given.ndim == 0 and not run)


def typed(given):
    return TensorType(DType(given.dtype.name), given.shape)


def agrees(y, expected, tolerance=0):
    """Assert that the loop computed what the kernel did, within so many steps of the quantized result."""
    np.testing.assert_allclose(values(y), expected.astype(float), atol=tolerance)


@st.composite
def pairs(draw):
    """Two shapes that can be broadcast to each other, and the shape that they are broadcast to."""
    shape = draw(shapes)
    two = [tuple(1 if draw(flags) else size for size in shape[draw(st.integers(0, 1)) :]) for _ in range(2)]
    return *two, np.broadcast_shapes(*two)


def qlinear_add(a, b, of_a, of_b, of_c):
    return of_c.quantize(each(lambda x, y: x + y, of_a.dequantize(a), of_b.dequantize(b)))


def qlinear_mul(a, b, of_a, of_b, of_c):
    product = each(lambda x, y: x * y, of_a.shift(a), of_b.shift(b))
    return of_c.saturate(each(lambda x, s: x * s, product, scaled(of_a.scale, of_b.scale, of_c.scale)))


BINARY = {"QLinearAdd": qlinear_add, "QLinearMul": qlinear_mul}


@checks("QLinearAdd", "QLinearMul", domain=MICROSOFT)
@many
@given(st.sampled_from(sorted(BINARY)), pairs(), seeds, DTYPES, st.tuples(flags, flags, flags), flags)
def test_sums_and_products(op_type, three, rng, dtype, zero_points, run):
    tensors = [drawn(rng, size, dtype, has_zero_point=has) for size, has in zip(three, zero_points, strict=True)]
    tally = Tally()
    a, b = (tally.tensor(elements) for elements, _, _ in tensors[:2])
    y = BINARY[op_type](a, b, *(quantizer(tensor, tally if run else None) for tensor in tensors))
    inputs = [typed(tensors[0][0]), *tensors[0][1:], typed(tensors[1][0]), *tensors[1][1:], *tensors[2][1:]]
    call = called(op_type, inputs, run=run)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*y.shape, dtype=DType(np.dtype(dtype).name)),)


@few
@given(st.sampled_from(sorted(BINARY)), pairs(), seeds, DTYPES)
def test_the_loops_compute_sums_and_products(op_type, three, rng, dtype):
    tensors, tally = [drawn(rng, shape, dtype) for shape in three], Tally()
    a, b = (tally.tensor(elements) for elements, _, _ in tensors[:2])
    y = BINARY[op_type](a, b, *map(quantizer, tensors))
    inputs = [*tensors[0], *tensors[1], *tensors[2][1:]]
    agrees(y, kernels.computed(op_type, inputs)[0], tolerance=1)


@checks("MulInteger", domain=MICROSOFT)
@many
@given(pairs(), seeds, DTYPES, flags, flags)
def test_mul_integer(three, rng, dtype, of_a, of_b):
    tensors, tally = (
        [drawn(rng, three[0], dtype, has_zero_point=of_a), drawn(rng, three[1], dtype, has_zero_point=of_b)],
        Tally(),
    )
    a, b = (quantizer(tensor).shift(tally.tensor(tensor[0])) for tensor in tensors)
    y = each(lambda x, y: x * y, a, b)
    call = called("MulInteger", [typed(tensors[0][0]), tensors[0][2], typed(tensors[1][0]), tensors[1][2]])
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*three[2], dtype=DType.INT32),)
    plain = [tensor[0].astype(int) - int(0 if tensor[2] is None else tensor[2]) for tensor in tensors]
    np.testing.assert_array_equal(values(y), plain[0] * plain[1])


ALPHA = 0.125


UNARY = {"QLinearSigmoid": fused.sigmoid, "QLinearLeakyRelu": lambda x: fused.leaky_relu(x, ALPHA)}


@checks("QLinearSigmoid", "QLinearLeakyRelu", domain=MICROSOFT)
@many
@given(st.sampled_from(sorted(UNARY)), shapes, seeds, DTYPES, flags, flags)
def test_activations(op_type, shape, rng, dtype, of_x, of_y):
    x, y = drawn(rng, shape, dtype, has_zero_point=of_x), drawn(rng, shape, dtype, has_zero_point=of_y)
    tally = Tally()
    of_x, of_y = quantizer(x), quantizer(y)
    looped = of_y.quantize(each(UNARY[op_type], of_x.dequantize(tally.tensor(x[0]))))
    call = called(op_type, [*x, *y[1:]], **({"alpha": ALPHA} if op_type == "QLinearLeakyRelu" else {}))
    assert counts(call) == tally.as_dict()
    assert call.outputs == (typed(x[0]),)
    assert looped.shape == shape


@few
@given(st.sampled_from(sorted(UNARY)), shapes, seeds, DTYPES)
def test_the_loops_compute_activations(op_type, shape, rng, dtype):
    x, y, tally = drawn(rng, shape, dtype), drawn(rng, shape, dtype), Tally()
    looped = quantizer(y).quantize(each(UNARY[op_type], quantizer(x).dequantize(tally.tensor(x[0]))))
    said = {"alpha": ALPHA} if op_type == "QLinearLeakyRelu" else {}
    agrees(looped, kernels.computed(op_type, [*x, *y[1:]], **said)[0], tolerance=1)


@checks("QOrderedGelu", domain=MICROSOFT)
@many
@given(shapes, seeds)
def test_qordered_gelu(shape, rng):
    (x, scale_x, _), (_, scale_y, _) = drawn(rng, shape, np.int8), drawn(rng, shape, np.int8)
    tally = Tally()
    dequantized = Quantizer(scale_x, None, np.int8).dequantize(tally.tensor(x))
    Quantizer(scale_y, None, np.int8).quantize(each(fused.gelu, dequantized))
    call = called("QOrderedGelu", [x, scale_x, scale_y])
    assert counts(call) == tally.as_dict()
    assert call.outputs == (typed(x),)


@checks("QLinearWhere", domain=MICROSOFT)
@many
@given(pairs(), seeds, DTYPES)
def test_qlinear_where(three, rng, dtype):
    x, y, z = (drawn(rng, shape, dtype) for shape in three)
    condition, tally = np.array(rng.random(three[2]) > 0.5), Tally()
    chosen = each(
        lambda c, x, y: x.choose(x, y) if c else x.choose(y, y),
        condition,
        quantizer(x).dequantize(tally.tensor(x[0])),
        quantizer(y).dequantize(tally.tensor(y[0])),
    )
    looped = quantizer(z).quantize(chosen)
    call = called("QLinearWhere", [condition, *x, *y, *z[1:]])
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*looped.shape, dtype=DType(np.dtype(dtype).name)),)


@few
@given(shapes, seeds, DTYPES)
def test_the_loops_compute_a_choice(shape, rng, dtype):
    x, y, z = (drawn(rng, shape, dtype) for _ in range(3))
    condition = rng.random(shape) > 0.5
    chosen = np.where(condition, quantizer(x).dequantize(x[0] * 1.0), quantizer(y).dequantize(y[0] * 1.0))
    tally = Tally()
    looped = quantizer(z).quantize(each(tally.number, chosen))
    agrees(looped, kernels.computed("QLinearWhere", [condition, *x, *y, *z[1:]])[0], tolerance=1)


@checks("QLinearConcat", domain=MICROSOFT)
@many
@given(shapes, st.integers(1, 3), st.data(), seeds, DTYPES)
def test_qlinear_concat(shape, count, data, rng, dtype):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    lengths = data.draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))
    place = axis % len(shape)
    tensors = [drawn(rng, (*shape[:place], length, *shape[place + 1 :]), dtype) for length in lengths]
    of_y, tally = drawn(rng, (), dtype), Tally()
    parts = [quantizer(one).dequantize(tally.tensor(one[0])) for one in tensors]
    y = quantizer(of_y).quantize(np.concatenate(parts, axis))
    inputs = [*of_y[1:], *chain(*tensors)]
    call = called("QLinearConcat", inputs, axis=axis)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*y.shape, dtype=DType(np.dtype(dtype).name)),)
    if data.draw(st.integers(0, 9)) == 0:
        agrees(y, kernels.computed("QLinearConcat", inputs, axis=axis)[0], tolerance=1)


def test_concat_of_an_unknown_length():
    parts = (TensorType(DType.INT8, (None, 3)), ts(), ts(dtype=DType.INT8), ts(2, 3, dtype=DType.INT8), ts(), ts())
    call = make_call("QLinearConcat", ts(), ts(dtype=DType.INT8), *parts, domain=MICROSOFT, axis=0)
    assert call.outputs == (TensorType(DType.INT8, (None, 3)),)


def test_concat_wants_its_inputs_in_threes():
    with pytest.raises(NodeError, match="a tensor, a scale and a zero point for each input, it has 2"):
        make_call("QLinearConcat", ts(), ts(), ts(2), ts(), domain=MICROSOFT, axis=0)


def test_arithmetic_is_done_in_the_scale_s_type_and_products_in_the_integers():
    call = make_call("QLinearMul", *[ts(2, dtype=DType.INT8), ts(), None] * 2, ts(), None, domain=MICROSOFT)
    found = {term.what: term.dtype for term in terms(call)}
    assert found["A*B"] is None  # the first input's own
    assert {dtype for what, dtype in found.items() if what != "A*B"} == {DType.FLOAT32}


def test_unknown_sizes_stay_unknown():
    shapes = [TensorType(DType.UINT8, (None, 3)), ts(), None, TensorType(DType.UINT8, (2, 1)), ts(), None, ts(), None]
    assert make_call("QLinearAdd", *shapes, domain=MICROSOFT).outputs == (ts(2, 3, dtype=DType.UINT8),)


def test_a_scale_that_the_run_makes_costs_what_it_takes():
    known = make_call("QLinearMul", *[ts(2, dtype=DType.INT8), one(1.0), None] * 2, one(1.0), domain=MICROSOFT)
    made = make_call("QLinearMul", *[ts(2, dtype=DType.INT8), ts(), None] * 2, ts(), domain=MICROSOFT)
    extra = {arith: count - counts(known).get(arith, 0) for arith, count in counts(made).items()}
    assert extra == {Arith.MUL: 1, Arith.DIV: 1, Arith.ROUND: 0, Arith.CMP: 0}
