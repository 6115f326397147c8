"""Fused products, activations and sums against loops that do their parts one after the other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import fused as oracle
from oracles import products
from oracles import windows as sliding
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules.registry import types_of
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MICROSOFT = "com.microsoft"
many = settings(max_examples=200, deadline=None)
sizes = st.integers(1, 3)
flags = st.booleans()
activations = st.sampled_from([name for name in oracle.ACTIVATIONS if name])


def called(op_type, *inputs, **attributes):
    """Return the call for counting arrays, arrays of plain numbers whose elements are known, or None."""
    types = [ts(*one.shape) if one is not None and one.dtype == object else one for one in inputs]
    return make_call(op_type, *types, domain=MICROSOFT, **attributes)


def check(call, tally, y):
    """Assert that the rule counts what the loop did, and that the type rule says what the loop returned."""
    assert counts(call) == tally.as_dict()
    assert call.outputs[0] == ts(*y.shape)


def same(y, expected, rtol=1e-5):
    np.testing.assert_allclose(values(y), expected, rtol=rtol, atol=1e-6)


@st.composite
def matrices(draw):
    """A and B as they are stored, alpha, and how each is stored; and their product as numpy has it."""
    batch, (m, k, n) = draw(st.lists(sizes, max_size=2)), (draw(sizes), draw(sizes), draw(sizes))
    orders = [(draw(flags), draw(flags)) for _ in range(2)]
    tally = Tally()
    a, b = tally.some(*batch, m, k), tally.some(*draw(st.sampled_from(([], batch))), k, n)
    alpha = draw(st.sampled_from((1.0, 0.5)))
    expected = alpha * np.matmul(values(a), values(b))
    return tally, [oracle.stored(a, *orders[0]), oracle.stored(b, *orders[1])], alpha, orders, expected


def said(alpha, orders):
    names = (("transA", "transBatchA"), ("transB", "transBatchB"))
    pairs = zip(names, orders, strict=True)
    return {"alpha": alpha} | {n: int(o) for ns, os in pairs for n, o in zip(ns, os, strict=True)}


@checks("FusedMatMul", "TransposeMatMul", domain=MICROSOFT)
@many
@given(matrices(), st.sampled_from(("FusedMatMul", "TransposeMatMul")))
def test_fused_matmul(drawn, op_type):
    tally, inputs, alpha, orders, expected = drawn
    if op_type == "TransposeMatMul":
        orders = [(trans, False) for trans, _ in orders]
        inputs = [tally.some(2, 3)[:: -1 if orders[0][0] else 1], tally.some(3, 2)]
        inputs = [oracle.stored(one, *order) for one, order in zip(inputs, orders, strict=True)]
    y = oracle.fused_matmul(tally, *inputs, alpha, orders)
    if op_type == "FusedMatMul":
        same(y, expected)
    check(called(op_type, *inputs, **said(alpha, orders)), tally, y)


@pytest.mark.parametrize(
    ("a", "b", "y"), [((3,), (3, 2), (2,)), ((2, 3), (3,), (2,)), ((3,), (3,), ()), ((3,), (4, 3, 2), (4, 2))]
)
def test_vectors_are_not_transposed(a, b, y):
    said = {"transA": 1} if len(a) == 1 else {"transB": 1}
    call = called("FusedMatMul", Tally().some(*a), Tally().some(*b), **said)
    assert call.outputs == (ts(*y),)
    assert counts(call) == {Arith.MAC: math.prod(y) * 3}


@checks("FusedMatMulActivation", domain=MICROSOFT)
@many
@given(matrices(), activations | st.just("Softmax"), st.integers(-2, 1))
def test_fused_matmul_activation(drawn, activation, axis):
    tally, inputs, alpha, orders, expected = drawn
    y = oracle.fused_matmul(tally, *inputs, alpha, orders)
    attributes = said(alpha, orders) | {"activation": activation}
    if activation == "Softmax":
        y = oracle.rows.softmax(y, [axis], tally)
        attributes["activation_axis"] = axis
        e = np.exp(expected)
        same(y, e / e.sum(axis=axis, keepdims=True))
    else:
        y = oracle.each(oracle.ACTIVATIONS[activation], y)
    check(called("FusedMatMulActivation", *inputs, **attributes), tally, y)


ALIKE = (
    "Elu",
    "HardSigmoid",
    "LeakyRelu",
    "Relu",
    "Selu",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Tanh",
    "ThresholdedRelu",
)
OWN = {"Elu": ("alpha",), "HardSigmoid": ("alpha", "beta"), "LeakyRelu": ("alpha",), "Selu": ("alpha", "gamma"),
       "ThresholdedRelu": ("alpha",)}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_the_loops_compute_the_activations(name):
    x = np.linspace(-2, 2, 9, dtype=np.float32)
    constants = {one: {"alpha": 0.7, "beta": 0.4, "gamma": 1.3}[one] for one in OWN.get(name, ())}
    (expected,) = computed(name, [x], 13, **constants)
    same(oracle.each(oracle.ACTIVATIONS[name], Tally().tensor(x)), expected)


@checks("FusedGemm", domain=MICROSOFT)
@many
@given(
    sizes,
    sizes,
    sizes,
    flags,
    flags,
    st.sampled_from((1.0, 0.5)),
    st.sampled_from((None, (), (1,))),
    activations | st.just(""),
)
def test_fused_gemm(m, k, n, trans_a, trans_b, alpha, bias, activation):
    tally = Tally()
    a, b = tally.some(*((k, m) if trans_a else (m, k))), tally.some(*((n, k) if trans_b else (k, n)))
    c = None if bias is None else tally.some(*bias, n)
    y = products.gemm(tally, a, b, c, alpha=alpha, beta=0.5, trans_a=trans_a, trans_b=trans_b)
    y = oracle.each(oracle.ACTIVATIONS[activation], y)
    attributes = {"transA": int(trans_a), "transB": int(trans_b), "alpha": alpha, "beta": 0.5}
    attributes |= {"activation": activation} if activation else {}
    check(called("FusedGemm", a, b, c, **attributes), tally, y)


@checks("GemmFastGelu", domain=MICROSOFT)
@many
@given(st.lists(sizes, min_size=1, max_size=3), sizes, sizes, flags)
def test_gemm_fast_gelu(shape, k, n, has_bias):
    tally = Tally()
    x, w, bias = tally.some(*shape, k), tally.some(k, n), tally.some(n) if has_bias else None
    y = oracle.each(oracle.fast_gelu, oracle.added(products.matmul(tally, x, w), bias))
    check(called("GemmFastGelu", x, w, bias), tally, y)


@checks("FusedConv", domain=MICROSOFT)
@many
@given(sliding.padded_axes(), sizes, sizes, st.integers(1, 2), flags, flags, activations | st.just(""))
def test_fused_conv(drawn, channels, maps, group, has_bias, has_sum, activation):
    tally, (axes, auto_pad) = Tally(), drawn
    x = tally.some(2, channels * group, *(axis.size for axis in axes))
    w, b = tally.some(maps * group, channels, *(axis.kernel for axis in axes)), tally.some(maps * group)
    y = sliding.conv(tally, x, w, b if has_bias else None, windows=axes, group=group)
    z = tally.some(*y.shape) if has_sum else None
    y = oracle.each(oracle.ACTIVATIONS[activation], oracle.added(y, z))
    attributes = sliding.attributes(axes, auto_pad) | {"group": group}
    attributes |= {"activation": activation} if activation else {}
    check(called("FusedConv", x, w, b if has_bias else None, z, **attributes), tally, y)


@st.composite
def spread_axes(draw):
    """Axes of a ConvTranspose whose padding leaves something, and what is added at their ends."""
    drawn = [draw(sliding.axes()) for _ in range(draw(st.integers(1, 2)))]
    kept = [one for one in drawn if one.stride * (one.size - 1) + one.extent > one.begin + one.end]
    return kept or [sliding.Axis(2, 2)]


@checks("ConvTransposeWithDynamicPads", domain=MICROSOFT)
@many
@given(spread_axes(), sizes, sizes, st.integers(1, 2), flags, flags, st.integers(0, 1))
def test_conv_transpose_with_dynamic_pads(axes, channels, maps, group, has_bias, has_pads, more):
    tally = Tally()
    axes = axes if has_pads else [sliding.replace(axis, begin=0, end=0) for axis in axes]
    x = tally.some(1, channels * group, *(axis.size for axis in axes))
    w, b = tally.some(channels * group, maps, *(axis.kernel for axis in axes)), tally.some(maps * group)
    b = b if has_bias else None
    y = sliding.conv_transpose(tally, x, w, b, windows=axes, more=[more] * len(axes), group=group)
    pads = np.array([axis.begin for axis in axes] + [axis.end for axis in axes]) if has_pads else None
    attributes = sliding.attributes(axes, "VALID") | {"auto_pad": "NOTSET", "group": group}
    call = called("ConvTransposeWithDynamicPads", x, w, pads, b, output_padding=[more] * len(axes), **attributes)
    check(call, tally, y)


def test_conv_transpose_with_pads_that_are_not_known():
    call = make_call(
        "ConvTransposeWithDynamicPads",
        ts(1, 4, 5, 5),
        ts(4, 3, 3, 3),
        ts(4, dtype=DType.INT64),
        domain=MICROSOFT,
        group=2,
    )
    assert call.outputs == (TensorType(DType.FLOAT32, (1, 6, None, None)),)
    with pytest.raises(UnknownShapeError, match="the shape of Y"):
        terms(call)


def test_conv_transpose_that_keeps_its_size_whatever_the_pads_are():
    call = make_call(
        "ConvTransposeWithDynamicPads",
        ts(1, 4, 5),
        ts(4, 3, 3),
        ts(2, dtype=DType.INT64),
        domain=MICROSOFT,
        auto_pad="SAME_UPPER",
        strides=[2],
    )
    assert call.outputs == (ts(1, 3, 10),)


shapes = st.lists(sizes, min_size=1, max_size=3).map(tuple)


ONE_BY_ONE = {
    "BiasGelu": ("x vector", lambda x, b: oracle.each(oracle.gelu, oracle.added(x, b))),
    "FastGelu": ("x vector?", lambda x, b: oracle.each(oracle.fast_gelu, oracle.added(x, b))),
    "Gelu": ("x", lambda x: oracle.each(oracle.gelu, x)),
    "QuickGelu": ("x", lambda x: oracle.each(lambda one: oracle.quick_gelu(one, 1.702), x)),
    "ScaledSiLU": ("x one?", lambda x, s: oracle.each(oracle.scaled_silu, x, np.ones(1) if s is None else s)),
    "BiasAdd": ("x vector x", oracle.added),
    "GatedAdd": ("x x gate", lambda x, y, gate: oracle.each(lambda a, b, g: a + b * g, x, y, gate)),
}
"""The shapes of the inputs, and the loop; what has a question mark may be left out."""


@checks(*ONE_BY_ONE, domain=MICROSOFT)
@settings(max_examples=600, deadline=None)
@given(st.sampled_from(sorted(ONE_BY_ONE)), shapes, flags)
def test_one_by_one(op_type, shape, is_whole):
    tally, (kinds, loop) = Tally(), ONE_BY_ONE[op_type]
    dims = {"x": shape, "vector": shape[-1:], "one": (1,), "gate": (*shape[:-1], 1)}
    inputs = [tally.some(*dims[one.rstrip("?")]) if is_whole or "?" not in one else None for one in kinds.split()]
    check(called(op_type, *inputs), tally, loop(*inputs))


def test_the_loops_compute_what_is_written():
    x = np.linspace(-3, 3, 13, dtype=np.float32)
    numbers = Tally().tensor(x)
    same(oracle.each(oracle.gelu, numbers), computed("Gelu", [x], 20)[0])
    same(oracle.each(oracle.fast_gelu, numbers), computed("Gelu", [x], 20, approximate="tanh")[0], rtol=1e-4)
    same(oracle.each(lambda one: oracle.quick_gelu(one, 1.5), numbers), x / (1 + np.exp(-1.5 * x)))
    same(oracle.each(lambda one: oracle.scaled_silu(one, 1.5), numbers), 1.5 * x / (1 + np.exp(-1.5 * x)))
    same(oracle.bias_softmax(Tally(), numbers, numbers, 0), np.exp(2 * x) / np.exp(2 * x).sum())


@checks("BiasSplitGelu", domain=MICROSOFT)
@many
@given(shapes)
def test_bias_split_gelu(shape):
    tally = Tally()
    x, bias = tally.some(*shape[:-1], 2 * shape[-1]), tally.some(2 * shape[-1])
    check(called("BiasSplitGelu", x, bias), tally, oracle.bias_split_gelu(x, bias))


@checks("BiasSoftmax", domain=MICROSOFT)
@many
@given(shapes, st.integers(-3, 2), flags)
def test_bias_softmax(shape, axis, is_inner):
    axis = axis % len(shape)
    tally = Tally()
    data, bias = tally.some(*shape), tally.some(*(1 for _ in shape[:axis]), *shape[axis:])
    y = oracle.bias_softmax(tally, data, bias, axis)
    check(called("BiasSoftmax", data, bias, axis=axis, is_inner_broadcast=int(is_inner)), tally, y)


def typed(op_type, *shapes, **attributes):
    """Return the type that the type rule gives for inputs whose sizes need not be known."""
    inputs = [None if shape is None else TensorType(DType.FLOAT16, shape) for shape in shapes]
    call = make_call(op_type, *inputs, domain=MICROSOFT, **attributes)
    (found, *_) = types_of(op_type, MICROSOFT)(call)
    assert found.dtype is DType.FLOAT16
    return found.shape


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: typed("FusedMatMul", (None, 3, 4), (2, 1, 4, None)), (2, None, 3, None)),
        (lambda: typed("FusedMatMul", (5, 4, 3), (1, 4, 6), transA=1), (5, 3, 6)),
        (lambda: typed("FusedMatMul", (None, 7, 3), (7, 3, 6), transBatchA=1), (7, None, 6)),
        (lambda: typed("FusedGemm", (None, 3), (8, None), transB=1), (None, 8)),
        (lambda: typed("FusedConv", (None, 3, None, 9), (8, 3, 3, 3), strides=[2, 2]), (None, 8, None, 4)),
        (lambda: typed("FusedConv", (1, 3, 7), (None, 3, None)), (1, None, None)),
        (lambda: typed("BiasGelu", (None, 5), (5,)), (None, 5)),
        (lambda: typed("BiasSplitGelu", (2, None), (None,)), (2, None)),
        (lambda: typed("GemmFastGelu", (None, 5, 6), (6, 7)), (None, 5, 7)),
    ],
)
def test_unknown_sizes_stay_unknown_and_the_others_known(found, expected):
    assert found() == expected


@pytest.mark.parametrize(
    ("op_type", "shapes", "attributes", "message"),
    [
        ("FusedMatMul", [(2, 3), (4, 5)], {}, "same inner size, A has 3, B has 4"),
        ("FusedMatMul", [(), (4, 5)], {}, "wants A and B of rank 1 or more"),
        ("FusedMatMul", [(2, 4, 3), (3, 3, 5)], {}, "can be broadcast, they are 2 and 3"),
        ("FusedMatMulActivation", [(2, 3), (3, 5)], {"activation": "Add"}, "one of Elu, .* it is 'Add'"),
        ("FusedMatMulActivation", [(2, 3), (3, 5)], {}, "wants the attribute activation"),
        ("FusedGemm", [(2, 3, 1), (3, 5)], {}, "wants A of rank 2, it is of rank 3"),
        ("FusedConv", [(1, 3, 5), (8, 4, 3)], {}, "wants X with the 4 channels of W, it has 3"),
        ("FusedConv", [(1, 3, 5), (8, 3, 3), None, (1, 8, 1)], {}, r"wants Z of shape \(1, 8, 3\), it is \(1, 8, 1\)"),
        ("FusedConv", [(1, 3, 5), (8, 3)], {}, "wants X and W of the same rank"),
        ("FusedConv", [(1, 3, 5), (8, 3, 3)], {"strides": [1, 2]}, r"wants strides to be 1 integers of 1 or more"),
        ("FusedConv", [(1, 3, 5), (8, 3, 3)], {"strides": [0]}, r"wants strides to be 1 integers of 1 or more"),
        ("FusedConv", [(1, 3, 5), (8, 3, 7)], {}, "wants windows of 7 positions, X has 5"),
        ("BiasGelu", [(2, 3), (1,)], {}, r"wants B of shape \(3,\), it is \(1,\)"),
        ("BiasSplitGelu", [(2, 3), (3,)], {}, r"wants X with two halves, it is \(2, 3\)"),
        ("BiasSoftmax", [(2, 3), (3,)], {"axis": 2, "is_inner_broadcast": 1}, "wants an axis from -2 to 1, it is 2"),
    ],
)  # fmt: skip
def test_what_breaks_the_definition_is_an_error(op_type, shapes, attributes, message):
    with pytest.raises(NodeError, match=message):
        terms(make_call(op_type, *(s if s is None else ts(*s) for s in shapes), domain=MICROSOFT, **attributes))
