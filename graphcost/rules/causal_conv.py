"""Causal convolutions that keep the last inputs as their state: one kernel per channel, over the past and the present.

Positions before the first count as work, as padded ones do for Conv.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from graphcost.rules.elementwise import SILU
from graphcost.rules.registry import MICROSOFT, each_once, rule
from graphcost.rules.shared.scaled_dot_product import dims_of
from graphcost.rules.shared.sizes import where_known
from graphcost.terms import Arith, work
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim


MICROSOFT.signature(
    "CausalConvWithState",
    "input weight bias? past_state? -> output present_state",
    state_window=0,
    channels_last=0,
    dilation=1,
    ndim=1,
    activation="none",
)
MICROSOFT.signature(
    "VarlenCausalConvWithState",
    "input weight cumulative_sequence_length bias? initial_state capture_count? -> output final_state state_update?",
    state_update_capacity=0,
    dilation=1,
    activation="none",
)


def reads_last_state(call: Call) -> tuple[int, int]:
    """Return the traffic: of a window of past states only the last is read."""
    read, written = each_once(call)
    window, past = call.attr_or("state_window", int, 0), call.optional("past_state")
    unread = past.bytes - past.bytes // window if past and window else 0
    return read - unread, written


@rule("CausalConvWithState", since=27, not_weights="past_state", state="present_state")
@MICROSOFT.rule(
    "CausalConvWithState",
    traffic=reads_last_state,
    not_weights="past_state",
    state="present_state",
)
@MICROSOFT.rule("VarlenCausalConvWithState", not_weights="initial_state", state="final_state")
def causal_conv_with_state(call: Call) -> Iterator[Term]:
    """Output[n, c, t] = activation(bias[c] + sum over j of padded[n, c, t + j*dilation] * weight[c, 0, j]).

    input: (batch, channels, length), weight: (channels, 1, kernel), bias: (channels,); `padded` is the past state, or
    zeros, followed by the input. com.microsoft allows more axes and another order of them; VarlenCausalConvWithState
    takes all sequences side by side, (tokens, channels). Every output element sums a whole kernel. The activation silu
    (swish) is x * Sigmoid(x). States are copies.

    Source: https://onnx.ai/onnx/operators/onnx__CausalConvWithState.html,
    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.CausalConvWithState,
    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.VarlenCausalConvWithState
    """
    x, weight = call.input("input"), call.input("weight")
    _check_channels(call, x, weight)
    yield work("X*W", Arith.MAC, wrt=("input", "weight"), outputs=x.elements, kernel=prod(weight.dims[2:]))
    if call.optional("bias"):
        yield work("+ bias", Arith.ADD, outputs=x.elements)
    if call.choice("activation", ("none", "silu", "swish")) != "none":
        yield from SILU.over(x.elements)


def _check_channels(call: Call, x: TensorType, weight: TensorType) -> None:
    if x.rank < 2:
        raise call.error(f"wants input of rank 2 or more, it is of rank {x.rank}")
    channels = prod(x.dims[2:]) if call.attr_or("channels_last", int, 0) else x.dims[1]
    if weight.rank < 3 or weight.dims[:2] != (channels, 1):
        raise call.error(f"wants weight of shape ({channels}, 1, kernel), it is {weight.dims}")


@MICROSOFT.types("CausalConvWithState")
def causal_conv_types(call: Call) -> Iterator[TensorType]:
    """The output is as the input, a state (batch, channels, past); the state of more than one axis is not specified."""
    x, past, window = call.partial("input"), _past(call), call.attr("state_window", int)
    yield x
    if call.attr("ndim", int) == 1 and x.shape:
        last = call.attr("channels_last", int)
        state = (x.shape[0], past, *x.shape[2:]) if last else (*x.shape[:2], past)
        yield TensorType(x.dtype, (window, *state) if window else state)


@MICROSOFT.types("VarlenCausalConvWithState")
def varlen_causal_conv_types(call: Call) -> Iterator[TensorType]:
    """The output is as the input, the final state as the initial one, an update has C inputs of each sequence."""
    x, state = call.partial("input"), call.partial("initial_state")
    yield x
    yield state
    batch, channels, _ = dims_of(call, "initial_state", 3)
    yield TensorType(x.dtype, (batch, call.attr("state_update_capacity", int), channels))


def _past(call: Call) -> Dim:
    kernel, dilation = (shape_of(call.partial("weight")) or (None,))[-1], call.attr("dilation", int)
    return where_known(lambda size: (size - 1) * dilation, kernel)
