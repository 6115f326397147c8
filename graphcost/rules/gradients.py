"""Gradients: what it takes to hand the derivative on, from the output of a node to its inputs.

dy is given for each element of the output, and what the forward pass computed is there: y, the mask of a Dropout. An
input that was broadcast gets the sum of what falls to it; n numbers take n - 1 additions. Where elements are put among
zeros, or several are added to one place that begins at zero, each takes an addition only if places can coincide.
An operator that is not here has a gradient that is not known, unless its output is no float or FLAT names it.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules import reduce, registry, softmax
from graphcost.rules.dropout import trains
from graphcost.rules.elementwise import Row, row
from graphcost.rules.registry import gradient
from graphcost.terms import Arith, backward, work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from graphcost.call import Call
    from graphcost.rules.registry import Wanted
    from graphcost.terms import Term
    from graphcost.types import TensorType

    Formula = Callable[[Call], Iterator[Term]]

ADD, MUL, DIV, POW, CMP = Arith.ADD, Arith.MUL, Arith.DIV, Arith.POW, Arith.CMP
SIGN, SQRT, EXP, LOG = Arith.SIGN, Arith.SQRT, Arith.EXP, Arith.LOG
TANH, ERF, TRIG = Arith.TANH, Arith.ERF, Arith.TRIG

FLAT = frozenset({"Sign", "Ceil", "Floor", "Round", "Hardmax", "Shape", "Size", "ConstantOfShape", "EyeLike"})
"""The operators whose output does not move with their inputs: through them no derivative flows."""

TABLE = {
    "Abs": [row("dy * sign(x)", SIGN, MUL)],
    "Neg": [row("-dy", SIGN)],
    "Reciprocal": [row("-(dy * y * y)", MUL, MUL, SIGN)],
    "Sqrt": [row("dy / (2 * y)", MUL, DIV)],
    "Exp": [row("dy * y", MUL)],
    "Log": [row("dy / x", DIV)],
    "Erf": [row("dy * (2 / sqrt(pi)) * exp(-(x * x))", MUL, MUL, SIGN, EXP, MUL)],
    "Tanh": [row("dy * (1 - y * y)", MUL, ADD, MUL)],
    "Sin": [row("dy * cos(x)", TRIG, MUL)],
    "Cos": [row("-(dy * sin(x))", TRIG, MUL, SIGN)],
    "Tan": [row("dy * (1 + y * y)", MUL, ADD, MUL)],
    "Asin": [row("dy / sqrt(1 - x * x)", MUL, ADD, SQRT, DIV)],
    "Acos": [row("-(dy / sqrt(1 - x * x))", MUL, ADD, SQRT, DIV, SIGN)],
    "Atan": [row("dy / (1 + x * x)", MUL, ADD, DIV)],
    "Sinh": [row("dy * cosh(x)", TRIG, MUL)],
    "Cosh": [row("dy * sinh(x)", TRIG, MUL)],
    "Asinh": [row("dy / sqrt(x * x + 1)", MUL, ADD, SQRT, DIV)],
    "Acosh": [row("dy / sqrt(x * x - 1)", MUL, ADD, SQRT, DIV)],
    "Atanh": [row("dy / (1 - x * x)", MUL, ADD, DIV)],
    "Add": [row("dy"), row("dy")],
    "Sub": [row("dy"), row("-dy", SIGN)],
    "Mul": [row("dy * b", MUL), row("dy * a", MUL)],
    "Div": [row("dy / b", DIV), row("-(dy * y / b)", MUL, DIV, SIGN)],
    "Pow": [row("dy * b * a ^ (b - 1)", MUL, ADD, POW, MUL), row("dy * y * log(a)", MUL, LOG, MUL)],
    "Relu": [row("x > 0 ? dy : 0", CMP)],
    "LeakyRelu": [row("x < 0 ? alpha * dy : dy", CMP, MUL)],
    "PRelu": [row("x < 0 ? slope * dy : dy", CMP, MUL), row("x < 0 ? x * dy : 0", CMP, MUL)],
    "ThresholdedRelu": [row("x > alpha ? dy : 0", CMP)],
    "Elu": [row("x < 0 ? dy * (y + alpha) : dy", CMP, ADD, MUL)],
    "Selu": [row("x <= 0 ? dy * (y + gamma * alpha) : gamma * dy", CMP, ADD, MUL)],
    "Celu": [row("x < 0 ? dy * (y / alpha + 1) : dy", CMP, DIV, ADD, MUL)],
    "Softplus": [row("dy * (1 - exp(-y))", SIGN, EXP, ADD, MUL)],
    "Softsign": [row("dy / ((1 + |x|) * (1 + |x|))", SIGN, ADD, MUL, DIV)],
    "Sigmoid": [row("dy * y * (1 - y)", MUL, ADD, MUL)],
    "HardSigmoid": [row("y <= 0 ? 0 : y >= 1 ? 0 : alpha * dy", CMP, CMP, MUL)],
    "HardSwish": [row("x <= -3 ? 0 : x >= 3 ? dy : dy * (x * (1 / 3) + 0.5)", CMP, CMP, MUL, ADD, MUL)],
    "Mish": [
        row(
            "t = tanh(log(1 + exp(x))), dy * (t + x * (1 / (1 + exp(-x))) * (1 - t * t))",
            *(EXP, ADD, LOG, TANH, SIGN, EXP, ADD, DIV, MUL, MUL, ADD, MUL, ADD, MUL),
        )
    ],
    "Swish": [
        row("s = 1 / (1 + exp(-(alpha * x))), dy * (s + alpha * y * (1 - s))",
            *(MUL, SIGN, EXP, ADD, DIV, MUL, ADD, MUL, ADD, MUL))
    ],
    "Shrink": [row("x < -lambd ? dy : x > lambd ? dy : 0", CMP, CMP)],
}  # fmt: skip
"""For each input, what its every element is before it is summed over what was broadcast."""

ALIKE = {
    "Sum": row("dy"),
    "Mean": row("dy / n", DIV),
    "Max": row("x = y ? dy : 0", CMP),
    "Min": row("x = y ? dy : 0", CMP),
    "Where": row("condition ? dy : 0", CMP),
}
"""The same for each input by which there is a derivative."""

GELU = {
    "none": row(
        "dy * (0.5 * (1 + erf(x / sqrt(2))) + x * exp(-0.5 * x * x) * (1 / sqrt(2 * pi)))",
        *(DIV, ERF, ADD, MUL, MUL, MUL, EXP, MUL, MUL, ADD, MUL),
    ),
    "tanh": row(
        "u = x * x, t = tanh(sqrt(2 / pi) * (x + 0.044715 * x * u)),"
        " dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * sqrt(2 / pi) * (1 + 0.134145 * u))",
        *(MUL, MUL, MUL, ADD, MUL, TANH, ADD, MUL, MUL, MUL, ADD, MUL, MUL, MUL, ADD, MUL, ADD, MUL),
    ),
}

REDUCTIONS: dict[str, tuple[Row, Row]] = {
    "ReduceSum": (row("dy"), row("dy")),
    "ReduceMean": (row("dy / n", DIV), row("dy / n")),
    "ReduceMax": (row("dy"), row("x = y ? dy : 0", CMP)),
    "ReduceMin": (row("dy"), row("x = y ? dy : 0", CMP)),
    "ReduceProd": (row("dy * y", MUL), row("dy * y / x", DIV)),
    "ReduceL1": (row("dy"), row("dy * sign(x)", SIGN, MUL)),
    "ReduceL2": (row("dy / y", DIV), row("dy / y * x", MUL)),
    "ReduceSumSquare": (row("2 * dy", MUL), row("2 * dy * x", MUL)),
    "ReduceLogSum": (row("dy / exp(y)", EXP, DIV), row("dy / exp(y)")),
    "ReduceLogSumExp": (row("dy"), row("dy * exp(x - y)", ADD, EXP, MUL)),
}
"""What is done once for each row that became one element, and to each element of it."""

_MOVES = """
    Identity Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice Compress CenterCropPad DepthToSpace
    SpaceToDepth ReverseSequence Trilu Cast CastLike
"""
_GATHERS = "Gather GatherElements GatherND"
_REPEATS = "Expand Tile"


def is_flat(call: Call) -> bool:
    """Return whether nothing that comes out of a call moves with what goes in."""
    return not call.domain and call.op_type in FLAT


def terms_of(call: Call, wanted: Wanted) -> Iterator[Term]:
    """Yield what it takes to hand dy on to the inputs at some places; UnknownShapeError where that is not known."""
    formula = registry.gradient_of(call)
    if formula is None:
        raise UnknownShapeError(f"the gradient of {call.operator} is not known")
    yield from formula(call, wanted)


def _of_first(*op_types: str) -> Callable[[Formula], Formula]:
    """Register the formula of operators that hand dy on to their first input alone."""

    def register(formula: Formula) -> Formula:
        def checked(call: Call, wanted: Wanted) -> Iterator[Term]:
            if any(wanted):
                raise UnknownShapeError(f"the gradient of {call.operator} by another input than its first is not known")
            return formula(call)

        gradient(*op_types)(checked)
        return formula

    return register


def _by_element(rows: Callable[[Call, int], Row]) -> Callable[[Call, Wanted], Iterator[Term]]:
    """Return the formula of an operator that does the same to every element, from its row for each input."""

    def formula(call: Call, wanted: Wanted) -> Iterator[Term]:
        outputs = call.output(call.schema.outputs[0]).elements
        for place in wanted:
            yield from rows(call, place).over(outputs)
            yield from _summed(outputs, _input(call, place))

    return formula


gradient(*TABLE)(_by_element(lambda call, place: TABLE[call.op_type][place]))
gradient(*ALIKE)(_by_element(lambda call, _place: ALIKE[call.op_type]))
gradient("Gelu")(_by_element(lambda call, _place: GELU[call.choice("approximate", GELU)]))


@_of_first("Clip")
def clip(call: Call) -> Iterator[Term]:
    """The gradient is dy where the input is between min and max, else 0: a comparison for each bound that is given."""
    bounds = sum(1 for name in ("min", "max") if call.has_input(name) or name in call.attributes)
    yield work("x < min ? 0 : x > max ? 0 : dy", CMP, outputs=call.output("output").elements, bounds=bounds)


@_of_first("Dropout")
def dropout(call: Call) -> Iterator[Term]:
    """The gradient is dy * mask * scale in training, dy under another name in inference."""
    if trains(call):
        yield work("dy * mask * scale", MUL, outputs=call.output("output").elements, per_output=2)


@gradient(*_MOVES.split())
def moved(_call: Call, _wanted: Wanted) -> Iterator[Term]:
    """The gradient is dy, each element moved to the place that it came from, or cast back."""
    return iter(())


@_of_first("Pad")
def padded(call: Call) -> Iterator[Term]:
    """The gradient is dy without the border, where that is a constant; a copied border would have to be added."""
    if call.attr_or("mode", str, "constant") != "constant":
        raise UnknownShapeError("the gradient of a Pad that repeats its input is not known")
    return iter(())


@_of_first(*_GATHERS.split())
def gathered(call: Call) -> Iterator[Term]:
    """The gradient at an index takes an addition for every element of dy: indices can name a place more than once."""
    yield work("dx[index] += dy", ADD, outputs=call.output("output").elements)


@_of_first(*_REPEATS.split())
def repeated(call: Call) -> Iterator[Term]:
    """The gradient is the sum of dy over all places where an element was repeated."""
    return _summed(call.output("output").elements, call.input("input"))


@_of_first(*REDUCTIONS)
def reduced(call: Call) -> Iterator[Term]:
    """The gradient is the derivative of each row by its every element, times that row's dy."""
    rows, (once, each) = reduce.rows_of(call), REDUCTIONS[call.op_type]
    if reduce.hands_on(call) and call.op_type == "ReduceMean":
        return
    yield from once.over(rows.count)
    yield from each.over(rows.elements)


@_of_first("Softmax")
def softmax_gradient(call: Call) -> Iterator[Term]:
    """The gradient is y * (dy - sum(dy * y)), row by row."""
    rows = softmax.rows_of(call)
    yield work("dy * y", MUL, rows=rows.count, elements=rows.size)
    yield work("sum(dy * y)", ADD, rows=rows.count, additions=rows.steps)
    yield work("dy - sum(dy * y)", ADD, rows=rows.count, elements=rows.size)
    yield work("y * (dy - sum(dy * y))", MUL, rows=rows.count, elements=rows.size)


@_of_first("LogSoftmax")
def log_softmax_gradient(call: Call) -> Iterator[Term]:
    """The gradient is dy - exp(y) * sum(dy), row by row."""
    rows = softmax.rows_of(call)
    yield work("sum(dy)", ADD, rows=rows.count, additions=rows.steps)
    yield from row("dy - exp(y) * sum(dy)", EXP, MUL, ADD).over(rows.elements)


@gradient("MatMul", "Conv", "ConvTranspose")
def product(call: Call, wanted: Wanted) -> Iterator[Term]:
    """The gradients are dX = dY * W and dW = dY * X, each with as many multiply-accumulates as Y = X*W; dB sums dY.

    Each product runs over the same triples of an output, a position of the window and a channel, whichever of the
    three it sums by; padded positions count as work, as forward.
    """
    names = {call.schema.inputs[place] for place in wanted}
    yield from _factors(call, names)
    if "B" in names and call.op_type != "MatMul":
        yield from _summed(call.output("Y").elements, call.input("B"))


@gradient("Gemm")
def gemm(call: Call, wanted: Wanted) -> Iterator[Term]:
    """The gradients are dA = alpha * dY * B', dB = A' * alpha * dY, dC = beta * the sum of dY over what was broadcast.

    alpha * dY is computed once; alpha and beta cost a multiplication where they are not 1.
    """
    names, outputs = {call.schema.inputs[place] for place in wanted}, call.output("Y").elements
    if call.attr("alpha", float) != 1 and names & {"A", "B"}:
        yield work("alpha * dY", MUL, outputs=outputs)
    yield from _factors(call, names)
    if "C" in names:
        yield from _summed(outputs, call.input("C"))
        if call.attr("beta", float) != 1:
            yield work("beta * dC", MUL, elements=call.input("C").elements)


@_of_first("MaxPool")
def max_pool(call: Call) -> Iterator[Term]:
    """The gradient is dX[the place of the largest] += dY for every window: windows can overlap."""
    yield work("dX[largest] += dY", ADD, outputs=call.output("Y").elements)


@_of_first("AveragePool")
def average_pool(call: Call) -> Iterator[Term]:
    """The gradient is dX[p] += dY / count for every position of every window, padded or not: windows can overlap."""
    outputs = call.output("Y").elements
    yield work("dY / count", DIV, outputs=outputs)
    yield work("dX += dY / count", ADD, outputs=outputs, window=prod(call.attr("kernel_shape", tuple)))


@_of_first("GlobalAveragePool")
def global_average_pool(call: Call) -> Iterator[Term]:
    """The gradient is dY / count at every position."""
    yield work("dY / count", DIV, outputs=call.output("Y").elements)


@_of_first("GlobalMaxPool")
def global_max_pool(call: Call) -> Iterator[Term]:
    """The gradient is dY where X is the largest of its channel, else 0."""
    yield work("X = Y ? dY : 0", CMP, inputs=call.input("X").elements)


def _factors(call: Call, names: set[str]) -> Iterator[Term]:
    entry = registry.of(call)
    if entry and entry.terms:
        yield from backward(entry.terms(call), names)


def _summed(outputs: int, target: TensorType) -> Iterator[Term]:
    """Yield the additions that make so many elements those of an input that was broadcast to them."""
    if outputs > target.elements:
        yield work("sum(dy)", ADD, outputs=outputs - target.elements)


def _input(call: Call, place: int) -> TensorType:
    names = call.schema.inputs
    if place < len(names) - 1:
        return call.input(names[place])
    return call.variadic(names[-1])[place - len(names) + 1]
