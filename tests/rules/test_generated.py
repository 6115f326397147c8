"""Ranges, windows and filters against loops, and against what onnx computes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ml_dtypes import bfloat16
from onnx import helper
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


@pytest.mark.parametrize(
    "inputs",
    [
        [np.array(0), np.array(4), np.array(0)],
        [np.array(0), np.array(4), np.array(0.5)],
        [ts(dtype=DType.STRING), ts(dtype=DType.STRING), ts(dtype=DType.STRING)],
        [np.array(0), np.array([4, 5]), np.array(1)],
    ],
)
def test_a_range_that_breaks_the_specification_is_refused(inputs):
    with pytest.raises(NodeError):
        make_call("Range", *inputs)


steps = st.integers(-20, 20)


def arranged(*numbers, dtype=np.int64, rank=0, opset=11):
    return make_call("Range", *(np.array(one, dtype).reshape((1,) * rank) for one in numbers), opset=opset).outputs[0]


@settings(max_examples=200, deadline=None)
@given(steps, steps, steps.filter(bool), st.sampled_from([np.int16, np.int32, np.int64, np.float32, np.float64]))
def test_a_range_of_whole_numbers_is_as_long_as_pythons(start, limit, delta, dtype):
    found = arranged(start, limit, delta, dtype=dtype)
    assert found.shape == (len(range(start, limit, delta)),)
    assert found.dtype is DType(np.dtype(dtype).name)


@settings(max_examples=200, deadline=None)
@given(steps, steps, steps.filter(bool), st.sampled_from([np.float16, bfloat16, np.float32, np.float64]))
def test_a_range_of_quarters_is_as_long_as_that_of_whole_numbers(start, limit, delta, dtype):
    found = arranged(start / 4, limit / 4, delta / 4, dtype=dtype, opset=27)
    assert found.shape == (len(range(start, limit, delta)),)


def test_a_range_of_large_whole_numbers_is_exact():
    assert arranged(0, 2**62 + 1, 2**61).shape == (3,)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_range_takes_single_elements_of_any_rank(rank):
    """As onnxruntime does, and as the function body of AffineGrid needs it."""
    assert arranged(0, 5, 2, rank=rank).shape == (3,)


def test_where_rounding_decides_the_length_is_unknown():
    """onnxruntime 1.31 gives 11 elements, onnx's inference says 10."""
    assert arranged(0.1, 1.1, 0.1, dtype=np.float32).shape == (None,)
    assert arranged(0, np.inf, 1, dtype=np.float32).shape == (None,)


def test_a_range_that_only_the_run_knows_has_one_axis():
    assert make_call("Range", np.array(0), ts(dtype=DType.INT64), np.array(1)).outputs[0].shape == (None,)


def test_what_onnx_itself_says_is_wrong():
    """The reason for a rule of our own."""
    node = helper.make_node("Range", ["s", "l", "d"], ["y"])
    numbers = {name: np.array(one, np.float32) for name, one in zip("sld", (0.1, 1.1, 0.1), strict=True)}
    types = {name: helper.make_tensor_type_proto(1, ()) for name in numbers}
    data = {name: onnx.numpy_helper.from_array(one) for name, one in numbers.items()}
    schema = onnx.defs.get_schema("Range", 11)
    found = onnx.shape_inference.infer_node_outputs(schema, node, types, data)["y"]
    assert found.tensor_type.shape.dim[0].dim_value == 10
