"""Random numbers. A draw is one number from the uniform distribution over [0, 1), or from the normal one of mean 0 and
scale 1, however it is made; what turns it into the number asked for is counted beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.movement import writes_only
from graphcost.rules.registry import rule
from graphcost.rules.shared import axes
from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


@rule("RandomNormal")
@rule("RandomNormalLike", traffic=writes_only)
def random_normal(call: Call) -> Iterator[Term]:
    """RandomNormal = mean + scale * draw; a mean of 0 and a scale of 1 take no work.

    Of the input of RandomNormalLike only shape and type are used.

    Source: https://onnx.ai/onnx/operators/onnx__RandomNormal.html
    """
    return _drawn(call, "mean + scale * draw", factor=call.attr("scale", float), start=call.attr("mean", float))


@rule("RandomUniform")
@rule("RandomUniformLike", traffic=writes_only)
def random_uniform(call: Call) -> Iterator[Term]:
    """RandomUniform = low + (high - low) * draw; a low of 0 and a width of 1 take no work.

    high - low is known beforehand. Of the input of RandomUniformLike only shape and type are used.

    Source: https://onnx.ai/onnx/operators/onnx__RandomUniform.html
    """
    low, high = call.attr("low", float), call.attr("high", float)
    return _drawn(call, "low + (high - low) * draw", factor=high - low, start=low)


def _drawn(call: Call, formula: str, *, factor: float, start: float) -> Iterator[Term]:
    output = call.output("output")
    yield work("draw", Arith.RANDOM, dtype=output.dtype, outputs=output.elements)
    if factor != 1:
        yield work(formula, Arith.MUL, dtype=output.dtype, outputs=output.elements)
    if start != 0:
        yield work(formula, Arith.ADD, dtype=output.dtype, outputs=output.elements)


@rule("Bernoulli", since=15)
def bernoulli(call: Call) -> Iterator[Term]:
    """Bernoulli = 1 where draw < input, else 0: a uniform draw and a comparison for each probability.

    Source: https://onnx.ai/onnx/operators/onnx__Bernoulli.html
    """
    outputs = call.output("output").elements
    yield work("draw", Arith.RANDOM, outputs=outputs)
    yield work("draw < input", Arith.CMP, outputs=outputs)


@rule("Multinomial")
def multinomial(call: Call) -> Iterator[Term]:
    """Output[b, s] = the first class whose running sum of e exceeds draw * sum(e), with e = exp(input - max(input)).

    input: (batch, classes), output: (batch, samples); the running sums of a row are computed once. A sample is looked
    up by halving among all running sums but the last, which it can't exceed: log2(classes) comparisons, rounded down
    at least, up at most.

    Source: https://onnx.ai/onnx/operators/onnx__Multinomial.html
    """
    x = call.input("input")
    rows, samples = axes.over(call, x, [1]), call.attr("sample_size", int)
    if rows.size == 0:
        raise call.error("wants an input of 1 class or more, it has none")
    if samples < 1:
        raise call.error(f"wants a sample_size of 1 or more, it is {samples}")
    yield work("max(input)", Arith.CMP, rows=rows.count, comparisons=rows.steps)
    yield work("input - max(input)", Arith.ADD, rows=rows.count, classes=rows.size)
    yield work("e = exp(input - max(input))", Arith.EXP, rows=rows.count, classes=rows.size)
    yield work("running sum of e", Arith.ADD, rows=rows.count, additions=rows.steps)
    yield work("draw", Arith.RANDOM, rows=rows.count, samples=samples)
    yield work("draw * sum(e)", Arith.MUL, rows=rows.count, samples=samples)
    least = rows.count * samples * (rows.size.bit_length() - 1)
    most = rows.steps.bit_length()
    yield work("sum > draw * sum(e)", Arith.CMP, least=least, rows=rows.count, samples=samples, comparisons=most)
