"""What one element of each gradient is, as the derivative of the operator's text writes it.

A loop takes the inputs, y, dy and the attributes by name. `range` is where it does the most work.
"""

# ruff: noqa: ARG001, ARG005  # every loop takes all that its kind may use

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from oracles.rows import combine, rows

if TYPE_CHECKING:
    from collections.abc import Callable

ALPHA = (0.3, 1.0, 1.7)
ROOT_PI, ROOT_2, C = math.sqrt(math.pi), math.sqrt(2.0), math.sqrt(2.0 / math.pi)


@dataclass(frozen=True)
class Oracle:
    """The loop's body for each input of an operator."""

    bodies: tuple[Callable, ...]
    range: tuple[float, float]
    attributes: dict[str, tuple] = field(default_factory=dict)


def of(*bodies, between=(-3.0, 3.0), **attributes) -> Oracle:
    return Oracle(bodies, between, attributes)


def sigmoid(x):
    return 1.0 / (1.0 + (-x).exp())


def mish(x, y, dy):
    t = (1.0 + x.exp()).log().tanh()
    return dy * (t + x * sigmoid(x) * (1.0 - t * t))


def swish(x, y, dy, alpha):
    s = sigmoid(alpha * x)
    return dy * (s + alpha * y * (1.0 - s))


def gelu(x, y, dy, approximate):
    if approximate == "none":
        density = (-0.5 * x * x).exp() * (1.0 / (ROOT_2 * ROOT_PI))
        return dy * (0.5 * (1.0 + (x / ROOT_2).erf()) + x * density)
    u = x * x
    t = (C * (x + 0.044715 * x * u)).tanh()
    return dy * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * C * (1.0 + 0.134145 * u))


def softsign(x, y, dy):
    d = 1.0 + abs(x)
    return dy / (d * d)


def hard_swish(x, y, dy):
    if x <= -3.0:
        return 0.0
    return dy if x >= 3.0 else dy * (x * (1.0 / 3.0) + 0.5)


def hard_sigmoid(x, y, dy, alpha, beta):
    if y <= 0.0:
        return 0.0
    return 0.0 if y >= 1.0 else alpha * dy


def shrink(x, y, dy, lambd, bias):
    if x < -lambd:
        return dy
    return dy if x > lambd else 0.0


def clip(x, y, dy, min, max):  # noqa: A002  # the specification's names
    if min is not None and x < min:
        return 0.0
    return 0.0 if max is not None and x > max else dy


def through(dy, *_):
    return dy


def chosen(x, y, dy):
    return dy if x.equals(y) else 0.0


ELEMENTWISE = {
    "Abs": of(lambda x, y, dy: dy * x.sign()),
    "Neg": of(lambda x, y, dy: -dy),
    "Reciprocal": of(lambda x, y, dy: -(dy * y * y), between=(0.5, 3.0)),
    "Sqrt": of(lambda x, y, dy: dy / (2.0 * y), between=(0.5, 3.0)),
    "Exp": of(lambda x, y, dy: dy * y),
    "Log": of(lambda x, y, dy: dy / x, between=(0.5, 3.0)),
    "Erf": of(lambda x, y, dy: dy * (2.0 / ROOT_PI) * (-(x * x)).exp()),
    "Tanh": of(lambda x, y, dy: dy * (1.0 - y * y)),
    "Sin": of(lambda x, y, dy: dy * x.trig(math.cos)),
    "Cos": of(lambda x, y, dy: -(dy * x.trig(math.sin))),
    "Tan": of(lambda x, y, dy: dy * (1.0 + y * y), between=(-1.0, 1.0)),
    "Asin": of(lambda x, y, dy: dy / (1.0 - x * x).sqrt(), between=(-0.9, 0.9)),
    "Acos": of(lambda x, y, dy: -(dy / (1.0 - x * x).sqrt()), between=(-0.9, 0.9)),
    "Atan": of(lambda x, y, dy: dy / (1.0 + x * x)),
    "Sinh": of(lambda x, y, dy: dy * x.trig(math.cosh)),
    "Cosh": of(lambda x, y, dy: dy * x.trig(math.sinh)),
    "Asinh": of(lambda x, y, dy: dy / (x * x + 1.0).sqrt()),
    "Acosh": of(lambda x, y, dy: dy / (x * x - 1.0).sqrt(), between=(1.5, 3.0)),
    "Atanh": of(lambda x, y, dy: dy / (1.0 - x * x), between=(-0.9, 0.9)),
    "Add": of(lambda a, b, y, dy: dy, lambda a, b, y, dy: dy),
    "Sub": of(lambda a, b, y, dy: dy, lambda a, b, y, dy: -dy),
    "Mul": of(lambda a, b, y, dy: dy * b, lambda a, b, y, dy: dy * a),
    "Div": of(lambda a, b, y, dy: dy / b, lambda a, b, y, dy: -(dy * y / b), between=(0.5, 3.0)),
    "Pow": of(
        lambda a, b, y, dy: dy * b * a.pow(b - 1.0), lambda a, b, y, dy: dy * y * a.log(), between=(0.5, 3.0)
    ),
    "Relu": of(lambda x, y, dy: dy if x > 0.0 else 0.0),
    "LeakyRelu": of(lambda x, y, dy, alpha: alpha * dy if x < 0.0 else dy, between=(-3.0, -0.1), alpha=ALPHA),
    "PRelu": of(
        lambda x, slope, y, dy: slope * dy if x < 0.0 else dy,
        lambda x, slope, y, dy: x * dy if x < 0.0 else 0.0,
        between=(-3.0, -0.1),
    ),
    "ThresholdedRelu": of(lambda x, y, dy, alpha: dy if x > alpha else 0.0, alpha=ALPHA),
    "Elu": of(lambda x, y, dy, alpha: dy * (y + alpha) if x < 0.0 else dy, between=(-3.0, -0.1), alpha=ALPHA),
    "Selu": of(
        lambda x, y, dy, alpha, gamma: dy * (y + gamma * alpha) if x <= 0.0 else gamma * dy,
        between=(-3.0, -0.1), alpha=ALPHA, gamma=ALPHA,
    ),
    "Celu": of(
        lambda x, y, dy, alpha: dy * (y / alpha + 1.0) if x < 0.0 else dy, between=(-3.0, -0.1), alpha=ALPHA
    ),
    "Softplus": of(lambda x, y, dy: dy * (1.0 - (-y).exp())),
    "Softsign": of(softsign),
    "Sigmoid": of(lambda x, y, dy: dy * y * (1.0 - y)),
    "HardSigmoid": of(hard_sigmoid, between=(-0.1, 0.5), alpha=(0.3, 1.0), beta=(0.3, 0.4)),
    "HardSwish": of(hard_swish, between=(-2.9, 2.9)),
    "Mish": of(mish),
    "Swish": of(swish, alpha=ALPHA),
    "Gelu": of(gelu, approximate=("none", "tanh")),
    "Shrink": of(shrink, between=(2.0, 3.0), lambd=ALPHA, bias=ALPHA),
    "Clip": of(clip, between=(-0.9, 0.9), min=(None, -1.0), max=(None, 1.0)),
}  # fmt: skip

ANY_NUMBER = {
    "Sum": lambda x, y, dy, n: dy,
    "Mean": lambda x, y, dy, n: dy / float(n),
    "Max": lambda x, y, dy, n: chosen(x, y, dy),
    "Min": lambda x, y, dy, n: chosen(x, y, dy),
}

REDUCTIONS = {
    "ReduceSum": (through, lambda x, y, dy, o: o),
    "ReduceMean": (lambda dy, y, n: dy / float(n), lambda x, y, dy, o: o),
    "ReduceMax": (through, lambda x, y, dy, o: chosen(x, y, dy)),
    "ReduceMin": (through, lambda x, y, dy, o: chosen(x, y, dy)),
    "ReduceProd": (lambda dy, y, n: dy * y, lambda x, y, dy, o: o / x),
    "ReduceL1": (through, lambda x, y, dy, o: dy * x.sign()),
    "ReduceL2": (lambda dy, y, n: dy / y, lambda x, y, dy, o: o * x),
    "ReduceSumSquare": (lambda dy, y, n: 2.0 * dy, lambda x, y, dy, o: o * x),
    "ReduceLogSum": (lambda dy, y, n: dy / y.exp(), lambda x, y, dy, o: o),
    "ReduceLogSumExp": (through, lambda x, y, dy, o: dy * (x - y).exp()),
}
"""What is computed once for a row, and what for each of its elements, from that."""


def reduced(op_type, x, ys, axes):
    """Return dx of a reduction whose rows have the results `ys`, for a dy of 1."""
    once, each = REDUCTIONS[op_type]
    dx = np.empty(x.shape, object)
    for y, row in zip(ys, rows(x.shape, axes) if axes else ([place] for place in np.ndindex(x.shape)), strict=True):
        dy = y.tally.number(1.0)
        shared = once(dy, y, len(row))
        for place in row:
            dx[place] = each(x[place], y, dy, shared)
    return dx


def softmax(y, dy, axes):
    """Return y * (dy - sum(dy * y)), row by row."""
    dx = np.empty(y.shape, object)
    for row in rows(y.shape, axes):
        whole = combine([dy[place] * y[place] for place in row], lambda a, b: a + b, None)
        for place in row:
            dx[place] = y[place] * (dy[place] - whole)
    return dx


def log_softmax(y, dy, axes):
    """Return dy - exp(y) * sum(dy), row by row."""
    dx = np.empty(y.shape, object)
    for row in rows(y.shape, axes):
        whole = combine([dy[place] for place in row], lambda a, b: a + b, None)
        for place in row:
            dx[place] = dy[place] - y[place].exp() * whole
    return dx
