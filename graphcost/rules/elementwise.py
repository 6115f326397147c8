"""Operators that do the same to every element of their output: a table, and the few whose work depends on attributes.

All counts are per output element, so broadcasting needs no care. A formula is counted as it is written, with these
readings: constants of the formula and of the attributes (sqrt(2), sqrt(2 / pi), -lambd) are known
beforehand; a whole power is repeated multiplication; and where elements take different branches (Elu, Selu, Shrink),
every element is counted as one that takes the branch with the most work.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from graphcost.rules.registry import rule
from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

ADD, MUL, DIV, POW, CMP, LOGIC = Arith.ADD, Arith.MUL, Arith.DIV, Arith.POW, Arith.CMP, Arith.LOGIC
SIGN, ROUND, SQRT, EXP, LOG = Arith.SIGN, Arith.ROUND, Arith.SQRT, Arith.EXP, Arith.LOG
TANH, ERF, TRIG = Arith.TANH, Arith.ERF, Arith.TRIG


@dataclass(frozen=True, slots=True)
class Row:
    """An operator that does the same to every element of its output."""

    formula: str
    """One output element, from the input elements."""
    kinds: tuple[Arith, ...]
    """The scalar work of the formula: one of each, in the order in which it is done."""

    def terms(self, call: Call) -> Iterator[Term]:
        """Yield one term per kind of work, for every element of the call's first output."""
        return self.over(call.output(call.schema.outputs[0]).elements)

    def over(self, outputs: int) -> Iterator[Term]:
        """Yield one term per kind of work, for so many elements."""
        for arith, times in Counter(self.kinds).items():
            yield work(self.formula, arith, outputs=outputs, per_output=times)


def row(formula: str, *kinds: Arith) -> Row:
    """Return a row of the table."""
    return Row(formula, kinds)


TABLE = {
    "Abs": row("|x|", SIGN),
    "Neg": row("-x", SIGN),
    "Sign": row("sign(x)", SIGN),
    "Ceil": row("ceil(x)", ROUND),
    "Floor": row("floor(x)", ROUND),
    "Round": row("round(x)", ROUND),
    "Reciprocal": row("1 / x", DIV),
    "Sqrt": row("sqrt(x)", SQRT),
    "Exp": row("exp(x)", EXP),
    "Log": row("log(x)", LOG),
    "Erf": row("erf(x)", ERF),
    "Tanh": row("tanh(x)", TANH),
    "Sin": row("sin(x)", TRIG),
    "Cos": row("cos(x)", TRIG),
    "Tan": row("tan(x)", TRIG),
    "Asin": row("asin(x)", TRIG),
    "Acos": row("acos(x)", TRIG),
    "Atan": row("atan(x)", TRIG),
    "Sinh": row("sinh(x)", TRIG),
    "Cosh": row("cosh(x)", TRIG),
    "Asinh": row("asinh(x)", TRIG),
    "Acosh": row("acosh(x)", TRIG),
    "Atanh": row("atanh(x)", TRIG),
    "Add": row("a + b", ADD),
    "Sub": row("a - b", ADD),
    "Mul": row("a * b", MUL),
    "Div": row("a / b", DIV),
    "Mod": row("a mod b", DIV),
    "Pow": row("a ^ b", POW),
    "Equal": row("a = b", CMP),
    "Greater": row("a > b", CMP),
    "GreaterOrEqual": row("a >= b", CMP),
    "Less": row("a < b", CMP),
    "LessOrEqual": row("a <= b", CMP),
    "Not": row("not x", LOGIC),
    "And": row("a and b", LOGIC),
    "Or": row("a or b", LOGIC),
    "Xor": row("a xor b", LOGIC),
    "BitShift": row("a shifted by b", LOGIC),
    "BitwiseNot": row("not x", LOGIC),
    "BitwiseAnd": row("a and b", LOGIC),
    "BitwiseOr": row("a or b", LOGIC),
    "BitwiseXor": row("a xor b", LOGIC),
    "IsNaN": row("x != x", CMP),
    "Relu": row("max(0, x)", CMP),
    "LeakyRelu": row("x < 0 ? alpha * x : x", CMP, MUL),
    "PRelu": row("x < 0 ? slope * x : x", CMP, MUL),
    "ThresholdedRelu": row("x > alpha ? x : 0", CMP),
    "Elu": row("x < 0 ? alpha * (exp(x) - 1) : x", CMP, EXP, ADD, MUL),
    "Selu": row("gamma * (x <= 0 ? alpha * exp(x) - alpha : x)", CMP, EXP, MUL, ADD, MUL),
    "Celu": row("max(0, x) + min(0, alpha * (exp(x / alpha) - 1))", CMP, DIV, EXP, ADD, MUL, CMP, ADD),
    "Softplus": row("log(exp(x) + 1)", EXP, ADD, LOG),
    "Softsign": row("x / (1 + |x|)", SIGN, ADD, DIV),
    "Sigmoid": row("1 / (1 + exp(-x))", SIGN, EXP, ADD, DIV),
    "HardSigmoid": row("max(0, min(1, alpha * x + beta))", MUL, ADD, CMP, CMP),
    "HardSwish": row("x * max(0, min(1, x * (1 / 6) + 0.5))", MUL, ADD, CMP, CMP, MUL),
    "Mish": row("x * tanh(log(1 + exp(x)))", EXP, ADD, LOG, TANH, MUL),
    "Swish": row("x * (1 / (1 + exp(-(alpha * x))))", MUL, SIGN, EXP, ADD, DIV, MUL),
    "SwiGLU": row("a * (1 / (1 + exp(-(alpha * a)))) * b", MUL, SIGN, EXP, ADD, DIV, MUL, MUL),
    "Shrink": row("x < -lambd ? x + bias : x > lambd ? x - bias : 0", CMP, CMP, ADD),
}

GELU = {
    "none": row("0.5 * x * (1 + erf(x / sqrt(2)))", MUL, DIV, ERF, ADD, MUL),
    "tanh": row(
        "0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)))",
        *(MUL, MUL, MUL, MUL, ADD, MUL, TANH, ADD, MUL),
    ),
}


SILU = row("x * (1 / (1 + exp(-x)))", SIGN, EXP, ADD, DIV, MUL)


_elementwise = partial(rule, overwrites=True)


for _op_type, _row in TABLE.items():
    _source = f"Source: https://onnx.ai/onnx/operators/onnx__{_op_type}.html"
    _elementwise(_op_type, doc=f"y = {_row.formula}, for every element of the output.\n\n{_source}")(_row.terms)


@_elementwise("Gelu")
def gelu(call: Call) -> Iterator[Term]:
    """Y = 0.5 * X * (1 + erf(X / sqrt(2))), or 0.5 * X * (1 + tanh(sqrt(2 / pi) * (X + 0.044715 * X^3))).

    `approximate` says which; X^3 is two multiplications, the square roots are constants.

    Source: https://onnx.ai/onnx/operators/onnx__Gelu.html
    """
    return GELU[call.choice("approximate", GELU)].terms(call)


@_elementwise("Where")
def where(call: Call) -> Iterator[Term]:
    """Where = condition ? X : Y, a choice between elements of X's type.

    Source: https://onnx.ai/onnx/operators/onnx__Where.html
    """
    yield work("condition ? X : Y", CMP, dtype=call.input("X").dtype, outputs=call.output("output").elements)


@_elementwise("Sum", "Mean")
def total(call: Call) -> Iterator[Term]:
    """Sum = data_0 + data_1 + ..., and Mean = Sum / n.

    n inputs that are broadcast to the output take n - 1 additions per element of the output.

    Source: https://onnx.ai/onnx/operators/onnx__Sum.html, https://onnx.ai/onnx/operators/onnx__Mean.html
    """
    outputs = call.output(call.schema.outputs[0]).elements
    yield work("a + b", ADD, outputs=outputs, additions=len(call.variadic("data_0")) - 1)
    if call.op_type == "Mean":
        yield work("sum / n", DIV, outputs=outputs)


@_elementwise("Max", "Min")
def extreme(call: Call) -> Iterator[Term]:
    """Max = max(data_0, max(data_1, ...)), and Min likewise.

    n inputs that are broadcast to the output take n - 1 comparisons per element of the output.

    Source: https://onnx.ai/onnx/operators/onnx__Max.html, https://onnx.ai/onnx/operators/onnx__Min.html
    """
    outputs = call.output(call.schema.outputs[0]).elements
    yield work(f"{call.op_type.lower()}(a, b)", CMP, outputs=outputs, comparisons=len(call.variadic("data_0")) - 1)


@_elementwise("Clip", since=11, not_weights="min max")
def clip(call: Call) -> Iterator[Term]:
    """Clip = min(max(input, min), max), with only the bounds that are given.

    Source: https://onnx.ai/onnx/operators/onnx__Clip.html
    """
    yield from _clip(call, [name for name in ("min", "max") if call.optional(name)])


@_elementwise("Clip")
def clip_by_attributes(call: Call) -> Iterator[Term]:
    """Clip = min(max(input, min), max), with only the bounds that are given: as attributes, before opset 11.

    Source: https://onnx.ai/onnx/operators/onnx__Clip.html
    """
    yield from _clip(call, [name for name in ("min", "max") if name in call.attributes])


def _clip(call: Call, bounds: list[str]) -> Iterator[Term]:
    for name in bounds:
        yield work(f"bounded by {name}", CMP, outputs=call.output("output").elements)


@_elementwise("IsInf")
def is_inf(call: Call) -> Iterator[Term]:
    """Y = (X = inf) or (X = -inf), with only the signs that `detect_positive` and `detect_negative` ask for.

    Source: https://onnx.ai/onnx/operators/onnx__IsInf.html
    """
    outputs = call.output("Y").elements
    signs = sum(call.attr(name, int) != 0 for name in ("detect_positive", "detect_negative"))
    yield work("x = inf", CMP, outputs=outputs, signs=signs)
    if signs == 2:
        yield work("x = inf or x = -inf", LOGIC, outputs=outputs)
