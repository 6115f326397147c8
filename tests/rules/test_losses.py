"""Losses against loops over positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import losses
from oracles.checked import checks
from oracles.counting import Tally
from oracles.reference import computed, opsets

from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType

LOOPS = {
    "NegativeLogLikelihoodLoss": losses.negative_log_likelihood,
    "SoftmaxCrossEntropyLoss": losses.softmax_cross_entropy,
}


@checks(*LOOPS)
@pytest.mark.parametrize("op_type", LOOPS)
@settings(max_examples=200, deadline=None)
@given(data=st.data(), seed=st.integers(0, 999))
def test_losses(op_type, data, seed):
    opset = data.draw(st.sampled_from(opsets(op_type)))
    samples, classes, *inner = data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    is_weighted, reduction = data.draw(st.booleans()), data.draw(st.sampled_from(("none", "sum", "mean")))
    ignored = data.draw(st.none() | st.just(-2) | st.integers(0, classes - 1))  # onnx's reference takes -1 for none
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (samples, classes, *inner)).astype(np.float32)
    target = rng.integers(0, classes, (samples, *inner))
    target[rng.integers(0, 4, target.shape) == 0] = ignored or 0
    weight = rng.uniform(0.5, 1, classes).astype(np.float32) if is_weighted else None
    tally = Tally()
    weights = None if weight is None else tally.tensor(weight)
    looped = LOOPS[op_type](tally, tally.tensor(x), target, weights, ignored, reduction)
    outputs = 2 if op_type.startswith("Softmax") and data.draw(st.booleans()) else 1
    looped = looped[:outputs] if isinstance(looped, tuple) else [looped]
    attributes = {"reduction": reduction} | ({} if ignored is None else {"ignore_index": ignored})
    inputs = [ts(*x.shape), ts(*target.shape, dtype=DType.INT64), ts(classes) if is_weighted else None]
    call = make_call(op_type, *inputs, outputs=outputs, opset=opset, **attributes)
    assert counts(call) == tally.as_dict()
    assert [one.dims for one in call.outputs] == [one.shape for one in looped]
    if ignored is None or (target != ignored).any():
        expected = computed(op_type, [x, target, weight], opset, outputs, **attributes)
        for mine, theirs in zip(looped, expected, strict=True):
            np.testing.assert_allclose(mine.astype(float), theirs, rtol=1e-4, atol=1e-5)


def test_a_loss_by_hand():
    """10 classes for 4 samples of 5 positions: a change of sign each, 19 additions, 1 division."""
    call = make_call("NegativeLogLikelihoodLoss", ts(4, 10, 5), ts(4, 5, dtype=DType.INT64))
    assert counts(call) == {Arith.SIGN: 20, Arith.ADD: 19, Arith.DIV: 1}


def test_targets_that_do_not_fit_are_an_error():
    call = make_call("NegativeLogLikelihoodLoss", ts(4, 10, 5), ts(4, 5, dtype=DType.INT64))
    with pytest.raises(NodeError, match=r"wants a class for each position of \(4, 10, 5\), has them for \(4, 6\)"):
        terms(replace(call, inputs=(call.inputs[0], ts(4, 6))))


def test_another_reduction_is_an_error():
    call = make_call("SoftmaxCrossEntropyLoss", ts(4, 10), ts(4, dtype=DType.INT64))
    with pytest.raises(NodeError, match="wants reduction to be one of none, sum, mean, it is 'max'"):
        terms(replace(call, attributes={"reduction": "max"}))


@pytest.mark.parametrize("op_type", LOOPS)
def test_every_opset_has_a_rule(op_type):
    assert all(registry.find(op_type, "", opset) for opset in opsets(op_type))
