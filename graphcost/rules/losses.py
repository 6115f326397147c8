"""Losses over classes. Every position is computed, also one whose target is ignored: its loss is then set to 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.registry import rule
from graphcost.rules.shared import axes
from graphcost.rules.softmax import exponentials
from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import TensorType


@rule("NegativeLogLikelihoodLoss", since=12, not_weights="weight")
def negative_log_likelihood_loss(call: Call) -> Iterator[Term]:
    """Loss[n, d] = -input[n, target[n, d], d] * weight[target[n, d]], reduced to its sum or mean.

    input: (N, C, *d), target: (N, *d), weight: (C,). `ignore_index` is compared with every target and chooses the loss
    and its weight, or 0. The mean divides by the sum of the weights, by their number where none is given: 1, or 0 where
    a target is ignored, which have to be summed as well.

    Source: https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html
    """
    _check(call, call.input("input"), call.input("target"))
    return _loss(call, call.input("target").elements, is_weighted=call.optional("weight") is not None)


@rule("SoftmaxCrossEntropyLoss", since=12, not_weights="weights")
def softmax_cross_entropy_loss(call: Call) -> Iterator[Term]:
    """Output = the NegativeLogLikelihoodLoss of LogSoftmax(scores) along the classes.

    scores: (N, C, *d), labels: (N, *d), weights: (C,). LogSoftmax is the stable one of the operator of that name; the
    output log_prob is a part of it.

    Source: https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html
    """
    scores, labels = call.input("scores"), call.input("labels")
    _check(call, scores, labels)
    rows = axes.over(call, scores, [1])
    yield from exponentials(rows)
    yield work("log(sum(e))", Arith.LOG, rows=rows.count)
    yield work("d - log(sum(e))", Arith.ADD, rows=rows.count, elements=rows.size)
    yield from _loss(call, labels.elements, is_weighted=call.optional("weights") is not None)


def _check(call: Call, scores: TensorType, labels: TensorType) -> None:
    if scores.rank < 2 or labels.dims != (scores.dims[0], *scores.dims[2:]):
        raise call.error(f"wants a class for each position of {scores.dims}, has them for {labels.dims}")


def _loss(call: Call, positions: int, *, is_weighted: bool) -> Iterator[Term]:
    """Yield the work of the losses and of their reduction; the scores of the targets are only read."""
    reduction, ignores = call.choice("reduction", ("none", "sum", "mean")), "ignore_index" in call.attributes
    yield work("-input[target]", Arith.SIGN, positions=positions)
    if is_weighted:
        yield work("* weight[target]", Arith.MUL, positions=positions)
    if ignores:
        yield work("target = ignore_index ? 0 : loss", Arith.CMP, positions=positions)
    if reduction == "none":
        return
    yield work("sum(loss)", Arith.ADD, additions=max(positions - 1, 0))
    if reduction == "mean":
        if is_weighted or ignores:
            yield work("sum(weight[target])", Arith.ADD, additions=max(positions - 1, 0))
        yield work("sum(loss) / sum(weight[target])", Arith.DIV, quotients=1)
