"""Ranges, windows and filters against loops, and against what onnx computes."""

from __future__ import annotations

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import generated
from oracles.checked import checks
from oracles.counting import Tally
from oracles.reference import computed, opsets

from graphcost.bounds import Bounds
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MICROSOFT = "com.microsoft"
WINDOWS = ("HannWindow", "HammingWindow", "BlackmanWindow")


@checks("Range")
@checks("Range", domain=MICROSOFT)
@pytest.mark.parametrize("domain", ["", MICROSOFT])
@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(-9, 9), limit=st.integers(-9, 9), delta=st.integers(-3, 3), opset=st.sampled_from(opsets("Range"))
)
def test_range(domain, start, limit, delta, opset):
    assume(delta != 0)
    expected = np.arange(start, limit, delta)
    tally = Tally()
    looped = generated.arithmetic_range(tally.number(start), tally.number(delta), len(expected))
    scalars = (np.array(one, np.float32) for one in (start, limit, delta))
    call = make_call("Range", *scalars, domain=domain, opset=1 if domain else opset)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(len(expected)),)
    assert [float(one) for one in looped] == expected.tolist()


def test_the_delta_of_onnxruntimes_range_may_be_left_out():
    assert make_call("Range", np.array(2), np.array([7]), domain=MICROSOFT).outputs == (ts(5, dtype=DType.INT64),)


def test_a_range_whose_ends_are_not_known_has_an_unknown_size():
    call = make_call("Range", ts(dtype=DType.INT64), np.array(7), domain=MICROSOFT)
    assert call.outputs == (TensorType(DType.INT64, (None,)),)
    with pytest.raises(UnknownShapeError):
        terms(call)


def test_a_range_that_stands_still_is_an_error():
    with pytest.raises(NodeError, match="delta other than 0"):
        make_call("Range", np.array(2), np.array(7), np.array(0), domain=MICROSOFT)


@checks(*WINDOWS)
@pytest.mark.parametrize("op_type", WINDOWS)
@settings(max_examples=200, deadline=None)
@given(size=st.integers(2, 12), periodic=st.integers(0, 1), opset=st.sampled_from(opsets("HannWindow")))
def test_windows(op_type, size, periodic, opset):
    tally = Tally()
    looped = generated.window(tally, op_type, size, periodic=periodic)
    call = make_call(op_type, np.array(size), opset=opset, periodic=periodic)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(size),)
    (expected,) = computed(op_type, [np.array(size)], opset, periodic=periodic)
    np.testing.assert_allclose([float(one) for one in looped], expected, atol=1e-6)


def test_a_window_computes_in_the_type_of_its_output():
    call = make_call("HannWindow", np.array(8), opset=17, output_datatype=11)
    assert {term.dtype for term in terms(call)} == {DType.FLOAT64}


MEL = (Arith.ADD, Arith.MUL, Arith.DIV, Arith.LOG, Arith.POW, Arith.ROUND, Arith.CMP)


@checks("MelWeightMatrix")
@settings(max_examples=200, deadline=None)
@given(
    triangles=st.integers(1, 8),
    dft_length=st.integers(1, 20).map(lambda half: 2 * half),  # an odd one has its last edge beyond the last bin
    sample_rate=st.sampled_from((8000, 16000, 44100)),
    share=st.sampled_from((0.0, 0.1234, 0.3171, 0.6113)),  # no edge lies on a bin, where rounding would decide
    opset=st.sampled_from(opsets("MelWeightMatrix")),
)
def test_mel_weight_matrix(triangles, dft_length, sample_rate, share, opset):
    high = sample_rate / 2
    low = float(np.float32(high * share))
    inputs = [np.array(one) for one in (triangles, dft_length, sample_rate)]
    inputs += [np.array(one, np.float32) for one in (low, high)]
    tally = Tally()
    looped = generated.mel_weight_matrix(tally, triangles, dft_length, sample_rate, low, high)
    call = make_call("MelWeightMatrix", *inputs, opset=opset)
    ends = {kind: Bounds.total(one.bounds for one in terms(call) if one.arith is kind) for kind in MEL}
    assert set(tally.as_dict()) <= set(MEL)
    for kind, one in ends.items():
        assert one.low <= tally[kind] <= one.high
        assert one.is_exact or kind in {Arith.ADD, Arith.DIV}
    (expected,) = computed("MelWeightMatrix", inputs, opset)
    assert call.outputs == (ts(*expected.shape),)
    np.testing.assert_allclose(looped, expected, atol=1e-5)


@pytest.mark.parametrize("op_type", ["Range", "MelWeightMatrix", *WINDOWS])
def test_every_opset_has_a_rule(op_type):
    assert all(registry.find(op_type, "", opset) for opset in opsets(op_type))
