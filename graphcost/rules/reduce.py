"""Reductions: many elements become one, and running totals. A row of n elements takes n - 1 steps, not n."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphcost.rules.registry import rule
from graphcost.rules.shared import axes
from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


@dataclass(frozen=True, slots=True)
class Row:
    """An operator that makes one element of many."""

    formula: str
    """One output element, from the elements of its row."""
    step: Arith
    """What combines two elements; a row of n takes n - 1."""
    each: Arith | None = None
    """What is done to every element first."""
    result: Arith | None = None
    """What is done to every combined row."""

    def terms(self, call: Call) -> Iterator[Term]:
        """Yield the work before, in and after the combination."""
        rows = rows_of(call)
        if self.each:
            yield work(self.formula, self.each, rows=rows.count, elements=rows.size)
        yield work(self.formula, self.step, rows=rows.count, steps=rows.steps)
        if self.result:
            yield work(self.formula, self.result, rows=rows.count)


TABLE = {
    "ReduceSum": Row("sum(x)", Arith.ADD),
    "ReduceProd": Row("prod(x)", Arith.MUL),
    "ReduceMax": Row("max(x)", Arith.CMP),
    "ReduceMin": Row("min(x)", Arith.CMP),
    "ArgMax": Row("argmax(x)", Arith.CMP),
    "ArgMin": Row("argmin(x)", Arith.CMP),
    "ReduceL1": Row("sum(|x|)", Arith.ADD, each=Arith.SIGN),
    "ReduceL2": Row("sqrt(sum(x * x))", Arith.ADD, each=Arith.MUL, result=Arith.SQRT),
    "ReduceSumSquare": Row("sum(x * x)", Arith.ADD, each=Arith.MUL),
    "ReduceLogSum": Row("log(sum(x))", Arith.ADD, result=Arith.LOG),
    "ReduceLogSumExp": Row("log(sum(exp(x)))", Arith.ADD, each=Arith.EXP, result=Arith.LOG),
}


for _op_type, _row in TABLE.items():
    _source = f"Source: https://onnx.ai/onnx/operators/onnx__{_op_type}.html"
    _doc = f"reduced = {_row.formula}, over the elements that become one.\n\n{_source}"
    rule(_op_type, doc=_doc)(_row.terms)


@rule("ReduceMean")
def reduce_mean(call: Call) -> Iterator[Term]:
    """ReduceMean = sum(x) / n, over the elements that become one.

    With `noop_with_empty_axes` and no axes it hands its input on, without a division.

    Source: https://onnx.ai/onnx/operators/onnx__ReduceMean.html
    """
    rows = rows_of(call)
    yield work("sum(x)", Arith.ADD, rows=rows.count, steps=rows.steps)
    if not hands_on(call):
        yield work("sum(x) / n", Arith.DIV, rows=rows.count)


@rule("CumSum")
def cumulative_sum(call: Call) -> Iterator[Term]:
    """y[i] = y[i - 1] + x[i] along `axis`, with y[0] = x[0]; in either direction.

    An exclusive one, y[i] = y[i - 1] + x[i - 1], has a 0 and a copy at its head: it takes one addition less.

    Source: https://onnx.ai/onnx/operators/onnx__CumSum.html
    """
    yield _running("y + x", Arith.ADD, call)


@rule("CumProd")
def cumulative_product(call: Call) -> Iterator[Term]:
    """y[i] = y[i - 1] * x[i] along `axis`, with y[0] = x[0]; in either direction.

    An exclusive one, y[i] = y[i - 1] * x[i - 1], has a 1 and a copy at its head: it takes one multiplication less.

    Source: https://onnx.ai/onnx/operators/onnx__CumProd.html
    """
    yield _running("y * x", Arith.MUL, call)


def _running(what: str, arith: Arith, call: Call) -> Term:
    rows = axes.over(call, call.input("x"), [int(call.scalar("axis"))])
    copies = 2 if call.attr("exclusive", int) else 1
    return work(what, arith, rows=rows.count, steps=max(rows.size - copies, 0))


def rows_of(call: Call) -> axes.Rows:
    """Return the rows that become one element each: the output says how many, whatever way the axes were given."""
    count = call.output("reduced").elements
    return axes.Rows(count, call.input("data").elements // count if count else 0)


def hands_on(call: Call) -> bool:
    """Return whether a reduction without axes hands its input on."""
    if not call.attr_or("noop_with_empty_axes", int, 0):
        return False
    chosen = call.optional("axes")
    return chosen is None or chosen.elements == 0
