"""Causal convolutions with a state against loops over positions."""

from __future__ import annotations

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import linear_attention as loops
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed

from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType

MS = "com.microsoft"
SIZES = st.integers(1, 3)


@st.composite
def cases(draw):
    """Draw (input, weight, bias, past) as plain arrays, or None, the activation, and the dilation."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    batch, channels, length, kernel, dilation = (draw(SIZES) for _ in range(5))
    shapes = [(batch, channels, length), (channels, 1, kernel), (channels,), (batch, channels, (kernel - 1) * dilation)]
    inputs = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    for optional in (2, 3):
        if draw(st.booleans()):
            inputs[optional] = None
    return inputs, draw(st.sampled_from(["none", "silu", "swish"])), dilation


def types_of(inputs):
    return [None if one is None else ts(*one.shape) for one in inputs]


@checks("CausalConvWithState")
@checks("CausalConvWithState", domain=MS)
@settings(max_examples=250, deadline=None)
@given(cases())
def test_a_causal_convolution_counts_what_the_loop_does(drawn):
    inputs, activation, dilation = drawn
    tally = Tally()
    numbers = [None if one is None else tally.tensor(one) for one in inputs]
    output, state = loops.causal_conv(tally, *numbers, activation=activation, dilation=dilation)
    said = {"activation": activation, "dilation": dilation}
    call = make_call("CausalConvWithState", *types_of(inputs), domain=MS, outputs=2, **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*output.shape), ts(*state.shape))
    if dilation == 1:
        expected = computed("CausalConvWithState", inputs, 27, outputs=2, activation=activation)
        np.testing.assert_allclose(values(output), expected[0], atol=1e-5)
        np.testing.assert_allclose(values(state), expected[1], atol=1e-5)
        call = make_call("CausalConvWithState", *types_of(inputs), opset=27, outputs=2, activation=activation)
        assert counts(call) == tally.as_dict()
        assert [one.dims for one in call.outputs] == [output.shape, state.shape]


@checks("VarlenCausalConvWithState", domain=MS)
@settings(max_examples=200, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=3), SIZES, SIZES, st.booleans(), st.sampled_from(["none", "silu"]))
def test_sequences_side_by_side_count_what_the_loop_does(lengths, channels, kernel, has_bias, activation):
    tally = Tally()
    bias = tally.some(channels) if has_bias else None
    for length in lengths:
        x, past = tally.some(1, channels, length), tally.some(1, channels, kernel - 1)
        loops.causal_conv(tally, x, tally.some(channels, 1, kernel), bias, past, activation=activation)
    inputs = [ts(sum(lengths), channels), ts(channels, 1, kernel), ts(len(lengths) + 1, dtype=DType.INT32)]
    inputs += [ts(channels) if has_bias else None, ts(len(lengths), channels, kernel - 1)]
    call = make_call("VarlenCausalConvWithState", *inputs, domain=MS, outputs=2, activation=activation)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (inputs[0], inputs[4])


def test_the_order_of_the_axes_costs_nothing():
    first = make_call("CausalConvWithState", ts(2, 6, 5), ts(6, 1, 4), domain=MS, outputs=2)
    last = make_call("CausalConvWithState", ts(2, 5, 2, 3), ts(6, 1, 4), domain=MS, outputs=2, channels_last=1)
    assert counts(first) == counts(last) == {Arith.MAC: 2 * 6 * 5 * 4}
    assert last.outputs == (ts(2, 5, 2, 3), ts(2, 3, 2, 3))


def test_of_a_window_of_states_only_the_last_is_read():
    inputs = [ts(1, 2, 4), ts(2, 1, 3), None, ts(5, 1, 2, 2)]
    call = make_call("CausalConvWithState", *inputs, domain=MS, outputs=2, state_window=5)
    assert call.outputs[1] == ts(5, 1, 2, 2)
    assert registry.traffic(call) == ((8 + 6 + 4) * 4, (8 + 5 * 4) * 4)


def test_the_state_of_more_axes_is_not_known():
    call = make_call("CausalConvWithState", ts(1, 2, 4, 4), ts(2, 1, 3, 3), domain=MS, outputs=2, ndim=2)
    assert call.outputs == (ts(1, 2, 4, 4), None)
    assert counts(call)[Arith.MAC] == 2 * 16 * 9


@pytest.mark.parametrize(
    ("weight", "said", "message"),
    [
        (ts(3, 1, 2), {}, r"wants weight of shape \(2, 1, kernel\), it is \(3, 1, 2\)"),
        (ts(2, 1, 2), {"activation": "relu"}, "wants activation to be one of none, silu, swish, it is 'relu'"),
    ],
)
def test_what_does_not_fit_is_named(weight, said, message):
    with pytest.raises(NodeError, match=message):
        terms(make_call("CausalConvWithState", ts(1, 2, 4), weight, domain=MS, **said))
