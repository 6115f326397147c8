"""Dropout: nothing in inference, a random mask in training."""

from __future__ import annotations

import numpy as np
import pytest
from calls import counts, make_call, ts
from hypothesis import given
from hypothesis import strategies as st
from oracles.counting import Tally
from oracles.reference import opsets

from graphcost.errors import UnknownShapeError
from graphcost.rules import registry
from graphcost.types import DType

TRUE, FALSE = np.array(1) == 1, np.array(0) == 1


def traffic(call):
    return registry.find("Dropout", "", call.opset).traffic(call)


def loop(tally, values, ratio):
    scale = 1.0 / (1.0 - ratio)
    for value in values:
        mask = tally.number(tally.random() >= ratio)
        value * mask * scale


@given(st.lists(st.integers(0, 4), max_size=3), st.sampled_from(opsets("Dropout", first=12)))
def test_training(shape, opset):
    tally = Tally()
    loop(tally, tally.tensor(np.ones(shape)).flat, 0.5)
    call = make_call("Dropout", ts(*shape), ts(), np.array(TRUE), opset=opset)
    assert counts(call) == tally.as_dict()


def test_training_is_the_default_before_opset_7():
    tally = Tally()
    loop(tally, tally.tensor(np.ones((2, 3))).flat, 0.5)
    assert counts(make_call("Dropout", ts(2, 3), opset=6)) == tally.as_dict()
    assert counts(make_call("Dropout", ts(2, 3), opset=6, is_test=1)) == {}


@pytest.mark.parametrize("opset", opsets("Dropout", last=11))
def test_before_opset_12_it_computes_nothing(opset):
    assert counts(make_call("Dropout", ts(2, 3), opset=opset)) == {}


INFERENCE = [
    (make_call("Dropout", ts(2, 3), opset=7), (0, 0)),  # another name
    (make_call("Dropout", ts(2, 3), opset=12), (0, 0)),
    (make_call("Dropout", ts(2, 3), ts(), np.array(FALSE)), (0, 0)),
    (make_call("Dropout", ts(2, 3), outputs=2), (0, 6)),  # the mask, a byte each
]


@pytest.mark.parametrize(("call", "expected"), INFERENCE)
def test_inference_computes_nothing_and_writes_no_more_than_the_mask(call, expected):
    assert counts(call) == {}
    assert traffic(call) == expected


def test_training_reads_and_writes_all():
    call = make_call("Dropout", ts(2, 3), ts(), np.array(TRUE), outputs=2)
    assert traffic(call) == (6 * 4 + 4 + 1, 6 * 4 + 6)  # data, ratio, training_mode; output, mask


def test_an_unknown_mode_is_unknown():
    call = make_call("Dropout", ts(2, 3), None, ts(dtype=DType.BOOL))
    with pytest.raises(UnknownShapeError, match="training_mode"):
        counts(call)
