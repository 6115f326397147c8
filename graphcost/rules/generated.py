"""Tensors that are computed from a few numbers: ranges, windows, filters.

They are mostly made of constants, once: then their work is preparation, or shape arithmetic.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from graphcost.rules.elementwise import row
from graphcost.rules.registry import MICROSOFT, rule, types
from graphcost.terms import Arith, in_type, work
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Type

ADD, MUL, DIV, TRIG = Arith.ADD, Arith.MUL, Arith.DIV, Arith.TRIG

MICROSOFT.signature("Range", "start limit delta? -> Y")


@types("Range")
def range_types(call: Call) -> Iterator[TensorType]:
    """The output holds ceil((limit - start) / delta) elements, none where that is negative.

    Runtimes compute it in different precisions; where the number of elements depends on that, it is not known. They
    take inputs of one element, whatever their rank; onnx's inference refuses any but scalars.
    """
    dtypes = {one.dtype for one in call.inputs if isinstance(one, TensorType) and one.dtype}
    if len(dtypes) > 1 or not all(one.is_float or one.is_integer for one in dtypes):
        raise call.error(f"wants numbers of one type, has {', '.join(sorted(one.value for one in dtypes))}")
    dtype = next(iter(dtypes), None)
    start, limit, delta = (None if one is None else one.ravel() for one in call.constants)
    if start is None or limit is None or delta is None:
        yield TensorType(dtype, (None,))
        return
    if any(one.size != 1 for one in (start, limit, delta)) or not delta[0]:
        raise call.error("wants start, limit and delta to have 1 element each, delta other than 0")
    yield TensorType(dtype, (_steps(start[0], limit[0], delta[0]),))


def _steps(start: Any, limit: Any, delta: Any) -> int | None:
    """Return how many steps of a length lead from a number up to another; None where rounding decides."""
    if start.dtype.kind in "iu":
        return max(-((int(start) - int(limit)) // int(delta)), 0)
    single = [np.float32(one) if one.dtype.itemsize < 4 else one for one in (start, limit, delta)]
    double = [float(one) for one in single]
    with np.errstate(all="ignore"):
        quotients = {
            float((single[1] - single[0]) / single[2]),
            float(single[1] - single[0]) / double[2],
            (double[1] - double[0]) / double[2],
        }
    sizes = {max(ceil(one), 0) if isfinite(one) else None for one in quotients}
    return sizes.pop() if len(sizes) == 1 else None


@MICROSOFT.types("Range")
def range_of_microsoft_type(call: Call) -> Iterator[Type | None]:
    """As for ai.onnx's Range, with a delta of 1 where there is none."""
    start, limit, delta = (call.known(name) for name in call.schema.inputs)
    if start is not None and not call.has_input("delta"):
        delta = np.ones(1, start.dtype)
    yield from range_types(replace(call, constants=(start, limit, delta)))


@rule("Range", not_weights="start limit delta")
@MICROSOFT.rule("Range", not_weights="start limit delta")
def arithmetic_range(call: Call) -> Iterator[Term]:
    """Range = start + i * delta, for as many i as the output has elements.

    Source: https://onnx.ai/onnx/operators/onnx__Range.html
    """
    return row("start + i * delta", MUL, ADD).terms(call)


WINDOWS = {
    "HannWindow": row("0.5 - 0.5 * cos(2 pi n / N)", MUL, TRIG, MUL, ADD),
    "HammingWindow": row("25/46 - 21/46 * cos(2 pi n / N)", MUL, TRIG, MUL, ADD),
    "BlackmanWindow": row(
        "0.42 - 0.5 * cos(2 pi n / N) + 0.08 * cos(4 pi n / N)", *(MUL, TRIG, MUL, ADD, MUL, TRIG, MUL, ADD)
    ),
}
"""One element of each window; 2 pi / N is known beforehand, whether the window is periodic or not."""


def _window(call: Call) -> Iterator[Term]:
    return in_type(call.output("output").dtype, WINDOWS[call.op_type].terms(call))


for _op_type, _row in WINDOWS.items():
    _source = f"Source: https://onnx.ai/onnx/operators/onnx__{_op_type}.html"
    _doc = f"Window[n] = {_row.formula}; 2 pi / N is known beforehand.\n\n{_source}"
    rule(_op_type, since=17, not_weights="size", doc=_doc)(_window)

_EDGE = row(
    "(700 * (10 ^ ((low + i * step) / 2595) - 1)) * (dft_length + 1) / sample_rate",
    *(MUL, ADD, DIV, Arith.POW, ADD, MUL, MUL, DIV, Arith.ROUND),
)
"""The bin on which an edge of a triangle lies."""


@rule(
    "MelWeightMatrix",
    since=17,
    not_weights="num_mel_bins dft_length sample_rate lower_edge_hertz upper_edge_hertz",
)
def mel_weight_matrix(call: Call) -> Iterator[Term]:
    """Output[j, i] = how far bin j is up or down triangle i, as a share: (j - lower) / (center - lower), and so on.

    output: (dft_length // 2 + 1, num_mel_bins). The num_mel_bins + 2 edges are equally far apart on the mel scale,
    mel(f) = 2595 * log10(1 + f / 700), and each of them is rounded down to a bin. Triangle i stretches from edge i to
    edge i + 2; a side of no width is compared with 0, and left out. How many bins lie on the sides depends on the
    frequencies: at most each bin lies on two, with one bin more in each triangle; at least no side has a width.

    Source: https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html
    """
    output = call.output("output")
    bins, triangles = output.dims
    dtype = output.dtype
    for arith, times in ((DIV, 1), (ADD, 1), (Arith.LOG, 1), (MUL, 1)):
        yield work("2595 * log10(1 + f / 700)", arith, dtype=dtype, ends=2, per_end=times)
    yield work("step = (high - low) / edges", ADD, dtype=dtype, steps=1)
    yield work("step = (high - low) / edges", DIV, dtype=dtype, steps=1)
    yield from in_type(dtype, _EDGE.over(triangles + 2))
    yield work("center - lower, upper - center", ADD, dtype=dtype, triangles=triangles, sides=2)
    yield work("side = 0", Arith.CMP, dtype=dtype, triangles=triangles, sides=2)
    yield work("j - lower, upper - j", ADD, dtype=dtype, least=0, places=2 * bins + triangles)
    yield work("(j - lower) / (center - lower)", DIV, dtype=dtype, least=0, places=2 * bins + triangles)
