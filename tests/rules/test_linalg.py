"""Determinants, inverses and sparse products against eliminations over counting numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import linalg
from oracles.checked import checks
from oracles.counting import Tally
from oracles.reference import computed, opsets

from graphcost.bounds import Bounds
from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import TensorType

MICROSOFT = "com.microsoft"
batches = st.lists(st.integers(0, 2), max_size=2)
seeds = st.integers(0, 999).map(np.random.default_rng)


@checks("Det")
@settings(max_examples=200, deadline=None)
@given(batches, st.integers(0, 5), st.sampled_from(opsets("Det")), seeds)
def test_det(batch, n, opset, rng):
    x = rng.uniform(-1, 1, (*batch, n, n))
    tally = Tally()
    looped = [float(linalg.det(tally, one)) for one in tally.tensor(x).reshape(int(np.prod(batch)), n, n)]
    call = make_call("Det", ts(*x.shape), opset=opset)
    signs = [term.bounds for term in terms(call) if term.what == "sign of the swaps"]
    assert counts(call) == {
        kind: count
        for kind, count in (tally.as_dict() | {Arith.SIGN: magnitudes(n) * len(looped) + signs[0].high}).items()
        if count
    }
    assert signs == [Bounds(0, len(looped) if n > 1 else 0)]
    assert tally[Arith.SIGN] - magnitudes(n) * len(looped) <= signs[0].high
    assert call.outputs == (ts(*batch),)
    np.testing.assert_allclose(looped, np.linalg.det(x).reshape(-1), atol=1e-9)


def magnitudes(n):
    """Return how many elements one elimination looks at: all of a column from the diagonal down, but for the last."""
    return sum(range(2, n + 1))


def test_the_reference_computes_the_same_determinant():
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 3)).astype(np.float32)
    (found,) = computed("Det", [x], 11)
    np.testing.assert_allclose(found, np.linalg.det(x), rtol=1e-4)


@checks("Inverse", domain=MICROSOFT)
@settings(max_examples=200, deadline=None)
@given(batches, st.integers(0, 5), seeds)
def test_inverse(batch, n, rng):
    x = rng.uniform(-1, 1, (*batch, n, n)) + 2 * np.eye(n)
    tally = Tally()
    looped = [linalg.inverse(tally, one) for one in tally.tensor(x).reshape(int(np.prod(batch)), n, n)]
    call = make_call("Inverse", ts(*x.shape), domain=MICROSOFT)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*x.shape),)
    np.testing.assert_allclose(np.array(looped, float).reshape(x.shape), np.linalg.inv(x), atol=1e-8)


@pytest.mark.parametrize("shape", [(2, 3), (3,)])
def test_what_is_not_square_is_an_error(shape):
    call = make_call("Det", ts(3, 3))
    with pytest.raises(NodeError, match=r"wants X of shape \(\.\.\., n, n\)"):
        terms(replace(call, inputs=(ts(*shape),)))


@checks("SparseToDenseMatMul", domain=MICROSOFT)
@settings(max_examples=200, deadline=None)
@given(st.tuples(*[st.integers(0, 4)] * 3), st.booleans(), st.booleans(), st.sampled_from((1.0, 2.0)), seeds)
def test_sparse_products(sizes, trans_a, trans_b, alpha, rng):
    m, k, n = sizes
    a = rng.uniform(1, 2, (m, k)) * rng.integers(0, 2, (m, k))
    tally, dense = Tally(), Tally()
    b = tally.tensor(rng.uniform(-1, 1, (k, n)))
    stored = {place: tally.number(a[place]) for place in np.ndindex(a.shape) if a[place]}
    y = linalg.sparse_product(tally, stored, b, m)
    linalg.sparse_product(dense, {place: dense.number(1) for place in np.ndindex(a.shape)}, b, m)
    np.testing.assert_allclose(np.array(y, float).reshape(m, n), a @ b.astype(float), atol=1e-9)
    call = make_call(
        "SparseToDenseMatMul",
        ts(*((k, m) if trans_a else (m, k))),
        ts(*((n, k) if trans_b else (k, n))),
        domain=MICROSOFT,
        transA=int(trans_a),
        transB=int(trans_b),
        alpha=alpha,
    )
    products = Bounds.total(term.bounds for term in terms(call) if term.arith is Arith.MAC)
    assert products == Bounds(0, dense[Arith.MAC])
    assert tally[Arith.MAC] <= products.high
    assert counts(call).get(Arith.MUL, 0) == (m * n if alpha != 1 else 0)
    assert call.outputs == (ts(m, n),)


def test_matrices_that_do_not_fit_are_an_error():
    call = make_call("SparseToDenseMatMul", ts(2, 3), ts(3, 4), domain=MICROSOFT)
    with pytest.raises(NodeError, match="A has 3, B has 5"):
        terms(replace(call, inputs=(ts(2, 3), ts(5, 4))))
    with pytest.raises(NodeError, match="wants A of rank 2, it is of rank 3"):
        terms(replace(call, inputs=(TensorType(None, (1, 2, 3)), ts(3, 4))))


def test_every_opset_has_a_rule():
    assert all(registry.find("Det", "", opset) for opset in opsets("Det"))
