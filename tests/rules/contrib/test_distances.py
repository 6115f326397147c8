"""Distances against loops over pairs, and over the places of a matrix."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import distances
from oracles.checked import checks
from oracles.counting import Tally

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.types import DType, TensorType

MICROSOFT = "com.microsoft"
seeds = st.integers(0, 999).map(np.random.default_rng)


@checks("CDist", domain=MICROSOFT)
@settings(max_examples=200, deadline=None)
@given(*[st.integers(0, 4)] * 3, st.sampled_from(("euclidean", "sqeuclidean")), seeds)
def test_cdist(m, k, n, metric, rng):
    a, b = rng.uniform(-1, 1, (m, n)), rng.uniform(-1, 1, (k, n))
    tally = Tally()
    looped = [float(one) for one in distances.between(tally, tally.tensor(a), tally.tensor(b), metric)]
    call = make_call("CDist", ts(m, n), ts(k, n), domain=MICROSOFT, metric=metric)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(m, k),)
    squares = ((a[:, np.newaxis] - b) ** 2).sum(axis=-1)
    expected = np.sqrt(squares) if metric == "euclidean" else squares
    np.testing.assert_allclose(np.reshape(looped, (m, k)), expected, atol=1e-9)


def test_a_metric_without_a_kernel_is_unknown():
    with pytest.raises(UnknownShapeError, match="how the distance 'canberra' is computed is not known"):
        terms(make_call("CDist", ts(2, 3), ts(4, 3), domain=MICROSOFT, metric="canberra"))


def test_points_of_other_sizes_are_an_error():
    with pytest.raises(NodeError, match=r"wants A: .* they are"):
        terms(make_call("CDist", ts(2, 3), ts(4, 5), domain=MICROSOFT))


@checks("DynamicTimeWarping", domain=MICROSOFT)
@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.booleans(), seeds)
def test_dynamic_time_warping(m, n, is_batch, rng):
    costs = rng.uniform(0, 1, (m, n))
    tally = Tally()
    path, least = distances.cheapest_path(tally.tensor(costs))
    call = make_call("DynamicTimeWarping", ts(*([1] if is_batch else []), m, n), domain=MICROSOFT)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (TensorType(DType.INT32, (2, None)),)
    assert max(m, n) <= len(path) < m + n
    assert float(least) == pytest.approx(cheapest(costs)) == pytest.approx(sum(costs[place] for place in path))


def cheapest(costs):
    """Return what the cheapest path costs, by trying all."""

    @cache
    def until(r, c):
        ways = [until(*one) for one in ((r - 1, c - 1), (r - 1, c), (r, c - 1)) if min(one) >= 0]
        return costs[r, c] + min(ways, default=0)

    return until(costs.shape[0] - 1, costs.shape[1] - 1)


def test_costs_that_are_no_matrix_are_an_error():
    call = make_call("DynamicTimeWarping", ts(3, 4), domain=MICROSOFT)
    with pytest.raises(NodeError, match=r"wants an input of shape \(M, N\) or \(1, M, N\), it is \(2, 3, 4\)"):
        terms(replace(call, inputs=(ts(2, 3, 4),)))


def test_no_costs_take_no_work():
    assert not counts(make_call("DynamicTimeWarping", ts(0, 4), domain=MICROSOFT))
