"""Terms: what an operator's formula computes, part by part, before any convention says what that is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from math import prod
from typing import TYPE_CHECKING

from graphcost.bounds import Bounds

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from graphcost.types import DType


class Arith(Enum):
    """A kind of scalar work."""

    MAC = "MAC"
    """One multiply-accumulate of a product."""
    ADD = "add"
    """An addition or subtraction."""
    MUL = "mul"
    """A multiplication."""
    DIV = "div"
    """A division, remainder or reciprocal."""
    CMP = "cmp"
    """A comparison, a minimum or maximum of two, a choice by a condition."""
    SIGN = "sign"
    """A change or reading of the sign: negation, absolute value, sign."""
    ROUND = "round"
    """A rounding to an integer: floor, ceil, round."""
    LOGIC = "logic"
    """A boolean or bitwise operation, a shift."""
    SQRT = "sqrt"
    """A square root."""
    EXP = "exp"
    """An exponential."""
    LOG = "log"
    """A logarithm."""
    POW = "pow"
    """A power with an arbitrary exponent."""
    TANH = "tanh"
    """A hyperbolic tangent."""
    ERF = "erf"
    """A Gauss error function."""
    TRIG = "trig"
    """A trigonometric or other hyperbolic function, or an inverse of one."""
    RANDOM = "random"
    """A draw of a random number."""


@dataclass(frozen=True, slots=True)
class Term:
    """One part of an operator's formula."""

    what: str
    """The part, as the formula writes it: `X*W`, `+ B`."""
    arith: Arith
    """Which kind of scalar work it is."""
    count: int
    """How many of them."""
    dtype: DType | None = None
    """The type it computes in; None: the type of the operator's first input."""
    wrt: tuple[str, ...] = ()
    """For a product, the inputs that are its factors: each one's gradient costs the same count again."""
    factors: tuple[tuple[str, int], ...] = ()
    """How the count comes about, as named factors whose product it is."""
    least: int | None = None
    """The fewest that the elements can make it, where `count` is the most; None where it is exact."""
    masked: int = 0
    """How many of them a causal mask makes useless: the dense product computes what it then hides."""

    @property
    def bounds(self) -> Bounds:
        """How many of them there are, at least and at most."""
        return Bounds(self.count if self.least is None else self.least, self.count)


def work(
    what: str,
    arith: Arith,
    /,
    *,
    wrt: tuple[str, ...] = (),
    dtype: DType | None = None,
    least: int | None = None,
    masked: int = 0,
    **factors: int,
) -> Term:
    """Return the term whose count is the product of named factors.

    >>> work("X*W", Arith.MAC, outputs=12_544, kernel=9, channels=3).count
    338688
    """
    return Term(what, arith, prod(factors.values()), dtype, wrt, tuple(factors.items()), least, masked)


def ranged(what: str, arith: Arith, bounds: Bounds, rows: int, dtype: DType | None = None) -> Term:
    """Return the term of what each row does between so often and so often."""
    most = bounds.high or 0
    return work(what, arith, dtype=dtype, rows=rows, per_row=most, least=None if bounds.is_exact else rows * bounds.low)


def in_type(dtype: DType | None, terms: Iterable[Term]) -> Iterator[Term]:
    """Yield terms as work in a type, not in that of the operator's first input."""
    for term in terms:
        yield replace(term, dtype=dtype)


def multiply_accumulates(terms: Iterable[Term]) -> Bounds:
    """Return the multiply-accumulates among some terms."""
    return Bounds.total(term.bounds for term in terms if term.arith is Arith.MAC)


def backward(terms: Iterable[Term], wanted: Container[str] | None = None) -> Iterator[Term]:
    """Yield the products of the backward pass: one of the same count for each factor of each forward product.

    `wanted` names the inputs whose gradients are asked for; None: those of all.

    For Y = X*W the gradients are dX = dY*W and dW = dY*X, each with as many multiply-accumulates as Y itself.

    >>> forward = [work("X*W", Arith.MAC, wrt=("X", "W"), outputs=10, inputs=20)]
    >>> [(term.what, term.count) for term in backward(forward)]
    [('d(X*W)/dX', 200), ('d(X*W)/dW', 200)]
    """
    for term in terms:
        for name in term.wrt if wanted is None else filter(wanted.__contains__, term.wrt):
            yield replace(term, what=f"d({term.what})/d{name}", wrt=())
