"""What a rule may ask of a call: whether an input is there, what is known of it, which word an attribute is."""

from __future__ import annotations

import numpy as np
import pytest
from calls import make_call, ts

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.types import DType, TensorType

CLIP = make_call("Clip", ts(3), None, np.array(2.0, np.float32))


def test_an_input_is_there_or_left_out_or_none_that_this_version_has():
    assert CLIP.has_input("max")
    assert not CLIP.has_input("min")
    assert not CLIP.has_input("bias")


def test_an_input_of_an_unknown_shape_is_there():
    call = make_call("Clip", ts(3), TensorType(DType.FLOAT32, None))
    assert call.has_input("min")
    with pytest.raises(UnknownShapeError):
        call.optional("min")


def test_elements_are_known_or_none():
    assert CLIP.known("max") == 2
    assert CLIP.known("input") is CLIP.known("min") is CLIP.known("bias") is None
    with pytest.raises(UnknownShapeError, match="the elements of input are not known"):
        CLIP.constant("input")


@pytest.mark.parametrize(("axis", "found"), [(np.array(1), 1), (np.array([-2]), -2), (ts(dtype=DType.INT64), None)])
def test_one_integer_is_known_or_none(axis, found):
    assert make_call("CumSum", ts(2, 3), axis).known_integer("axis") == found


def test_what_is_not_one_integer_is_an_error():
    with pytest.raises(NodeError, match="wants axis to have 1 element, it has 2"):
        make_call("CumSum", ts(2, 3), np.array([0, 1])).known_integer("axis")
    with pytest.raises(NodeError, match="wants max to be an integer, it is of type float32"):
        CLIP.known_integer("max")


def test_a_word_is_one_of_a_few():
    call = make_call("Gelu", ts(3), approximate="tanh")
    assert call.choice("approximate", ("none", "tanh")) == "tanh"
    assert call.choice("elsewhere", ("none", "tanh"), "none") == "none"
    with pytest.raises(NodeError, match="wants approximate to be one of none, erf, it is 'tanh'"):
        call.choice("approximate", ("none", "erf"))
    with pytest.raises(NodeError, match="wants the attribute elsewhere, there is none"):
        call.choice("elsewhere", ("none",))
