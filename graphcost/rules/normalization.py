"""Normalizations, each as the specification writes its formula.

A row is what shares one mean and one variance. The difference from the mean is taken once per element and used twice,
for the variance and for the output. What does not depend on the element (sqrt(var + epsilon)) is computed once per row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost.call import spatial
from graphcost.rules.registry import MICROSOFT, like_input, rule, signature, types
from graphcost.rules.shared import axes
from graphcost.rules.shared.float_codes import named_float_or
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


@rule("BatchNormalization")
def batch_normalization(call: Call) -> Iterator[Term]:
    """Y = (X - mean) / sqrt(var + epsilon) * scale + B, with one mean, var, scale and B per channel.

    X: (N, C, *spatial), the others: (C,); before opset 9 also (C, *spatial), where `spatial` is 0.
    sqrt(var + epsilon) is computed once per channel; nothing is folded into scale and B.
    In training (`training_mode`; before opset 14, more outputs than Y) mean and var are those of the batch, and
    running = running * momentum + current * (1 - momentum), with 1 - momentum known beforehand. Those of a batch of
    halves are computed in float32 from opset 14 on, as the text says; running averages in the type of those given.

    Source: https://onnx.ai/onnx/operators/onnx__BatchNormalization.html
    """
    rows = _batch_rows(call)
    if _trains(call):
        yield from _moments(rows, _batch_moments_type(call))
        yield from _running_averages(call, rows.count)
    else:
        yield work("d = X - mean", Arith.ADD, channels=rows.count, elements=rows.size)
    yield from _deviation(rows)
    yield from _scaled_quotient(rows)


def _batch_rows(call: Call) -> axes.Rows:
    x, scale = call.input("X"), call.input("scale")
    wanted = x.dims[1 : 1 + scale.rank] if x.rank > 1 else (1,)
    if scale.dims != wanted:
        raise call.error(f"wants a scale of shape {wanted} for X of shape {x.dims}, it is {scale.dims}")
    return axes.Rows(scale.elements, x.elements // scale.elements if scale.elements else 0)


def _trains(call: Call) -> bool:
    if call.opset < 14:
        return sum(output is not None for output in call.outputs) > 1
    return call.attr("training_mode", int) != 0


def _batch_moments_type(call: Call) -> DType | None:
    dtype = call.input("X").dtype
    return DType.FLOAT32 if call.opset >= 14 and dtype in {DType.FLOAT16, DType.BFLOAT16} else dtype


def _running_averages(call: Call, channels: int) -> Iterator[Term]:
    for given, name in zip(call.schema.inputs[3:5], call.schema.outputs[1:3], strict=True):
        if call.has_output(name):
            what, dtype = f"{name} * momentum + current * (1 - momentum)", call.input(given).dtype
            yield work(what, Arith.MUL, dtype=dtype, channels=channels, products=2)
            yield work(what, Arith.ADD, dtype=dtype, channels=channels)


@rule("InstanceNormalization")
def instance_normalization(call: Call) -> Iterator[Term]:
    """Y = scale * (x - mean) / sqrt(variance + epsilon) + B, with mean and variance per instance and channel.

    input: (N, C, *spatial), scale, B: (C,).

    Source: https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html
    """
    x = call.input("input")
    rows = axes.over(call, x, range(2, x.rank))
    yield from _moments(rows)
    yield from _deviation(rows)
    yield from _scaled_quotient(rows)


@rule("GroupNormalization", since=18)
def group_normalization(call: Call) -> Iterator[Term]:
    """Y = scale * (x - mean) / sqrt(variance + epsilon) + bias, with mean and variance per instance and group.

    X: (N, C, *spatial), scale, bias: (C,), before opset 21 (num_groups,). `stash_type` says in which type the first
    stage, up to the quotient, is computed.

    Source: https://onnx.ai/onnx/operators/onnx__GroupNormalization.html
    """
    return group_normalized(call, call.input("X"), "num_groups", stash_type(call))


def group_normalized(call: Call, x: TensorType, attribute: str, stage_one: DType | None = None) -> Iterator[Term]:
    """Yield the work of normalizing X: (N, C, *spatial) in as many groups of channels as an attribute says."""
    groups, channels = call.attr(attribute, int), _channels(call, x)
    if groups < 1 or channels % groups:
        raise call.error(f"wants {attribute} to be a divisor of the {channels} channels of X, it is {groups}")
    rows = axes.Rows(x.dims[0] * groups, channels // groups * spatial(x.dims))
    yield from _moments(rows, stage_one)
    yield from _deviation(rows, stage_one)
    yield work("d / sqrt(var + epsilon)", Arith.DIV, dtype=stage_one, rows=rows.count, elements=rows.size)
    yield work("* scale", Arith.MUL, rows=rows.count, elements=rows.size)
    yield work("+ bias", Arith.ADD, rows=rows.count, elements=rows.size)


@rule("LayerNormalization", since=17)
def layer_normalization(call: Call) -> Iterator[Term]:
    """Y = (X - Mean) * InvStdDev * Scale + B, with InvStdDev = 1 / sqrt(Var + epsilon).

    A row runs along `axis` and all axes that follow it. `stash_type` says in which type the first stage, up to
    the product with InvStdDev, is computed. The outputs Mean and InvStdDev cost nothing more: they are parts of it.

    Source: https://onnx.ai/onnx/operators/onnx__LayerNormalization.html
    """
    rows = axes.from_axis(call, call.input("X"), call.attr("axis", int))
    yield from standardized(rows, stash_type(call))
    yield work("* Scale", Arith.MUL, rows=rows.count, elements=rows.size)
    if call.optional("B"):
        yield work("+ B", Arith.ADD, rows=rows.count, elements=rows.size)


@rule("RMSNormalization", since=23)
def rms_normalization(call: Call) -> Iterator[Term]:
    """Y = X / RMS * scale, with RMS = sqrt(mean(X * X) + epsilon).

    A row runs along `axis` and all axes that follow it. `stash_type` says in which type the first stage, up to
    the quotient, is computed.

    Source: https://onnx.ai/onnx/operators/onnx__RMSNormalization.html
    """
    rows, stage_one = axes.from_axis(call, call.input("X"), call.attr("axis", int)), stash_type(call)
    yield from root_mean_square(rows, stage_one)
    yield work("X / RMS", Arith.DIV, dtype=stage_one, rows=rows.count, elements=rows.size)
    yield work("* scale", Arith.MUL, rows=rows.count, elements=rows.size)


def standardized(rows: axes.Rows, dtype: DType | None = None) -> Iterator[Term]:
    """Yield the work of d * InvStdDev, with d = x - mean(x) and InvStdDev = 1 / sqrt(mean(d * d) + epsilon)."""
    yield from _moments(rows, dtype)
    yield from _deviation(rows, dtype)
    yield work("InvStdDev = 1 / sqrt(var + epsilon)", Arith.DIV, dtype=dtype, rows=rows.count)
    yield work("d * InvStdDev", Arith.MUL, dtype=dtype, rows=rows.count, elements=rows.size)


def root_mean_square(rows: axes.Rows, dtype: DType | None = None) -> Iterator[Term]:
    """Yield the work of RMS = sqrt(mean(X * X) + epsilon)."""
    yield work("X * X", Arith.MUL, dtype=dtype, rows=rows.count, elements=rows.size)
    yield from _mean("X * X", rows, dtype)
    yield work("mean(X * X) + epsilon", Arith.ADD, dtype=dtype, rows=rows.count)
    yield work("RMS = sqrt(mean(X * X) + epsilon)", Arith.SQRT, dtype=dtype, rows=rows.count)


def inverse_root_mean_square(rows: axes.Rows, dtype: DType | None = None) -> Iterator[Term]:
    """Yield the work of X * InvRMS, with InvRMS = 1 / sqrt(mean(X * X) + epsilon)."""
    yield from root_mean_square(rows, dtype)
    yield work("InvRMS = 1 / RMS", Arith.DIV, dtype=dtype, rows=rows.count)
    yield work("X * InvRMS", Arith.MUL, dtype=dtype, rows=rows.count, elements=rows.size)


# the specification says it in words, and gives no inference to functions
like_input("GroupNormalization", "MeanVarianceNormalization")


_SIMPLIFIED = {"axis": -1, "epsilon": 1e-5, "stash_type": 1}

signature("SimplifiedLayerNormalization", "X scale -> Y inv_std_var?", domain="", **_SIMPLIFIED)
MICROSOFT.signature("SimplifiedLayerNormalization", "X scale -> Y inv_std_var?", **_SIMPLIFIED)


@types("SimplifiedLayerNormalization")
@MICROSOFT.types("SimplifiedLayerNormalization")
def simplified_layer_normalization_types(call: Call) -> Iterator[TensorType]:
    """Y has the shape of X and the element type of scale; inv_std_var is float32, one for each row."""
    x, scale = call.partial("X"), call.partial("scale")
    first = axes.position(call, call.attr("axis", int), x.rank)
    yield replace(x, dtype=scale.dtype)
    yield TensorType(DType.FLOAT32, (*shape_of(x)[:first], *(1 for _ in range(first, x.rank))))


@rule("SimplifiedLayerNormalization")
@MICROSOFT.rule("SimplifiedLayerNormalization")
def simplified_layer_normalization(call: Call) -> Iterator[Term]:
    """Y = X * InvRMS * scale, with InvRMS = 1 / sqrt(mean(X * X) + epsilon): LayerNormalization without a mean.

    A row runs along `axis` and all axes that follow it. `stash_type` says in which type all but the product with scale
    is computed. inv_std_var is a part of it and costs nothing more. onnxruntime's own, in the domain of ai.onnx.

    Source: https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/graph/contrib_ops/contrib_defs.cc
    """
    rows = axes.from_axis(call, call.input("X"), call.attr("axis", int))
    yield from inverse_root_mean_square(rows, stash_type(call))
    yield work("* scale", Arith.MUL, rows=rows.count, elements=rows.size)


@rule("MeanVarianceNormalization", since=9)
def mean_variance_normalization(call: Call) -> Iterator[Term]:
    """Y = (X - EX) / sqrt(E(X - EX)^2), with one mean and variance for the elements along `axes`.

    The default, (0, 2, 3), takes one for each channel. The specification's function body computes the variance
    another way, as E(X^2) - (EX)^2, and adds 1e-9 to its root; the formula is counted as it is written here.

    Source: https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html
    """
    rows = axes.over(call, call.input("X"), call.attr("axes", tuple))
    yield from _moments(rows)
    yield work("sqrt(var)", Arith.SQRT, rows=rows.count)
    yield work("d / sqrt(var)", Arith.DIV, rows=rows.count, elements=rows.size)


@rule("LpNormalization")
def lp_normalization(call: Call) -> Iterator[Term]:
    """LpNormalization = input / norm, with norm = sum(|x|) or sqrt(sum(x * x)) along `axis`, as `p` is 1 or 2.

    Each norm is compared with zero, where the output is defined to be zero.

    Source: https://onnx.ai/onnx/operators/onnx__LpNormalization.html
    """
    p, rows = call.attr("p", int), axes.over(call, call.input("input"), [call.attr("axis", int)])
    if p not in {1, 2}:
        raise call.error(f"wants p to be 1 or 2, it is {p}")
    power, kind = ("|x|", Arith.SIGN) if p == 1 else ("x * x", Arith.MUL)
    yield work(power, kind, rows=rows.count, elements=rows.size)
    yield work(f"sum({power})", Arith.ADD, rows=rows.count, additions=rows.steps)
    if p == 2:
        yield work("norm = sqrt(sum(x * x))", Arith.SQRT, rows=rows.count)
    yield work("norm = 0", Arith.CMP, rows=rows.count)
    yield work("x / norm", Arith.DIV, rows=rows.count, elements=rows.size)


@rule("LRN")
def local_response_normalization(call: Call) -> Iterator[Term]:
    """Y[c] = X[c] / (bias + alpha / size * square_sum[c]) ^ beta, with square_sum[c] = sum over i of X[i] * X[i].

    i runs from max(0, c - floor((size - 1) / 2)) to min(C - 1, c + ceil((size - 1) / 2)). Every window squares its own
    elements, and channels beyond the ends are no part of it; alpha / size is known beforehand.

    Source: https://onnx.ai/onnx/operators/onnx__LRN.html
    """
    x, size = call.input("X"), call.attr("size", int)
    channels = _channels(call, x)
    if size < 1:
        raise call.error(f"wants a size of 1 or more, it is {size}")
    positions, squares = x.dims[0] * spatial(x.dims), _window_elements(channels, size)
    yield work("X * X", Arith.MUL, positions=positions, squares=squares)
    yield work("square_sum", Arith.ADD, positions=positions, additions=squares - channels)
    yield work("alpha / size * square_sum", Arith.MUL, positions=positions, channels=channels)
    yield work("bias + alpha / size * square_sum", Arith.ADD, positions=positions, channels=channels)
    yield work("(bias + alpha / size * square_sum) ^ beta", Arith.POW, positions=positions, channels=channels)
    yield work("X / (...) ^ beta", Arith.DIV, positions=positions, channels=channels)


def _window_elements(channels: int, size: int) -> int:
    """Return how many channels LRN squares for all channels of one position: full windows but for both ends.

    >>> _window_elements(5, size=3)  # 2 + 3 + 3 + 3 + 2
    13
    """
    return channels * size - _cut_off(channels, (size - 1) // 2) - _cut_off(channels, size // 2)


def _cut_off(channels: int, reach: int) -> int:
    """Return what is missing from the windows at one end: reach + (reach - 1) + ..., for as many as there are."""
    cut = min(channels, reach)
    return cut * reach - cut * (cut - 1) // 2


def _channels(call: Call, x: TensorType) -> int:
    if x.rank < 2:
        raise call.error(f"wants X of shape (N, C, ...), it is {x.dims}")
    return x.dims[1]


def stash_type(call: Call) -> DType | None:
    """Return the type of the first stage; None, the input's own, for the versions that have no `stash_type`."""
    return named_float_or(call, "stash_type", None)


def _mean(what: str, rows: axes.Rows, dtype: DType | None = None) -> Iterator[Term]:
    yield work(f"sum({what})", Arith.ADD, dtype=dtype, rows=rows.count, additions=rows.steps)
    yield work(f"mean({what})", Arith.DIV, dtype=dtype, rows=rows.count)


def _moments(rows: axes.Rows, dtype: DType | None = None) -> Iterator[Term]:
    """Yield the work of mean, difference and variance: var = mean(d * d) with d = x - mean(x)."""
    yield from _mean("x", rows, dtype)
    yield work("d = x - mean(x)", Arith.ADD, dtype=dtype, rows=rows.count, elements=rows.size)
    yield work("d * d", Arith.MUL, dtype=dtype, rows=rows.count, elements=rows.size)
    yield from _mean("d * d", rows, dtype)


def _deviation(rows: axes.Rows, dtype: DType | None = None) -> Iterator[Term]:
    yield work("var + epsilon", Arith.ADD, dtype=dtype, rows=rows.count)
    yield work("sqrt(var + epsilon)", Arith.SQRT, dtype=dtype, rows=rows.count)


def _scaled_quotient(rows: axes.Rows) -> Iterator[Term]:
    yield work("d / sqrt(var + epsilon)", Arith.DIV, rows=rows.count, elements=rows.size)
    yield work("* scale", Arith.MUL, rows=rows.count, elements=rows.size)
    yield work("+ B", Arith.ADD, rows=rows.count, elements=rows.size)
