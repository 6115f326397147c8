"""What one output element of each elementwise operator is, as the operator's text writes it.

A loop takes numbers (one per input) and the attributes by name. `worst` is the range of elements on which it does the
most work: a rule counts every element as such a one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT_2, ROOT_2_OVER_PI, SIXTH = math.sqrt(2.0), math.sqrt(2.0 / math.pi), 1.0 / 6.0


@dataclass(frozen=True)
class Oracle:
    """The loop's body for one operator, and what it can be fed with."""

    element: Callable
    worst: tuple[float, float] = (0.5, 3.0)
    dtype: type = np.float32
    attributes: dict[str, tuple] = field(default_factory=dict)

    @property
    def arity(self) -> int:
        return self.element.__code__.co_argcount - len(self.attributes)

    @property
    def is_variadic(self) -> bool:
        return self.arity == 0


def of(element, worst=(0.5, 3.0), dtype=np.float32, **attributes) -> Oracle:
    return Oracle(element, worst, dtype, attributes)


def abs_of(x):
    return abs(x)


def gelu(x, approximate):
    if approximate == "tanh":
        return 0.5 * x * (1.0 + (ROOT_2_OVER_PI * (x + 0.044715 * (x * x * x))).tanh())
    return 0.5 * x * (1.0 + (x / ROOT_2).erf())


def celu(x, alpha):
    return x.maximum(0.0) + (alpha * ((x / alpha).exp() - 1.0)).minimum(0.0)


def shrink(x, lambd, bias):
    if x < -lambd:
        return x + bias
    return x - bias if x > lambd else 0.0


def is_inf(x, detect_positive, detect_negative):
    signs = [math.inf] * detect_positive + [-math.inf] * detect_negative
    found = [x.tally.number(x.equals(sign)) for sign in signs]
    return fold(lambda a, b: a | b)(*found) if found else False


def clip(x, min, max):  # noqa: A002  # the specification's names
    bounded = x if min is None else x.maximum(min)
    return bounded if max is None else bounded.minimum(max)


def fold(step):
    """Return the loop that takes any number of inputs, two at a time."""

    def element(*inputs):
        result = inputs[0]
        for one in inputs[1:]:
            result = step(result, one)
        return result

    return element


def mean(*inputs):
    return fold(lambda a, b: a + b)(*inputs) / float(len(inputs))


def sigmoid(x):
    return 1.0 / (1.0 + (-x).exp())


ALPHA = (0.3, 1.0, 1.7)
INTS, BITS, BOOLS = np.int32, np.uint8, np.bool_

ORACLES = {
    "Abs": of(abs_of, (-3.0, 3.0)),
    "Neg": of(lambda x: -x, (-3.0, 3.0)),
    "Sign": of(lambda x: x.sign(), (-3.0, 3.0)),
    "Ceil": of(lambda x: x.round(math.ceil), (-3.0, 3.0)),
    "Floor": of(lambda x: x.round(math.floor), (-3.0, 3.0)),
    "Round": of(lambda x: x.round(), (-3.0, 3.0)),
    "Reciprocal": of(lambda x: 1.0 / x),
    "Sqrt": of(lambda x: x.sqrt()),
    "Exp": of(lambda x: x.exp(), (-3.0, 3.0)),
    "Log": of(lambda x: x.log()),
    "Erf": of(lambda x: x.erf(), (-3.0, 3.0)),
    "Tanh": of(lambda x: x.tanh(), (-3.0, 3.0)),
    "Sin": of(lambda x: x.trig(math.sin), (-3.0, 3.0)),
    "Cos": of(lambda x: x.trig(math.cos), (-3.0, 3.0)),
    "Tan": of(lambda x: x.trig(math.tan), (-1.0, 1.0)),
    "Asin": of(lambda x: x.trig(math.asin), (-0.9, 0.9)),
    "Acos": of(lambda x: x.trig(math.acos), (-0.9, 0.9)),
    "Atan": of(lambda x: x.trig(math.atan), (-3.0, 3.0)),
    "Sinh": of(lambda x: x.trig(math.sinh), (-3.0, 3.0)),
    "Cosh": of(lambda x: x.trig(math.cosh), (-3.0, 3.0)),
    "Asinh": of(lambda x: x.trig(math.asinh), (-3.0, 3.0)),
    "Acosh": of(lambda x: x.trig(math.acosh), (1.5, 3.0)),
    "Atanh": of(lambda x: x.trig(math.atanh), (-0.9, 0.9)),
    "Add": of(lambda a, b: a + b),
    "Sub": of(lambda a, b: a - b),
    "Mul": of(lambda a, b: a * b),
    "Div": of(lambda a, b: a / b),
    "Mod": of(lambda a, b: a % b, (1.0, 9.0), INTS),
    "Pow": of(lambda a, b: a.pow(b)),
    "Equal": of(lambda a, b: a.equals(b), (0.0, 2.0), INTS),
    "Greater": of(lambda a, b: a > b),
    "GreaterOrEqual": of(lambda a, b: a >= b),
    "Less": of(lambda a, b: a < b),
    "LessOrEqual": of(lambda a, b: a <= b),
    "Not": of(lambda x: x ^ 1, (0.0, 2.0), BOOLS),
    "And": of(lambda a, b: a & b, (0.0, 2.0), BOOLS),
    "Or": of(lambda a, b: a | b, (0.0, 2.0), BOOLS),
    "Xor": of(lambda a, b: a ^ b, (0.0, 2.0), BOOLS),
    "BitShift": of(lambda a, b, direction: a << b if direction == "LEFT" else a >> b, (0.0, 4.0), BITS,
                   direction=("LEFT", "RIGHT")),
    "BitwiseNot": of(lambda x: ~x, (0.0, 9.0), INTS),
    "BitwiseAnd": of(lambda a, b: a & b, (0.0, 9.0), INTS),
    "BitwiseOr": of(lambda a, b: a | b, (0.0, 9.0), INTS),
    "BitwiseXor": of(lambda a, b: a ^ b, (0.0, 9.0), INTS),
    "IsNaN": of(lambda x: not x.equals(x)),
    "IsInf": of(is_inf, detect_positive=(0, 1), detect_negative=(0, 1)),
    "Where": of(lambda condition, x, y: condition.choose(x, y)),
    "Sum": of(fold(lambda a, b: a + b)),
    "Mean": of(mean),
    "Max": of(fold(lambda a, b: a.maximum(b))),
    "Min": of(fold(lambda a, b: a.minimum(b))),
    "Relu": of(lambda x: x.maximum(0.0), (-3.0, 3.0)),
    "LeakyRelu": of(lambda x, alpha: alpha * x if x < 0.0 else x, (-3.0, -0.1), alpha=ALPHA),
    "PRelu": of(lambda x, slope: slope * x if x < 0.0 else x, (-3.0, -0.1)),
    "ThresholdedRelu": of(lambda x, alpha: x if x > alpha else 0.0, (-3.0, 3.0), alpha=ALPHA),
    "Elu": of(lambda x, alpha: alpha * (x.exp() - 1.0) if x < 0.0 else x, (-3.0, -0.1), alpha=ALPHA),
    "Selu": of(lambda x, alpha, gamma: gamma * (alpha * x.exp() - alpha if x <= 0.0 else x), (-3.0, -0.1),
               alpha=ALPHA, gamma=ALPHA),
    "Celu": of(celu, (-3.0, 3.0), alpha=ALPHA),
    "Softplus": of(lambda x: (x.exp() + 1.0).log(), (-3.0, 3.0)),
    "Softsign": of(lambda x: x / (1.0 + abs(x)), (-3.0, 3.0)),
    "Sigmoid": of(sigmoid, (-3.0, 3.0)),
    "HardSigmoid": of(lambda x, alpha, beta: (alpha * x + beta).minimum(1.0).maximum(0.0), (-3.0, 3.0),
                      alpha=ALPHA, beta=ALPHA),
    "HardSwish": of(lambda x: x * (SIXTH * x + 0.5).minimum(1.0).maximum(0.0), (-5.0, 5.0)),
    "Mish": of(lambda x: x * (1.0 + x.exp()).log().tanh(), (-3.0, 3.0)),
    "Gelu": of(gelu, (-3.0, 3.0), approximate=("none", "tanh")),
    "Swish": of(lambda x, alpha: x * sigmoid(alpha * x), (-3.0, 3.0), alpha=ALPHA),
    "SwiGLU": of(lambda a, b, alpha: a * sigmoid(alpha * a) * b, (-3.0, 3.0), alpha=ALPHA),
    "Shrink": of(shrink, (2.0, 3.0), lambd=ALPHA, bias=ALPHA),
    "Clip": of(clip, (-3.0, 3.0), min=(None, -1.0), max=(None, 1.0)),
}  # fmt: skip


def run(oracle, tally, arrays, attributes):
    """Return the operator's result, element by element, counted in the tally."""
    wide = np.broadcast_arrays(*arrays)
    result = np.empty(wide[0].shape)
    for place in np.ndindex(wide[0].shape):
        result[place] = float(oracle.element(*(tally.number(one[place]) for one in wide), **attributes))
    return result
