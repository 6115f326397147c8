"""Steps of training that are operators: Adagrad, Adam, Momentum.

The inputs after the learning rate R and the count of updates T are groups: all tensors X, all gradients G, all first
moments, and so on. A coefficient of regularization that is 0 takes no work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.elementwise import row
from graphcost.rules.registry import TRAINING
from graphcost.terms import Arith, in_type, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.rules.elementwise import Row
    from graphcost.terms import Term

ADD, MUL, DIV, SQRT = Arith.ADD, Arith.MUL, Arith.DIV, Arith.SQRT

_REGULARIZED = row("g = norm_coefficient * X + G", MUL, ADD)


@TRAINING.rule("Adagrad", not_weights="R T")
def adagrad(call: Call) -> Iterator[Term]:
    """X_new = X - r * g / (sqrt(H_new) + epsilon), with H_new = H + g * g and g = norm_coefficient * X + G.

    r = R / (1 + T * decay_factor) is computed once; it is R where decay_factor is 0.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adagrad.html
    """
    rows = [
        *_regularized(call),
        row("H_new = H + g * g", MUL, ADD),
        row("X - r * g / (sqrt(H_new) + epsilon)", SQRT, ADD, MUL, DIV, ADD),
    ]
    if call.attr("decay_factor", float):
        yield from row("r = R / (1 + T * decay_factor)", MUL, ADD, DIV).over(1)
    yield from _over_tensors(call, rows, groups=3)


@TRAINING.rule("Adam", not_weights="R T")
def adam(call: Call) -> Iterator[Term]:
    """X_new = (X - r * V_new / (sqrt(H_new) + epsilon)) * (1 - norm_coefficient_post), with moments V and H.

    V_new = alpha * V + (1 - alpha) * g, H_new = beta * H + (1 - beta) * g * g, g = norm_coefficient * X + G.
    r = R * sqrt(1 - beta^T) / (1 - alpha^T) where T > 0, else R; it is computed once.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adam.html
    """
    rows = [
        *_regularized(call),
        row("V_new = alpha * V + (1 - alpha) * g", MUL, MUL, ADD),
        row("H_new = beta * H + (1 - beta) * g * g", MUL, MUL, MUL, ADD),
        row("X - r * V_new / (sqrt(H_new) + epsilon)", SQRT, ADD, MUL, DIV, ADD),
    ]
    if call.attr("norm_coefficient_post", float):
        rows.append(row("(1 - norm_coefficient_post) * X_new", MUL))
    yield work("T > 0", Arith.CMP, dtype=call.input("T").dtype, comparisons=1)
    for arith, times in ((Arith.POW, 2), (ADD, 2), (SQRT, 1), (MUL, 1), (DIV, 1)):
        yield work("r = R * sqrt(1 - beta^T) / (1 - alpha^T)", arith, least=0, operations=times)
    yield from _over_tensors(call, rows, groups=4)


@TRAINING.rule("Momentum", not_weights="R T")
def momentum(call: Call) -> Iterator[Term]:
    """X_new = X - R * V_new, or, for mode `nesterov`, X - R * (g + alpha * V_new).

    V_new = alpha * V + b * g, with b = beta where T > 0, else 1, and g = norm_coefficient * X + G.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Momentum.html
    """
    rows = [*_regularized(call), row("V_new = alpha * V + b * g", MUL, MUL, ADD)]
    if call.choice("mode", ("standard", "nesterov")) == "nesterov":
        rows.append(row("g + alpha * V_new", MUL, ADD))
    rows.append(row("X - R * ...", MUL, ADD))
    yield work("b = T > 0 ? beta : 1", Arith.CMP, dtype=call.input("T").dtype, comparisons=1)
    yield from _over_tensors(call, rows, groups=3)


def _over_tensors(call: Call, rows: list[Row], groups: int) -> Iterator[Term]:
    """Yield the work of some rows for every element of the tensors X, which come first of so many groups."""
    tensors = call.variadic("inputs")
    if len(tensors) % groups:
        raise call.error(f"wants {groups} groups of as many tensors, there are {len(tensors)} in all")
    for tensor in tensors[: len(tensors) // groups]:
        for one in rows:
            yield from in_type(tensor.dtype, one.over(tensor.elements))


def _regularized(call: Call) -> list[Row]:
    return [_REGULARIZED] if call.attr("norm_coefficient", float) else []
