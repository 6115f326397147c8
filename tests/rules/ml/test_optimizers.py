"""Steps of training against the specification's pseudo code over counting numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from oracles import optimizers
from oracles.checked import checks
from oracles.counting import Tally

from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType

TRAINING = "ai.onnx.preview.training"
coefficients = st.sampled_from((0.0, 0.1, 0.5))
LOOPS = {"Adagrad": (optimizers.adagrad, 3), "Adam": (optimizers.adam, 4), "Momentum": (optimizers.momentum, 3)}
ATTRIBUTES = {
    "Adagrad": {"norm_coefficient": coefficients, "decay_factor": coefficients, "epsilon": st.just(0.01)},
    "Adam": {
        "norm_coefficient": coefficients,
        "norm_coefficient_post": coefficients,
        "alpha": st.just(0.9),
        "beta": st.just(0.8),
        "epsilon": st.just(0.01),
    },
    "Momentum": {
        "norm_coefficient": coefficients,
        "alpha": st.just(0.9),
        "beta": st.just(0.8),
        "mode": st.sampled_from(("standard", "nesterov")),
    },
}


@checks(*LOOPS, domain=TRAINING)
@pytest.mark.parametrize("op_type", LOOPS)
@settings(max_examples=200, deadline=None)
@given(data=st.data(), shapes=st.lists(st.lists(st.integers(1, 3), max_size=2), min_size=1, max_size=2))
def test_steps_of_training(op_type, data, shapes):
    loop, groups = LOOPS[op_type]
    attributes = data.draw(st.fixed_dictionaries(ATTRIBUTES[op_type]))
    turn, rng = data.draw(st.integers(0, 3)), np.random.default_rng(len(shapes))
    arrays = [rng.uniform(0.1, 1, shape).astype(np.float32) for _ in range(groups) for shape in shapes]
    tally = Tally()
    flat = [np.concatenate([one.ravel() for one in group]) for group in np.split(as_objects(arrays), groups)]
    looped = loop(tally, tally.number(0.5), tally.number(turn), [tally.tensor(one) for one in flat], **attributes)
    call = call_of(op_type, shapes, groups, **attributes)
    found = counts(call)
    assert found == tally.as_dict() if turn or op_type != "Adam" else at_least(call) == tally.as_dict()
    assert [one.shape for one in call.outputs] == [tuple(one) for one in shapes] * (groups - 1)
    expected = computed(op_type, np.array(0.5, np.float32), np.array(turn), arrays, groups, attributes)
    together = [np.concatenate([np.ravel(one) for one in part]) for part in np.split(as_objects(expected), groups - 1)]
    np.testing.assert_allclose(np.array(looped, float).T, together, rtol=1e-4, atol=1e-5)


def as_objects(arrays):
    held = np.empty(len(arrays), object)
    held[:] = arrays
    return held


def at_least(call):
    fewest = dict.fromkeys((term.arith for term in terms(call)), 0)
    for term in terms(call):
        fewest[term.arith] += term.bounds.low
    return {kind: count for kind, count in fewest.items() if count}


def call_of(op_type, shapes, groups, **attributes):
    tensors = [ts(*shape) for _ in range(groups) for shape in shapes]
    outputs = (groups - 1) * len(shapes)
    return make_call(
        op_type, ts(), ts(dtype=DType.INT64), *tensors, outputs=outputs, opset=1, domain=TRAINING, **attributes
    )


def computed(op_type, rate, turn, arrays, groups, attributes):
    """Return what onnx's reference computes."""
    feeds = {f"x{place}": one for place, one in enumerate((rate, turn, *arrays))}
    outputs = [f"y{place}" for place in range(len(arrays) // groups * (groups - 1))]
    node = helper.make_node(op_type, list(feeds), outputs, domain=TRAINING, **attributes)
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(one.dtype), one.shape)
        for name, one in feeds.items()
    ]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    model = helper.make_model(
        helper.make_graph([node], "one", inputs, results), opset_imports=[helper.make_opsetid(TRAINING, 1)]
    )
    return ReferenceEvaluator(model).run(None, feeds)


def test_the_default_coefficients_of_regularization_take_no_work():
    call = call_of("Adagrad", [(2, 3)], 3)
    assert counts(call) == {Arith.MUL: 2 * 6, Arith.ADD: 3 * 6, Arith.SQRT: 6, Arith.DIV: 6}


def test_the_learning_rate_and_the_count_are_no_weights():
    assert registry.find("Adam", TRAINING, 1).not_weights == {"R", "T"}


def test_groups_of_different_length_are_an_error():
    call = call_of("Adagrad", [(2, 3)], 3)
    with pytest.raises(NodeError, match="wants 3 groups of as many tensors, there are 2 in all"):
        terms(replace(call, inputs=call.inputs[:-1]))


def test_another_mode_is_an_error():
    call = call_of("Momentum", [(2, 3)], 3, norm_coefficient=0.0, alpha=0.9, beta=0.8, mode="heavy")
    with pytest.raises(NodeError, match="wants mode to be one of standard, nesterov, it is 'heavy'"):
        terms(call)
