"""Dropout: nothing in inference, a random mask in training."""

from __future__ import annotations

import numpy as np
import pytest
from calls import counts, make_call, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.checked import checks
from oracles.counting import Tally
from oracles.fused import added
from oracles.reference import opsets

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.types import DType, TensorType

TRUE, FALSE = np.array(1) == 1, np.array(0) == 1


def traffic(call):
    return registry.find("Dropout", "", call.opset).traffic(call)


def loop(tally, values, ratio):
    scale = 1.0 / (1.0 - ratio)
    for value in values:
        mask = tally.number(tally.random() >= ratio)
        value * mask * scale


@checks("Dropout")
@settings(max_examples=200, deadline=None)
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


MICROSOFT = "com.microsoft"
PACKED = ("BitmaskDropout", "BitmaskBiasDropout")
sizes = st.integers(1, 7)


@checks("BiasDropout", "BitmaskDropout", "BitmaskBiasDropout", domain=MICROSOFT)
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(("BiasDropout", *PACKED)),
    st.lists(sizes, min_size=1, max_size=3).map(tuple),
    st.sampled_from(("vector", "whole")),
    st.booleans(),
    st.sampled_from((None, FALSE, TRUE)),
)
def test_fused_dropout(op_type, shape, kind, has_residual, mode):
    tally = Tally()
    x, ratio = tally.some(*shape), ts()
    inputs, y = [ts(*shape)], x
    if op_type != "BitmaskDropout":
        bias, residual = tally.some(*(shape if kind == "whole" else shape[-1:])), tally.some(*shape)
        y = added(x, bias)
        inputs += [ts(*bias.shape), ts(*shape) if has_residual else None]
    if mode is TRUE:
        loop(tally, y.flat, 0.5)
    if op_type != "BitmaskDropout" and has_residual:
        added(y, residual)
    call = make_call(op_type, *inputs, ratio, None if mode is None else np.array(mode), domain=MICROSOFT, outputs=2)
    assert counts(call) == tally.as_dict()
    words = np.packbits(np.ones(shape, bool)).size  # bytes; four of them make one element of the mask
    mask = ts(-(-words // 4), dtype=DType.UINT32) if op_type in PACKED else ts(*shape, dtype=DType.BOOL)
    assert call.outputs == (ts(*shape), mask)


def test_the_packed_mask_is_all_that_inference_writes():
    call = make_call("BitmaskDropout", ts(5, 7), domain=MICROSOFT, outputs=2)
    assert registry.of(call).traffic(call) == (0, 2 * 4)  # 35 bits in two words


def test_a_mask_of_unknown_size_is_unknown():
    call = make_call("BitmaskDropout", TensorType(DType.FLOAT32, (None, 7)), domain=MICROSOFT, outputs=2)
    assert call.outputs[1] == TensorType(DType.UINT32, (None,))


def test_a_bias_of_another_shape_is_an_error():
    with pytest.raises(NodeError, match=r"wants bias of shape \(4,\) or \(2, 4\), it is \(2,\)"):
        counts(make_call("BiasDropout", ts(2, 4), ts(2), domain=MICROSOFT))
