"""MatMul and Gemm against loops that count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import products
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed

from graphcost.errors import NodeError
from graphcost.terms import Arith

SIZES = st.integers(0, 3)


@st.composite
def matmul_shapes(draw):
    """Two shapes with one inner size, of rank 1 or more, whose batches broadcast."""
    m, k, n = draw(SIZES), draw(SIZES), draw(SIZES)
    batch = draw(st.lists(st.integers(0, 2), max_size=2))
    a_batch, b_batch = (
        [draw(st.sampled_from((dim, 1))) for dim in batch[draw(st.integers(0, len(batch))) :]] for _ in range(2)
    )
    a = draw(st.sampled_from(([k], [*a_batch, m, k])))
    b = draw(st.sampled_from(([k], [*b_batch, k, n])))
    return a, b


@checks("MatMul")
@given(matmul_shapes())
@settings(max_examples=300, deadline=None)
def test_matmul_counts_what_the_loop_does(shapes):
    tally = Tally()
    a, b = (tally.some(*shape) for shape in shapes)
    y = products.matmul(tally, a, b)
    assert counts(make_call("MatMul", ts(*a.shape), ts(*b.shape))) == tally.as_dict()
    np.testing.assert_allclose(values(y), np.matmul(values(a), values(b)))


@checks("Gemm")
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_gemm_counts_what_the_loop_does(data):
    m, k, n = data.draw(SIZES), data.draw(SIZES), data.draw(SIZES)
    alpha, beta = data.draw(st.sampled_from((1.0, 0.5, 0.0))), data.draw(st.sampled_from((1.0, 2.0)))
    trans_a, trans_b = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 1))
    c_shape = data.draw(st.sampled_from((None, (), (n,), (1,), (m, 1), (1, n), (m, n))))
    tally = Tally()
    a = tally.some(*((k, m) if trans_a else (m, k)))
    b = tally.some(*((n, k) if trans_b else (k, n)))
    c = None if c_shape is None else tally.some(*c_shape)
    y = products.gemm(tally, a, b, c, alpha=alpha, beta=beta, trans_a=trans_a, trans_b=trans_b)
    said = {"alpha": alpha, "beta": beta, "transA": trans_a, "transB": trans_b}
    call = make_call("Gemm", ts(*a.shape), ts(*b.shape), None if c is None else ts(*c.shape), **said)
    assert counts(call) == tally.as_dict()
    plain = [None if one is None else values(one) for one in (a, b, c)]
    np.testing.assert_allclose(values(y), computed("Gemm", plain, 13, **said)[0], atol=1e-12)


def test_defaults_of_alpha_and_beta_cost_nothing():
    assert counts(make_call("Gemm", ts(2, 3), ts(3, 4), ts(4))) == {Arith.MAC: 24, Arith.ADD: 8}


@pytest.mark.parametrize("opset", [1, 6, 7, 9, 11, 13])
def test_every_version_of_gemm_counts_alike(opset):
    """The first version has no type inference; the sizes of A and B are enough."""
    call = make_call("Gemm", ts(3, 2), ts(3, 4), ts(2, 4), opset=opset, transA=1, alpha=2.0)
    assert counts(call) == {Arith.MAC: 24, Arith.MUL: 8, Arith.ADD: 8}


def test_beta_scales_the_elements_of_c_before_they_are_broadcast():
    scaled = make_call("Gemm", ts(2, 3), ts(3, 4), ts(4), beta=2.0)
    assert [(term.what, term.count) for term in terms(scaled)] == [("A*B", 24), ("beta * C", 4), ("+ C", 8)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (replace(make_call("MatMul", ts(2, 3), ts(3, 4)), inputs=(ts(2, 3), ts(5, 4))), "A has 3, B has 5"),
        (replace(make_call("MatMul", ts(3), ts(3)), inputs=(ts(3), ts(4))), "A has 3, B has 4"),
        (replace(make_call("Gemm", ts(2, 3), ts(3, 4)), inputs=(ts(2, 3), ts(5, 4))), "A has 3, B has 5"),
        (make_call("Gemm", ts(2, 3, 1), ts(3, 4), ts(4), opset=1), "wants A of rank 2, it is of rank 3"),
        (make_call("Gemm", ts(2, 3), ts(3, 4), ts(5)), r"broadcastable to \(2, 4\), it is \(5,\)"),
        (make_call("Gemm", ts(2, 3), ts(3, 4), ts(1, 2, 4)), r"broadcastable to \(2, 4\), it is \(1, 2, 4\)"),
    ],
)
def test_shapes_that_break_the_specification_are_named(call, message):
    with pytest.raises(NodeError, match=message):
        terms(call)
