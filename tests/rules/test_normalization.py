"""Normalizations against loops over rows, and LRN's windows."""

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
from oracles.reference import computed, computed_by_body, opsets

from graphcost.call import Schema
from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.types import DType, TensorType

ALL = [
    *("BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization"),
    *("LRN", "LpNormalization", "MeanVarianceNormalization"),
]
EPSILON = 0.01
many = settings(max_examples=200, deadline=None)
seeds = st.integers(0, 999).map(np.random.default_rng)
images = st.lists(st.integers(1, 3), min_size=2, max_size=4).map(tuple)
"""Shapes (N, C, *spatial)."""


def tensor(rng, shape):
    return rng.uniform(0.5, 3, shape).astype(np.float32)


def types(inputs):
    return [None if one is None else ts(*one.shape) for one in inputs]


def numbers(tally, inputs):
    return [None if one is None else tally.tensor(one) for one in inputs]


def check(call, tally, looped, expected, rtol=1e-3):
    """Assert that the rule counts what the loop did, and that the loop computed what onnx computes."""
    assert counts(call) == tally.as_dict()
    if expected is not None:
        np.testing.assert_allclose(looped.astype(float), expected, rtol=rtol, atol=1e-4)


@checks("BatchNormalization")
@many
@given(images, seeds, st.sampled_from(opsets("BatchNormalization")))
def test_batch_normalization(shape, rng, opset):
    inputs = [tensor(rng, shape), *(tensor(rng, shape[1:2]) for _ in range(4))]
    tally = Tally()
    looped = rows.batch_normalization(numbers(tally, inputs), EPSILON)
    (expected,) = computed("BatchNormalization", inputs, 15, epsilon=EPSILON)  # before 14, the reference always trains
    check(make_call("BatchNormalization", *types(inputs), opset=opset, epsilon=EPSILON), tally, looped, expected)


@many
@given(images, seeds, st.integers(0, 2), st.sampled_from(opsets("BatchNormalization", first=14)))
def test_batch_normalization_in_training(shape, rng, extra, opset):
    inputs = [tensor(rng, shape), *(tensor(rng, shape[1:2]) for _ in range(4))]
    tally = Tally()
    looped = rows.batch_normalization_in_training(numbers(tally, inputs), tally, EPSILON, 0.9)
    attributes = {"epsilon": EPSILON, "momentum": 0.9, "training_mode": 1}
    expected = computed("BatchNormalization", inputs, opset, outputs=3, **attributes)
    for mine, theirs in zip(looped, expected, strict=True):
        np.testing.assert_allclose(mine.astype(float), theirs, rtol=1e-3, atol=1e-4)
    full = make_call("BatchNormalization", *types(inputs), opset=opset, outputs=3, **attributes)
    assert counts(full) == tally.as_dict()
    fewer = replace(full, outputs=full.outputs[: 1 + extra])
    unasked = (2 - extra) * shape[1]  # running averages: 2 products and a sum per channel
    assert sum(counts(full).values()) - sum(counts(fewer).values()) == 3 * unasked


@pytest.mark.parametrize("opset", [7, 8, 9, 13])
def test_batch_normalization_before_14_trains_where_it_gives_statistics(opset):
    inputs = [ts(2, 3, 4), *[ts(3)] * 4]
    training = make_call("BatchNormalization", *inputs, opset=opset, outputs=5)
    newer = make_call("BatchNormalization", *inputs, opset=14, outputs=3, training_mode=1)
    assert counts(training) == counts(newer)


@given(images, seeds)
def test_batch_normalization_per_activation(shape, rng):
    inputs = [tensor(rng, shape), *(tensor(rng, shape[1:]) for _ in range(4))]
    tally = Tally()
    looped = rows.batch_normalization(numbers(tally, inputs), EPSILON)
    check(make_call("BatchNormalization", *types(inputs), opset=7, spatial=0), tally, looped, None)


@checks("InstanceNormalization")
@many
@given(images.filter(lambda shape: len(shape) > 2), seeds, st.sampled_from(opsets("InstanceNormalization")))
def test_instance_normalization(shape, rng, opset):
    inputs = [tensor(rng, shape), tensor(rng, shape[1:2]), tensor(rng, shape[1:2])]
    tally = Tally()
    looped = rows.instance_normalization(numbers(tally, inputs), tally, EPSILON)
    (expected,) = computed("InstanceNormalization", inputs, opset, epsilon=EPSILON)
    check(make_call("InstanceNormalization", *types(inputs), opset=opset), tally, looped, expected)


def group_call(inputs, opset, **attributes):
    """Return the call; onnx has deprecated opset 18's version, and infers nothing for it."""
    call = make_call("GroupNormalization", *inputs, opset=max(opset, 21), **attributes)
    if opset >= 21:
        return call
    return replace(call, opset=opset, schema=Schema(18, ("X", "scale", "bias"), ("Y",), {"epsilon": 1e-5}))


@checks("GroupNormalization")
@many
@given(images, seeds, st.integers(1, 3), st.sampled_from(range(18, 29)))
def test_group_normalization(shape, rng, groups, opset):
    shape = (shape[0], shape[1] * groups, *shape[2:])
    weights = groups if opset < 21 else shape[1]
    inputs = [tensor(rng, shape), tensor(rng, (weights,)), tensor(rng, (weights,))]
    tally = Tally()
    looped = rows.group_normalization(numbers(tally, inputs), tally, EPSILON, groups, opset)
    expected = None
    if opset >= 21 and len(shape) > 2:
        (expected,) = computed_by_body("GroupNormalization", inputs, opset, epsilon=EPSILON, num_groups=groups)
    check(group_call(types(inputs), opset, num_groups=groups), tally, looped, expected)


@st.composite
def from_an_axis(draw):
    """Draw a shape, an axis, and the shape of a scale that is broadcast over the axes from there."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return shape, axis, draw(st.sampled_from((shape[axis:], shape[-1:])))


@checks("LayerNormalization")
@many
@given(from_an_axis(), seeds, st.booleans(), st.sampled_from((1, 3)), st.sampled_from(opsets("LayerNormalization")))
def test_layer_normalization(drawn, rng, has_bias, outputs, opset):
    shape, axis, own = drawn
    inputs = [tensor(rng, shape), tensor(rng, own), tensor(rng, own) if has_bias else None]
    tally, attributes = Tally(), {"axis": axis, "epsilon": EPSILON}
    looped = rows.layer_normalization(numbers(tally, inputs), tally, **attributes)
    expected = (
        computed("LayerNormalization", inputs, opset, outputs=3, **attributes)[0] if own == shape[axis:] else None
    )
    call = make_call("LayerNormalization", *types(inputs), opset=opset, outputs=outputs, **attributes)
    check(call, tally, looped, expected)


@checks("RMSNormalization")
@many
@given(from_an_axis(), seeds, st.sampled_from(opsets("RMSNormalization")))
def test_rms_normalization(drawn, rng, opset):
    shape, axis, own = drawn
    inputs = [tensor(rng, shape), tensor(rng, own)]
    tally, attributes = Tally(), {"axis": axis, "epsilon": EPSILON}
    looped = rows.rms_normalization(numbers(tally, inputs), tally, **attributes)
    (expected,) = computed("RMSNormalization", inputs, opset, **attributes)
    check(make_call("RMSNormalization", *types(inputs), opset=opset, **attributes), tally, looped, expected)


@checks("MeanVarianceNormalization")
@many
@given(
    st.lists(st.integers(2, 4), min_size=4, max_size=4).map(tuple),
    seeds,
    st.none() | st.lists(st.integers(-4, 3), min_size=1, max_size=3, unique_by=lambda axis: axis % 4),
    st.sampled_from(opsets("MeanVarianceNormalization")),
)
def test_mean_variance_normalization(shape, rng, axes, opset):
    attributes = {} if axes is None else {"axes": axes}
    x = rng.permutation(np.arange(float(np.prod(shape)))).reshape(shape).astype(np.float32)  # no two are close
    x, tally = x - x.mean(), Tally()
    looped = rows.mean_variance_normalization(tally.tensor(x), tally, axes or (0, 2, 3))
    (expected,) = computed("MeanVarianceNormalization", [x], opset, **attributes)
    call = make_call("MeanVarianceNormalization", ts(*shape), opset=opset, **attributes)
    check(call, tally, looped, expected, rtol=1e-2)  # onnx computes E(X^2) - (EX)^2, which loses digits


@checks("LpNormalization")
@many
@given(images, seeds, st.integers(0, 3), st.sampled_from((1, 2)), st.sampled_from(opsets("LpNormalization")))
def test_lp_normalization(shape, rng, axis, p, opset):
    x, tally, attributes = tensor(rng, shape), Tally(), {"axis": axis % len(shape), "p": p}
    looped = rows.lp_normalization(tally.tensor(x), tally, **attributes)
    (expected,) = computed("LpNormalization", [x], opset, **attributes)
    check(make_call("LpNormalization", ts(*shape), opset=opset, **attributes), tally, looped, expected)


@checks("LRN")
@many
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 2), st.integers(1, 2)),
    seeds,
    st.integers(1, 8),
    st.sampled_from(opsets("LRN")),
)
def test_local_response_normalization(shape, rng, size, opset):
    x, tally, attributes = tensor(rng, shape), Tally(), {"size": size, "alpha": 0.5, "beta": 0.75, "bias": 1.0}
    looped = rows.local_response_normalization(tally.tensor(x), tally, **attributes)
    squared = shape[0] == shape[1]  # onnx's reference runs over as many channels as there are samples
    expected = computed("LRN", [x], opset, **attributes)[0] if squared else None
    check(make_call("LRN", ts(*shape), opset=opset, **attributes), tally, looped, expected)


@pytest.mark.parametrize("op_type", ALL)
def test_every_opset_has_a_rule(op_type):
    assert all(registry.find(op_type, "", opset) for opset in opsets(op_type))


def test_stash_type_is_the_type_of_the_first_stage():
    half = [ts(2, 3, dtype=DType.FLOAT16), ts(3, dtype=DType.FLOAT16), ts(3, dtype=DType.FLOAT16)]
    found = {term.what: term.dtype for term in terms(make_call("LayerNormalization", *half))}
    assert found["d * InvStdDev"] is DType.FLOAT32
    assert found["* Scale"] is None  # the input's own


@pytest.mark.parametrize("op_type", ["GroupNormalization", "MeanVarianceNormalization"])
def test_a_function_has_a_type_as_far_as_its_input_is_known(op_type):
    x = TensorType(DType.FLOAT16, (None, 4, None))
    assert make_call(op_type, x, ts(4), ts(4)).outputs == (x,)


GROUPED = make_call("GroupNormalization", ts(1, 4, 2), ts(4), ts(4), num_groups=2)
NORMED = make_call("BatchNormalization", ts(1, 4, 2), *[ts(4)] * 4)
WRONG = [
    (replace(GROUPED, attributes={"num_groups": 3}), "divisor of the 4 channels of X, it is 3"),
    (replace(GROUPED, attributes={"num_groups": 2, "stash_type": 7}), "stash_type to be one of 1, 10, 11, 16, it is 7"),
    (replace(NORMED, inputs=(ts(1, 4, 2), *[ts(5)] * 4)), r"scale of shape \(4,\) for X of shape \(1, 4, 2\)"),
    (make_call("LpNormalization", ts(3, 3), p=3), "wants p to be 1 or 2, it is 3"),
    (make_call("LRN", ts(3, 3), size=0), "wants a size of 1 or more, it is 0"),
    (make_call("LRN", ts(3), size=3), r"wants X of shape \(N, C, ...\), it is \(3,\)"),
    (make_call("MeanVarianceNormalization", ts(3, 3)), "wants an axis from -2 to 1, it is 2"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_what_breaks_the_specification_is_an_error(call, message):
    with pytest.raises(NodeError, match=message):
        terms(call)
