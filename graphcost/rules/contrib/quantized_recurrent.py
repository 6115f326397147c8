"""The LSTM whose weights are quantized beforehand, and whose inputs and states are quantized in every run."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from graphcost.rules.quantized import dynamically_quantized, is_beforehand
from graphcost.rules.recurrent import lstm
from graphcost.rules.registry import MICROSOFT
from graphcost.terms import Arith, in_type, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

MICROSOFT.signature(
    "DynamicQuantizeLSTM",
    "X W R B? sequence_lens? initial_h? initial_c? P? W_scale W_zero_point R_scale R_zero_point -> Y? Y_h? Y_c?",
    direction="forward",
    input_forget=0,
)


@MICROSOFT.rule(
    "DynamicQuantizeLSTM",
    not_weights="sequence_lens initial_h initial_c W_scale W_zero_point R_scale R_zero_point",
)
def dynamic_quantize_lstm(call: Call) -> Iterator[Term]:
    """Ht = ot (.) h(Ct), Ct = ft (.) Ct-1 + it (.) ct: an LSTM, but for its products of quantized numbers.

    X*W = x_scale * W_scale * (x - x_zero_point) * (W - W_zero_point), H*R likewise; the two are added. x is X through
    DynamicQuantizeLinear, as a whole; h is H, in every step and direction as a whole, as one thread of onnxruntime
    does. The zero points of W and R that are known before any run, as W and R are, cost none.

    X: (steps, batch, input_size), W: (directions, input_size, 4*hidden_size), R: (directions, hidden_size,
    4*hidden_size), W_scale, R_scale: (directions,) or (directions, 4*hidden_size). All else is as for LSTM.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DynamicQuantizeLSTM
    """
    x_by_w, h_by_r, *others = lstm(_with_rows_of_gates(call))
    sums = prod(size for _, size in x_by_w.factors[:-1])
    yield from _quantized(call)
    yield from in_type(DType.UINT8, (x_by_w, h_by_r))
    yield work("X*W * scale, H*R * scale", Arith.MUL, sums=sums, products=2)
    yield work("X*W + H*R", Arith.ADD, sums=sums)
    yield from others


def _quantized(call: Call) -> Iterator[Term]:
    x, w, r = call.input("X"), call.input("W"), call.input("R")
    steps, batch, inputs = x.dims
    directions, hidden, _ = r.dims
    gates = 3 if call.attr("input_forget", int) else 4
    yield from dynamically_quantized("X", x.elements, tensors=1, dtype=x.dtype)
    yield from dynamically_quantized("H", batch * hidden, tensors=steps * directions, dtype=x.dtype)
    yield work("x - x_zero_point", Arith.ADD, dtype=DType.UINT8, elements=x.elements)
    yield work("h - h_zero_point", Arith.ADD, dtype=DType.UINT8, states=steps * directions, elements=batch * hidden)
    columns = directions * gates * hidden
    if not is_beforehand(call, "W", "W_zero_point"):
        yield work("W - W_zero_point", Arith.ADD, dtype=w.dtype, columns=columns, inputs=inputs)
    if not is_beforehand(call, "R", "R_zero_point"):
        yield work("R - R_zero_point", Arith.ADD, dtype=r.dtype, columns=columns, previous_hidden=hidden)
    yield work("x_scale * W_scale", Arith.MUL, scales=columns if _is_per_column(call, "W_scale") else directions)
    h_scales = columns if _is_per_column(call, "R_scale") else directions
    yield work("h_scale * R_scale", Arith.MUL, steps=steps, scales=h_scales)


def _is_per_column(call: Call, name: str) -> bool:
    """Return whether there is one scale per column of the weights, not one per direction."""
    found, (directions, hidden, _) = call.input(name).dims, call.input("R").dims
    if found not in {(directions,), (directions, 4 * hidden)}:
        raise call.error(f"wants {name} of shape {(directions,)} or {(directions, 4 * hidden)}, it is {found}")
    return len(found) == 2


def _with_rows_of_gates(call: Call) -> Call:
    """Return the call with W and R as LSTM has them: (directions, 4*hidden_size, ...)."""
    return replace(call, inputs=(call.inputs[0], _transposed(call, "W"), _transposed(call, "R"), *call.inputs[3:]))


def _transposed(call: Call, name: str) -> TensorType:
    tensor = call.input(name)
    if tensor.rank != 3:
        raise call.error(f"wants {name} of rank 3, it is of rank {tensor.rank}")
    return replace(tensor, shape=(tensor.dims[0], tensor.dims[2], tensor.dims[1]))


@MICROSOFT.types("DynamicQuantizeLSTM")
def dynamic_quantize_lstm_types(call: Call) -> Iterator[TensorType]:
    """Yield Y: (steps, directions, batch, hidden_size), Y_h and Y_c: (directions, batch, hidden_size)."""
    x = call.partial("X")
    if x.rank != 3:
        raise call.error(f"wants X of rank 3, it is of rank {x.rank}")
    steps, batch, _ = shape_of(x)
    if (rank := call.partial("R").rank) != 3:
        raise call.error(f"wants R of rank 3, it is of rank {rank}")
    directions = 2 if call.attr("direction", str) == "bidirectional" else 1
    hidden = call.attributes.get("hidden_size") or shape_of(call.partial("R"))[1]
    state = TensorType(x.dtype, (directions, batch, hidden))
    yield TensorType(x.dtype, (steps, directions, batch, hidden))
    yield from (state, state)
