"""Reductions and running totals against loops over rows."""

from __future__ import annotations

import numpy as np
import pytest
from calls import counts, make_call, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import rows
from oracles.checked import checks
from oracles.counting import Tally
from oracles.reference import computed, opsets

from graphcost.errors import UnknownShapeError
from graphcost.rules import registry
from graphcost.types import DType

AXES_AS_INPUT = {"ReduceSum": 13}
RUNNING = {"CumSum": (lambda a, b: a + b, 0.0), "CumProd": (lambda a, b: a * b, 1.0)}
ALL = [*rows.REDUCTIONS, *RUNNING, "ArgMax", "ArgMin"]


@st.composite
def applications(draw, op_type):
    """Draw opset, shape, the node's axes (None: left out), and its other attributes."""
    opset = draw(st.sampled_from(opsets(op_type)))
    shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    rank = len(shape)
    chosen = draw(st.lists(st.integers(0, rank - 1), unique=True, min_size=1, max_size=rank) | st.none())
    if chosen and opset >= 11:
        chosen = [axis - rank * draw(st.booleans()) for axis in chosen]
    attributes = {"keepdims": draw(st.sampled_from((0, 1)))}
    if opset >= AXES_AS_INPUT.get(op_type, 18):
        attributes["noop_with_empty_axes"] = draw(st.sampled_from((0, 1)))
    return opset, tuple(shape), chosen, attributes


def node_of(op_type, opset, x, chosen, attributes):
    """Return inputs and attributes as the operator takes its axes at this opset."""
    if chosen is None:
        return [x], attributes
    if opset >= AXES_AS_INPUT.get(op_type, 18):
        return [x, np.array(chosen, np.int64)], attributes
    return [x], attributes | {"axes": chosen}


def typed(inputs):
    return [ts(*inputs[0].shape), *inputs[1:]]


@checks(*rows.REDUCTIONS)
@pytest.mark.parametrize("op_type", rows.REDUCTIONS)
@settings(max_examples=200, deadline=None)
@given(data=st.data(), seed=st.integers(0, 999))
def test_reductions(op_type, data, seed):
    opset, shape, chosen, attributes = data.draw(applications(op_type))
    x = np.random.default_rng(seed).uniform(0.5, 1.5, shape).astype(np.float32)
    inputs, attributes = node_of(op_type, opset, x, chosen, attributes)
    axes = range(x.ndim) if chosen is None else chosen
    if chosen is None and attributes.get("noop_with_empty_axes"):
        axes = []
    tally = Tally()
    looped = rows.reduce(op_type, tally.tensor(x), axes, tally)
    if op_type == "ReduceMean" and not axes:
        tally = Tally()  # the specification: the reduction step is the identity
    assert counts(make_call(op_type, *typed(inputs), opset=opset, **attributes)) == tally.as_dict()
    if x.size:
        (expected,) = computed(op_type, inputs, opset, **attributes)
        np.testing.assert_allclose([float(one) for one in looped], expected.ravel(), rtol=1e-4)


@pytest.mark.parametrize("op_type", ["ReduceSum", "ReduceMean", "ReduceL2"])
def test_empty_axes_mean_the_same_as_none(op_type):
    empty = np.array([], np.int64)
    for noop in (0, 1):
        call = make_call(op_type, ts(2, 3), empty, noop_with_empty_axes=noop)
        assert counts(call) == counts(make_call(op_type, ts(2, 3), noop_with_empty_axes=noop))


@checks("ArgMax", "ArgMin")
@pytest.mark.parametrize(("op_type", "better"), [("ArgMax", lambda a, b: a > b), ("ArgMin", lambda a, b: a < b)])
@settings(max_examples=200, deadline=None)
@given(data=st.data(), seed=st.integers(0, 999))
def test_positions_of_the_best(op_type, better, data, seed):
    opset = data.draw(st.sampled_from(opsets(op_type)))
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    axis, keepdims = data.draw(st.integers(0, len(shape) - 1)), data.draw(st.sampled_from((0, 1)))
    x = np.random.default_rng(seed).uniform(-3, 3, shape).astype(np.float32)
    tally = Tally()
    looped = rows.arg_best(tally.tensor(x), axis, better)
    assert counts(make_call(op_type, ts(*shape), opset=opset, axis=axis, keepdims=keepdims)) == tally.as_dict()
    (expected,) = computed(op_type, [x], opset, axis=axis, keepdims=keepdims)
    assert looped == list(expected.ravel())


@checks(*RUNNING)
@pytest.mark.parametrize("op_type", RUNNING)
@settings(max_examples=200, deadline=None)
@given(data=st.data(), seed=st.integers(0, 999))
def test_running_totals(op_type, data, seed):
    opset = data.draw(st.sampled_from(opsets(op_type)))
    shape = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    flags = {name: data.draw(st.sampled_from((0, 1))) for name in ("exclusive", "reverse")}
    x = np.random.default_rng(seed).uniform(-3, 3, shape).astype(np.float32)
    step, start = RUNNING[op_type]
    tally = Tally()
    looped = rows.running(tally.tensor(x), axis, step, tally.number(start), **flags)
    assert counts(make_call(op_type, ts(*shape), np.array(axis), opset=opset, **flags)) == tally.as_dict()
    if x.size:
        (expected,) = computed(op_type, [x, np.array(axis)], opset, **flags)
        np.testing.assert_allclose(looped.astype(float), expected, rtol=1e-4, atol=1e-5)


def test_running_total_along_an_unknown_axis_is_unknown():
    with pytest.raises(UnknownShapeError, match="axis"):
        counts(make_call("CumSum", ts(2, 3), ts(dtype=DType.INT64)))


@pytest.mark.parametrize("op_type", ALL)
def test_every_opset_has_a_rule(op_type):
    assert all(registry.find(op_type, "", opset) for opset in opsets(op_type))
