"""Random numbers against loops that draw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import draws
from oracles.checked import checks
from oracles.counting import Tally
from oracles.reference import opsets

from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType

shapes = st.lists(st.integers(0, 4), min_size=1, max_size=3)
numbers = st.sampled_from((0.0, 1.0, 0.5, 2.0))


@checks("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
@pytest.mark.parametrize("op_type", ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"])
@settings(max_examples=200, deadline=None)
@given(shape=shapes, start=numbers, other=numbers, data=st.data())
def test_draws(op_type, shape, start, other, data):
    opset = data.draw(st.sampled_from(opsets(op_type)))
    is_normal, is_like = "Normal" in op_type, op_type.endswith("Like")
    attributes = {"mean": start, "scale": other} if is_normal else {"low": start, "high": other}
    attributes |= {} if is_like else {"shape": shape}
    call = make_call(op_type, *([ts(*shape)] if is_like else []), opset=opset, **attributes)
    tally = Tally()
    looped = draws.scaled(tally, int(np.prod(shape)), other if is_normal else other - start, start)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*shape),)
    assert all(float(one) == pytest.approx(start + 0.7 * (other if is_normal else other - start)) for one in looped)


def test_draws_without_attributes_are_not_scaled():
    assert counts(make_call("RandomNormal", shape=[2, 3])) == {Arith.RANDOM: 6}
    assert counts(make_call("RandomUniformLike", ts(2, 3))) == {Arith.RANDOM: 6}


def test_of_the_input_only_the_shape_is_read():
    call = make_call("RandomNormalLike", ts(2, 3), dtype=11)
    assert registry.of(call).traffic(call) == (0, 2 * 3 * 8)
    assert {term.dtype for term in terms(call)} == {DType.FLOAT64}


@checks("Bernoulli")
@settings(max_examples=200, deadline=None)
@given(shape=shapes, opset=st.sampled_from(opsets("Bernoulli")), seed=st.integers(0, 99))
def test_bernoulli(shape, opset, seed):
    probabilities = np.random.default_rng(seed).uniform(0, 1, shape)
    tally = Tally()
    looped = draws.bernoulli(tally, [tally.number(one) for one in probabilities.flat])
    call = make_call("Bernoulli", ts(*shape), opset=opset)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*shape),)
    assert looped == [float(one > 0.7) for one in probabilities.flat]


@checks("Multinomial")
@settings(max_examples=200, deadline=None)
@given(
    batch=st.integers(0, 3),
    classes=st.integers(1, 9),
    samples=st.integers(1, 4),
    opset=st.sampled_from(opsets("Multinomial")),
    seed=st.integers(0, 99),
)
def test_multinomial(batch, classes, samples, opset, seed):
    x = np.random.default_rng(seed).uniform(-2, 2, (batch, classes))
    tally = Tally()
    for row in x:
        shares = np.exp(row) / np.exp(row).sum()
        first = int(np.argmax(np.cumsum(shares) > 0.7))
        assert draws.multinomial(tally, tally.tensor(row), samples) == [first] * samples
    call = make_call("Multinomial", ts(batch, classes), opset=opset, sample_size=samples)
    low, high = (batch * samples * one for one in depths(classes))
    fixed = tally.as_dict() | {Arith.CMP: batch * (classes - 1) + high}
    assert counts(call) == {kind: count for kind, count in fixed.items() if count}
    assert sum(term.bounds.low for term in terms(call) if term.arith is Arith.CMP) == batch * (classes - 1) + low
    assert batch * (classes - 1) + low <= tally[Arith.CMP] <= batch * (classes - 1) + high
    assert call.outputs == (ts(batch, samples, dtype=DType.INT32),)


def depths(classes):
    """Return the fewest and the most comparisons that finding one class takes, over all classes."""
    found = []
    for sure in range(classes):
        tally = Tally()
        row = [tally.number(30.0 * (place == sure)) for place in range(classes)]
        assert draws.multinomial(tally, row, 1) == [sure]
        found.append(tally[Arith.CMP] - (classes - 1))
    return min(found), max(found)


def test_no_classes_are_an_error():
    call = make_call("Multinomial", ts(2, 3), sample_size=1)
    with pytest.raises(NodeError, match="wants an input of 1 class or more"):
        terms(replace(call, inputs=(ts(2, 0),)))


@pytest.mark.parametrize("samples", [0, -3])
def test_no_samples_are_an_error(samples):
    call = make_call("Multinomial", ts(2, 3), sample_size=1)
    with pytest.raises(NodeError, match=f"wants a sample_size of 1 or more, it is {samples}"):
        terms(replace(call, attributes={"sample_size": samples}))


@pytest.mark.parametrize("op_type", ["RandomNormal", "RandomUniformLike", "Bernoulli", "Multinomial"])
def test_every_opset_has_a_rule(op_type):
    assert all(registry.find(op_type, "", opset) for opset in opsets(op_type))
