"""Softmax, LogSoftmax and Hardmax against loops over rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import rows
from oracles.checked import checks
from oracles.counting import Tally
from oracles.reference import computed, opsets

from graphcost.errors import NodeError
from graphcost.rules import registry

LOOPS = {"Softmax": rows.softmax, "LogSoftmax": rows.log_softmax, "Hardmax": rows.hardmax}


@st.composite
def applications(draw):
    """Draw an opset, a shape, and an axis, sometimes left to its default."""
    opset = draw(st.sampled_from(opsets("Softmax")))
    shape = draw(st.lists(st.integers(0, 4), min_size=1 if opset >= 13 else 2, max_size=4))
    axis = draw(st.integers(-len(shape) if opset >= 11 else 0, len(shape) - 1) | st.none())
    return opset, tuple(shape), axis


def axes_of(opset, shape, axis):
    """Return the axes of a row, as the specification gives them in words."""
    if opset >= 13:
        return [-1 if axis is None else axis]
    first = 1 if axis is None else axis % len(shape)
    return range(first, len(shape))


@checks(*LOOPS)
@pytest.mark.parametrize("op_type", LOOPS)
@settings(max_examples=200, deadline=None)
@given(drawn=applications(), seed=st.integers(0, 999))
def test_rule_counts_and_loop_computes(op_type, drawn, seed):
    opset, shape, axis = drawn
    attributes = {} if axis is None else {"axis": axis}
    x = np.random.default_rng(seed).uniform(-3, 3, shape).astype(np.float32)
    tally = Tally()
    looped = LOOPS[op_type](tally.tensor(x), axes_of(opset, shape, axis), tally)
    assert counts(make_call(op_type, ts(*shape), opset=opset, **attributes)) == tally.as_dict()
    if opset >= 13 and x.size:  # onnx's reference knows no coercion to two dimensions
        (expected,) = computed(op_type, [x], opset, **attributes)
        np.testing.assert_allclose(looped.astype(float), expected, rtol=1e-4, atol=1e-5)


def test_coerced_rows_are_as_onnx_computes_them_on_two_dimensions():
    x = np.random.default_rng(0).uniform(-3, 3, (2, 3, 4)).astype(np.float32)
    tally = Tally()
    looped = rows.softmax(tally.tensor(x), axes_of(11, x.shape, 1), tally)
    (expected,) = computed("Softmax", [x.reshape(2, 12)], 13, axis=1)
    np.testing.assert_allclose(looped.astype(float), expected.reshape(x.shape), rtol=1e-4)


@pytest.mark.parametrize("op_type", LOOPS)
def test_every_opset_has_a_rule(op_type):
    assert all(registry.find(op_type, "", opset) for opset in opsets(op_type))


def test_an_axis_beyond_the_rank_is_an_error():
    call = make_call("Softmax", ts(2, 3), opset=13)
    wrong = replace(call, attributes={"axis": 2})
    with pytest.raises(NodeError, match="wants an axis from -2 to 1, it is 2"):
        terms(wrong)
