"""Softmax and its kin, in the stable form: from every element the maximum of its row is subtracted first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.registry import rule
from graphcost.rules.shared import axes
from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


@rule("Softmax")
def softmax(call: Call) -> Iterator[Term]:
    """Softmax = e / sum(e), with e = exp(input - max(input)), row by row.

    A row runs along `axis`; before opset 13, along `axis` and all axes that follow it.

    Source: https://onnx.ai/onnx/operators/onnx__Softmax.html
    """
    return shares(rows_of(call))


@rule("LogSoftmax")
def log_softmax(call: Call) -> Iterator[Term]:
    """LogSoftmax = d - log(sum(exp(d))), with d = input - max(input), row by row.

    A row runs along `axis`; before opset 13, along `axis` and all axes that follow it.

    Source: https://onnx.ai/onnx/operators/onnx__LogSoftmax.html
    """
    rows = rows_of(call)
    yield from exponentials(rows)
    yield work("log(sum(e))", Arith.LOG, rows=rows.count)
    yield work("d - log(sum(e))", Arith.ADD, rows=rows.count, elements=rows.size)


@rule("Hardmax")
def hardmax(call: Call) -> Iterator[Term]:
    """Hardmax = 1 at the first maximum of a row, 0 elsewhere.

    A row runs along `axis`; before opset 13, along `axis` and all axes that follow it. Writing the 1 computes nothing.

    Source: https://onnx.ai/onnx/operators/onnx__Hardmax.html
    """
    rows = rows_of(call)
    yield work("max(x)", Arith.CMP, rows=rows.count, comparisons=rows.steps)


def shares(rows: axes.Rows) -> Iterator[Term]:
    """Yield the work of e / sum(e), row by row."""
    yield from exponentials(rows)
    yield work("e / sum(e)", Arith.DIV, rows=rows.count, elements=rows.size)


def exponentials(rows: axes.Rows) -> Iterator[Term]:
    yield work("max(x)", Arith.CMP, rows=rows.count, comparisons=rows.steps)
    yield work("d = x - max(x)", Arith.ADD, rows=rows.count, elements=rows.size)
    yield work("e = exp(d)", Arith.EXP, rows=rows.count, elements=rows.size)
    yield work("sum(e)", Arith.ADD, rows=rows.count, additions=rows.steps)


def rows_of(call: Call) -> axes.Rows:
    """Return the rows that are normalized."""
    tensor, axis = call.input("input"), call.attr("axis", int)
    if call.opset < 13:
        return axes.from_axis(call, tensor, axis)
    return axes.over(call, tensor, [axis])
