"""Quantizing and dequantizing against loops that count, and against onnx and onnxruntime."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import kernels
from oracles import quantized as oracle
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed, opsets

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.rules.quantized import is_beforehand
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MICROSOFT = "com.microsoft"
many = settings(max_examples=200, deadline=None)
few = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 999).map(np.random.default_rng)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
flags = st.booleans()
DTYPES = st.sampled_from([np.uint8, np.int8])
SCALES = (0.25, 0.5, 1.0, 2.0)
"""Powers of two: no rounding differs between floats of 32 and of 64 bits."""


def integers(rng, shape, dtype):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def granular(rng, shape, axis, block, dtype):
    """Return a scale and a zero point: for the tensor, for each place on an axis, or for each block of it."""
    if axis is None:
        size = ()
    elif block:
        size = tuple(-(-dim // block) if place == axis else dim for place, dim in enumerate(shape))
    else:
        size = (shape[axis],)
    return rng.choice(SCALES, size).astype(np.float32), integers(rng, size, dtype)


@st.composite
def tensors(draw):
    """A shape, and how finely it is quantized: the axis, None for all at once, and the size of blocks, 0 for none."""
    shape, opset = draw(shapes), draw(st.sampled_from(opsets("QuantizeLinear")))
    if opset < 13 or not draw(flags):
        return shape, None, 0, opset
    axis = draw(st.integers(0, len(shape) - 1))
    return shape, axis, draw(st.integers(1, 3)) if opset >= 21 and draw(flags) else 0, opset


def placed(axis, block, rank, negative):
    said = {} if axis is None else {"axis": axis - rank if negative else axis}
    return said | ({"block_size": block} if block else {})


@checks("QuantizeLinear")
@many
@given(tensors(), seeds, DTYPES, flags, flags)
def test_quantize_linear(drawn, rng, dtype, has_zero_point, negative):
    shape, axis, block, opset = drawn
    scale, zero_point = granular(rng, shape, axis, block, dtype)
    zero_point = zero_point if has_zero_point else None
    x = rng.uniform(-300, 300, shape).astype(np.float32)
    said = placed(axis, block, len(shape), negative)
    tally = Tally()
    spread = [oracle.spread(one, shape, axis or 0, block) for one in (scale, zero_point)]
    y = oracle.Quantizer(*spread, dtype if has_zero_point else np.uint8).quantize(tally.tensor(x))
    call = make_call("QuantizeLinear", x, scale, zero_point, opset=opset, **said)
    assert counts(call) == tally.as_dict()
    np.testing.assert_array_equal(values(y), computed("QuantizeLinear", [x, scale, zero_point], opset, **said)[0])


@checks("DequantizeLinear")
@many
@given(tensors(), seeds, DTYPES, flags, flags)
def test_dequantize_linear(drawn, rng, dtype, has_zero_point, negative):
    shape, axis, block, opset = drawn
    scale, zero_point = granular(rng, shape, axis, block, dtype)
    zero_point = zero_point if has_zero_point else None
    x, said, tally = integers(rng, shape, dtype), placed(axis, block, len(shape), negative), Tally()
    spread = [oracle.spread(one, shape, axis or 0, block) for one in (scale, zero_point)]
    y = oracle.Quantizer(*spread, dtype).dequantize(tally.tensor(x))
    assert counts(make_call("DequantizeLinear", x, scale, zero_point, opset=opset, **said)) == tally.as_dict()
    (expected,) = computed("DequantizeLinear", [x, scale, zero_point], max(opset, 19), **said)  # nothing older is there
    np.testing.assert_array_equal(values(y), expected)


@checks("QuantizeLinear", "DequantizeLinear", domain=MICROSOFT)
@many
@given(shapes, seeds, DTYPES, st.integers(0, 3), flags)
def test_quantizing_in_the_domain_of_microsoft(shape, rng, dtype, axis, per_axis):
    axis = axis % len(shape)
    scale, zero_point = granular(rng, shape, axis if per_axis else None, 0, dtype)
    x, q = rng.uniform(-300, 300, shape).astype(np.float32), integers(rng, shape, dtype)
    one = oracle.Quantizer(*(oracle.spread(part, shape, axis) for part in (scale, zero_point)), dtype)
    for op_type, tensor, loop in (("QuantizeLinear", x, one.quantize), ("DequantizeLinear", q, one.dequantize)):
        tally = Tally()
        y = values(loop(tally.tensor(tensor)))
        call = make_call(op_type, tensor, scale, zero_point, domain=MICROSOFT, **({"axis": axis} if per_axis else {}))
        assert counts(call) == tally.as_dict()
        assert call.outputs[0] == ts(*shape, dtype=DType(np.dtype(dtype).name if tensor is x else "float32"))
        if not per_axis:
            np.testing.assert_array_equal(y, kernels.computed(op_type, [tensor, scale, zero_point])[0])


def test_without_a_zero_point_a_tensor_of_microsoft_is_quantized_to_bytes():
    call = make_call("QuantizeLinear", ts(2, 3), ts(), domain=MICROSOFT)
    assert call.outputs == (ts(2, 3, dtype=DType.UINT8),)
    assert counts(call) == {Arith.DIV: 6, Arith.ROUND: 6, Arith.CMP: 12}


FLOATS = {
    DType.FLOAT8E4M3FN: (17, ml_dtypes.float8_e4m3fn, 448),
    DType.FLOAT8E5M2: (19, ml_dtypes.float8_e5m2, 57_344),
    DType.FLOAT4E2M1: (23, ml_dtypes.float4_e2m1fn, 6),
}


@given(st.sampled_from(sorted(FLOATS, key=str)), shapes, seeds, st.integers(0, 1))
@few
def test_a_float_of_few_bits_is_bounded_but_not_rounded_to_an_integer(dtype, shape, rng, saturate):
    code, narrow, largest = FLOATS[dtype]
    x, scale, tally = rng.uniform(-1e4, 1e4, shape).astype(np.float32), np.array(0.5, np.float32), Tally()
    said = {"output_dtype": code, "saturate": saturate}
    y = oracle.each(lambda x: x / scale, tally.tensor(x))
    if saturate or dtype is DType.FLOAT4E2M1:
        y = oracle.each(lambda x: x.maximum(-largest).minimum(largest), y)
    call = make_call("QuantizeLinear", x, scale, opset=25, **said)
    assert counts(call) == tally.as_dict()
    if saturate:
        (expected,) = computed("QuantizeLinear", [x, scale], 25, **said)
        np.testing.assert_array_equal(values(y).astype(narrow).astype(float), expected.astype(float))


def test_a_zero_point_that_names_the_type_is_added_as_any_other():
    zero_point = ts(dtype=DType.FLOAT8E4M3FN)
    assert counts(make_call("QuantizeLinear", ts(3), ts(), zero_point)) == {Arith.DIV: 3, Arith.ADD: 3, Arith.CMP: 6}


@pytest.mark.parametrize(
    ("said", "scale", "expected"),
    [
        ({}, DType.FLOAT32, DType.FLOAT32),
        ({}, DType.FLOAT16, DType.FLOAT16),
        ({"precision": 1}, DType.FLOAT16, DType.FLOAT32),
    ],
)
def test_quantizing_computes_in_the_scale_s_type_unless_precision_names_another(said, scale, expected):
    call = make_call("QuantizeLinear", ts(2, dtype=DType.FLOAT16), ts(dtype=scale), opset=25, **said)
    assert {term.dtype for term in terms(call)} == {expected}


def test_dequantizing_computes_in_the_output_s_type():
    call = make_call("DequantizeLinear", ts(2, dtype=DType.INT4), ts(dtype=DType.FLOAT16), opset=23, output_dtype=1)
    assert [(term.arith, term.count, term.dtype) for term in terms(call)] == [(Arith.MUL, 2, DType.FLOAT32)]


@checks("DynamicQuantizeLinear")
@many
@given(shapes, seeds, st.sampled_from((-3.0, 0.0, 2.0)), st.sampled_from(opsets("DynamicQuantizeLinear")))
def test_dynamic_quantize_linear(shape, rng, low, opset):
    x, tally = rng.uniform(low, low + 4, shape).astype(np.float32), Tally()
    y, scale, zero_point = oracle.dynamic_quantize_linear(tally, tally.tensor(x))
    assert counts(make_call("DynamicQuantizeLinear", x, outputs=3, opset=opset)) == tally.as_dict()
    expected = computed("DynamicQuantizeLinear", [x], opset, outputs=3)
    np.testing.assert_allclose(float(scale), expected[1], rtol=1e-5)
    np.testing.assert_allclose(float(zero_point), expected[2], atol=1)
    np.testing.assert_allclose(values(y), expected[0], atol=1)


def test_nothing_can_be_quantized_dynamically_too():
    call = make_call("DynamicQuantizeLinear", ts(0), outputs=3)
    assert counts(call) == {Arith.CMP: 4, Arith.ADD: 2, Arith.DIV: 2, Arith.ROUND: 1}


@checks("QuantizeWithOrder", "DequantizeWithOrder", domain=MICROSOFT)
@many
@given(shapes, seeds)
def test_an_order_costs_nothing(shape, rng):
    x, q = rng.uniform(-90, 90, shape).astype(np.float32), integers(rng, shape, np.int8)
    scale, orders = np.array(0.5, np.float32), {"order_input": 1, "order_output": 0}
    one = oracle.Quantizer(scale, None, np.int8)
    tally = Tally()
    y = values(one.quantize(tally.tensor(x)))
    np.testing.assert_array_equal(y, np.clip(np.rint(x / scale), -128, 127))
    call = make_call("QuantizeWithOrder", x, scale, domain=MICROSOFT, **orders)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*shape, dtype=DType.INT8),)
    tally = Tally()
    np.testing.assert_array_equal(values(one.dequantize(tally.tensor(q))), q * scale)
    call = make_call("DequantizeWithOrder", q, scale, domain=MICROSOFT, to=10, **orders)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*shape, dtype=DType.FLOAT16),)
    assert {term.dtype for term in terms(call)} == {DType.FLOAT16}


def block_floats(tally, x, block):
    """Return round(x / 2^e), with the largest exponent e of each block along the last axis."""
    y = np.empty(x.shape, object)
    for line in np.ndindex(x.shape[:-1]):
        for start in range(0, x.shape[-1], block):
            places = [(*line, i) for i in range(start, min(start + block, x.shape[-1]))]
            exponents = [tally.number(np.frexp(float(x[place]))[1]) for place in places]
            largest = exponents[0]
            for one in exponents[1:]:
                largest = largest.maximum(one)
            for place in places:
                y[place] = (x[place] / 2.0 ** float(largest)).round()
    return y


@checks("QuantizeBFP", "DequantizeBFP", domain=MICROSOFT)
@many
@given(shapes, st.integers(1, 4))
def test_block_floats_lie_between_blocks_of_one_and_of_all(shape, block):
    tally = Tally()
    x = tally.some(*shape)
    block_floats(tally, x, block)
    call = make_call("QuantizeBFP", ts(*shape), outputs=3, domain=MICROSOFT, bfp_type=0)
    least = {term.arith: term.bounds.low for term in terms(call)}
    most = {term.arith: term.bounds.high for term in terms(call)}
    assert all(least[arith] <= tally[arith] <= most[arith] for arith in least)
    assert set(tally.as_dict()) <= set(least)
    ends = [Tally(), Tally()]
    for one, size in zip(ends, (1, shape[-1]), strict=True):
        block_floats(one, one.some(*shape), size)
    assert [one[Arith.CMP] for one in ends] == [least[Arith.CMP], most[Arith.CMP]]
    assert call.outputs == (
        TensorType(DType.UINT8, (None,)),
        ts(len(shape), dtype=DType.INT64),
        ts(len(shape), dtype=DType.INT64),
    )
    strides = ts(len(shape), dtype=DType.INT64)
    back = make_call(
        "DequantizeBFP", ts(99, dtype=DType.UINT8), np.array(shape), strides, domain=MICROSOFT, bfp_type=0, dtype=10
    )
    assert back.outputs == (ts(*shape, dtype=DType.FLOAT16),)
    assert counts(back) == {Arith.MUL: x.size}


def test_block_floats_of_unknown_shape_are_unknown():
    given_shape = (ts(9, dtype=DType.UINT8), ts(2, dtype=DType.INT64), ts(2, dtype=DType.INT64))
    with pytest.raises(UnknownShapeError, match="the elements of shape are not known"):
        make_call("DequantizeBFP", *given_shape, domain=MICROSOFT, bfp_type=0)


@pytest.mark.parametrize("op_type", ["QuantizeLinear", "DequantizeLinear"])
def test_scales_and_zero_points_are_no_weights(op_type):
    names = {"QuantizeLinear": "y", "DequantizeLinear": "x"}
    for domain in ("", MICROSOFT):
        entry = registry.find(op_type, domain, 21)
        assert entry.not_weights == {f"{names[op_type]}_scale", f"{names[op_type]}_zero_point"}


def test_an_input_that_is_left_out_is_known_beforehand():
    call = make_call("QLinearAdd", ts(2), ts(), None, ts(2), np.array(1.0), None, np.array(1.0), domain=MICROSOFT)
    assert is_beforehand(call, "B_scale", "C_scale", "A_zero_point", "C_zero_point")
    assert not is_beforehand(call, "A_scale", "B_scale")


PLAIN = make_call("QuantizeLinear", ts(2, 6), ts(6), opset=25)
WRONG = [
    (replace(PLAIN, inputs=(ts(2, 6), ts(5))), r"scale of shape \(6,\) for x of shape \(2, 6\), it is \(5,\)"),
    (replace(PLAIN, attributes={"axis": 2}), "wants an axis from -2 to 1, it is 2"),
    (replace(PLAIN, attributes={"block_size": 4}), r"scale of shape \(2, 2\) for x of shape \(2, 6\), it is \(6,\)"),
    (replace(PLAIN, attributes={"precision": 7}), "wants precision to be one of 1, 10, 11, 16, it is 7"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_what_breaks_the_specification_is_an_error(call, message):
    with pytest.raises(NodeError, match=message):
        terms(call)


def test_an_unknown_type_is_an_error():
    with pytest.raises(NodeError, match="wants to to be one of 1, 10, 11, 16, it is 7"):
        make_call("DequantizeWithOrder", ts(2, dtype=DType.INT8), ts(), domain=MICROSOFT, to=7)
