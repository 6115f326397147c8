"""Casts against a loop that counts, and against onnx."""

from __future__ import annotations

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from oracles import casts
from oracles.checked import checks
from oracles.counting import Tally
from oracles.reference import computed, opsets

from graphcost.errors import UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

NAMES = st.sampled_from(["float64", "float32", "float16", "int64", "int32", "int8", "uint8", "bool"])
shapes = st.lists(st.integers(0, 3), max_size=3)


@checks("Cast", "CastLike")
@settings(max_examples=300, deadline=None)
@given(shapes, NAMES, NAMES, st.sampled_from(opsets("Cast")), st.booleans())
def test_a_cast_computes_what_the_loop_does(shape, source, target, opset, like):
    x, tally = (np.arange(np.prod(shape, dtype=int)).reshape(shape) * 1.5).astype(source), Tally()
    looped = casts.cast(tally.tensor(x) if x.size else x, x.dtype, np.dtype(target))
    number = helper.np_dtype_to_tensor_dtype(np.dtype(target))
    given_type, other = TensorType(DType(source), x.shape), TensorType(DType(target), (7,))
    call = (
        make_call("CastLike", given_type, other, opset=19)
        if like
        else make_call("Cast", given_type, opset=opset, to=number)
    )
    assert counts(call) == tally.as_dict()
    assert call.outputs == (TensorType(DType(target), x.shape),)
    np.testing.assert_array_equal(looped, computed("Cast", [x], 19, to=number)[0].astype(float))


@pytest.mark.parametrize(
    ("source", "target"), [(DType.STRING, DType.FLOAT32), (DType.INT64, DType.STRING), (DType.STRING, DType.BOOL)]
)
def test_how_long_strings_are_is_not_known(source, target):
    call = make_call("CastLike", ts(2, 3, dtype=source), ts(dtype=target))
    with pytest.raises(UnknownShapeError, match="the lengths of the strings are not known"):
        terms(call)


def test_truncating_is_done_in_the_type_of_the_input():
    (term,) = terms(make_call("Cast", ts(2, 3, dtype=DType.FLOAT16), to=7))
    assert (term.arith, term.count, term.dtype) == (Arith.ROUND, 6, None)


def test_a_cast_reads_its_input_and_writes_its_output():
    assert registry.traffic(make_call("Cast", ts(2, 3), to=10)) == (24, 12)  # fp16 has half the bytes
    assert registry.traffic(make_call("CastLike", ts(2, 3), ts(1000, dtype=DType.FLOAT16))) == (24, 12)
