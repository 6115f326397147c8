"""Every elementwise operator against the loop that its text describes, counted and computed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from oracles.checked import checks
from oracles.counting import Tally
from oracles.elementwise import ORACLES, run
from oracles.reference import computed, opsets

from graphcost.errors import NodeError
from graphcost.rules import elementwise, registry
from graphcost.terms import Arith
from graphcost.types import DType

RULES = {"Gelu", "Where", "Sum", "Mean", "Max", "Min", "Clip", "IsInf"}
UNSHAPED = {"GreaterOrEqual", "LessOrEqual"}  # onnx infers no shape for these from opset 12 to 15


def shapes_of(op_type, opset, oracle):
    """Draw the inputs' shapes: broadcast where the operator at this opset takes that."""
    if op_type == "SwiGLU" or (oracle.is_variadic and opset < 8):
        sides = st.lists(st.integers(0, 3), max_size=3).map(tuple)
        return sides.flatmap(lambda shape: st.integers(1, 3).map(lambda n: [shape] * (oracle.arity or n)))
    number = st.integers(1, 4) if oracle.is_variadic else st.just(oracle.arity)
    drawn = number.flatmap(lambda n: mutually_broadcastable_shapes(num_shapes=n, min_dims=0, max_dims=3, max_side=3))
    if op_type == "PRelu":  # the slope is broadcast to X, not X to the slope
        return drawn.map(lambda found: [found.result_shape, found.input_shapes[1]])
    return drawn.map(lambda found: list(found.input_shapes))


@st.composite
def applications(draw, op_type):
    """Draw one application: its opset, input arrays on which it does the most work, and attributes."""
    oracle, opset = ORACLES[op_type], draw(st.sampled_from(opsets(op_type)))
    seed = np.random.default_rng(draw(st.integers(0, 2**16)))
    shapes = draw(shapes_of(op_type, opset, oracle))
    arrays = [np.asarray(seed.uniform(*oracle.worst, shape)).astype(oracle.dtype) for shape in shapes]
    if op_type == "Where":
        arrays[0] = arrays[0] > 1.5
    return opset, arrays, {name: draw(st.sampled_from(found)) for name, found in oracle.attributes.items()}


def node_of(op_type, opset, arrays, attributes):
    """Return inputs and attributes as the operator takes them at this opset; None: left out."""
    if op_type == "Clip" and opset >= 11:
        return [*arrays, *(None if one is None else np.float32(one) for one in attributes.values())], {}
    return arrays, {name: value for name, value in attributes.items() if value is not None}


def reference(op_type, opset, inputs, attributes):
    """Return what onnx computes; its Mean adds in place, and so can't broadcast its first input."""
    if op_type == "Mean":
        inputs = [np.array(one) for one in np.broadcast_arrays(*inputs)]
    return computed(op_type, inputs, opset, **attributes)[0]


def call_of(op_type, opset, inputs, attributes):
    types = [None if one is None else ts(*one.shape, dtype=DType(one.dtype.name)) for one in inputs]
    call = make_call(op_type, *types, opset=opset, **attributes)
    if op_type in UNSHAPED:
        return replace(call, outputs=(ts(*np.broadcast_shapes(*(one.shape for one in inputs)), dtype=DType.BOOL),))
    return call


def test_every_row_and_rule_has_an_oracle_and_the_reverse():
    assert set(elementwise.TABLE) | RULES == set(ORACLES)


@pytest.mark.parametrize("op_type", ORACLES)
def test_every_opset_has_a_rule(op_type):
    assert all(registry.find(op_type, "", opset) for opset in opsets(op_type))


@checks(*ORACLES)
@pytest.mark.parametrize("op_type", ORACLES)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_rule_counts_and_loop_computes(op_type, data):
    opset, arrays, attributes = data.draw(applications(op_type))
    tally = Tally()
    looped = run(ORACLES[op_type], tally, arrays, attributes)
    inputs, given_attributes = node_of(op_type, opset, arrays, attributes)
    assert counts(call_of(op_type, opset, inputs, given_attributes)) == tally.as_dict()
    if looped.ndim:  # onnx's reference refuses scalars here and there
        expected = reference(op_type, opset, inputs, given_attributes)
        assert looped.shape == expected.shape
        np.testing.assert_allclose(looped, expected.astype(float), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("op_type", ["LeakyRelu", "PRelu", "Elu", "Selu", "Shrink"])
def test_no_branch_does_more_than_the_rule_says(op_type):
    oracle, most = ORACLES[op_type], Counter()
    for value in (-2.0, -0.2, 0.0, 0.2, 2.0):
        tally = Tally()
        attributes = {name: found[1] for name, found in oracle.attributes.items()}
        oracle.element(*(tally.number(value) for _ in range(oracle.arity)), **attributes)
        most |= Counter(tally.as_dict())
    assert counts(make_call(op_type, *[ts()] * oracle.arity)) == most


def test_terms_name_the_formula_and_its_factors():
    mish = {term.arith: term for term in terms(make_call("Mish", ts(2, 3)))}
    assert mish[Arith.TANH].what == "x * tanh(log(1 + exp(x)))"
    assert dict(mish[Arith.TANH].factors) == {"outputs": 6, "per_output": 1}


def test_where_computes_in_the_type_of_its_choices():
    call = make_call("Where", ts(3, dtype=DType.BOOL), ts(3, dtype=DType.FLOAT16), ts(3, dtype=DType.FLOAT16))
    assert [term.dtype for term in terms(call)] == [DType.FLOAT16]


def test_an_unknown_approximation_is_an_error():
    with pytest.raises(NodeError, match=r"wants approximate to be one of none, tanh, it is 'fast'"):
        terms(make_call("Gelu", ts(3), approximate="fast"))


@pytest.mark.parametrize("op_type", ORACLES)
def test_every_operator_can_write_over_its_input(op_type):
    assert registry.find(op_type, "", 28).overwrites


@pytest.mark.parametrize("op_type", ORACLES)
def test_every_operator_says_its_formula_and_source(op_type):
    doc = registry.find(op_type, "", 28).doc
    assert "=" in doc
    assert f"https://onnx.ai/onnx/operators/onnx__{op_type}.html" in doc
