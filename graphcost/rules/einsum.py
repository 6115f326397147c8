"""Einsum: the operands are multiplied from left to right, two at a time, and each index is summed as soon as it can be.

An index stands for an axis; those that an ellipsis hides are `...0`, `...1` and so on. The type rule stands before
onnx's own inference, which never ends on some characters, and knows no broadcasting of letters.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.registry import rule, types
from graphcost.terms import Arith, work
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim, Shape

    Indices = tuple[str, ...]

_TERM = re.compile(r"([A-Za-z]*)(?:(\.\.\.)([A-Za-z]*))?")
"""Letters, and at most one ellipsis among them."""


@dataclass(frozen=True, slots=True)
class Equation:
    """What an equation says for operands of certain ranks."""

    operands: tuple[Indices, ...]
    """The index of each axis of each operand."""
    output: Indices
    """The index of each axis of the output."""


@types("Einsum")
def einsum_type(call: Call) -> Iterator[TensorType]:
    """The output has an axis for each index of the right-hand side."""
    operands = _operands(call)
    shapes = [shape_of(one) for one in operands]
    equation = _equation(call, shapes)
    sizes = _sizes(call, equation, shapes)
    yield TensorType(operands[0].dtype, tuple(sizes[index] for index in equation.output))


@rule("Einsum", since=12)
def einsum(call: Call) -> Iterator[Term]:
    """Output[output term] = sum of Inputs[0][term] * Inputs[1][term] * ... over the indices that it does not name.

    The first two operands are multiplied, their product with the third, and so on. An index is summed in the first
    product after which neither a later operand nor the output names it: by additions before it, where only one of the
    two has the index; together with it, where both have. A product takes one multiply-accumulate for each combination
    of the indices that are left, and one multiplication where it sums nothing. An axis of size 1 is broadcast and takes
    no work; an index that stands twice in one term reads a diagonal. A single operand takes additions only.

    Source: https://onnx.ai/onnx/operators/onnx__Einsum.html
    """
    shapes = [one.dims for one in call.variadic("Inputs")]
    equation = _equation(call, shapes)
    sizes = {index: size for index, size in _sizes(call, equation, shapes).items() if isinstance(size, int)}
    operands = [_spread(*pair) for pair in zip(equation.operands, shapes, strict=True)]
    return _contraction(operands, set(equation.output), sizes)


def _contraction(operands: list[set[str]], output: set[str], sizes: Mapping[str, int]) -> Iterator[Term]:
    """Yield the work of the sums and products, operand by operand."""
    last_named = {index: place for place, one in enumerate(operands) for index in one}
    left, name = operands[0], "Inputs[0]"
    for place, right in enumerate(operands[1:], start=1):
        done = {index for index in left | right if index not in output and last_named[index] <= place}
        yield from _summed(name, left, done - right, sizes)
        yield from _summed(f"Inputs[{place}]", right, done - left, sizes)
        inner, factors = done & left & right, (name, f"Inputs[{place}]")
        left, name = (left | right) - done, "product"
        outputs, summed = _combinations(left, sizes), _combinations(inner, sizes)
        yield work(" * ".join(factors), Arith.MAC if inner else Arith.MUL, wrt=factors, outputs=outputs, inner=summed)
    yield from _summed(name, left, left - output, sizes)


def _summed(name: str, indices: set[str], done: set[str], sizes: Mapping[str, int]) -> Iterator[Term]:
    """Yield the additions that sum an operand over some of its indices."""
    if done:
        additions = max(_combinations(done, sizes) - 1, 0)
        yield work(f"sum of {name}", Arith.ADD, sums=_combinations(indices - done, sizes), additions=additions)


def _combinations(indices: set[str], sizes: Mapping[str, int]) -> int:
    return prod(sizes[index] for index in indices)


def _spread(term: Indices, dims: tuple[int, ...]) -> set[str]:
    """Return the indices along which an operand has more than one element, or none at all."""
    return {index for index, dim in zip(term, dims, strict=True) if dim != 1}


def _operands(call: Call) -> list[TensorType]:
    found = [one for one in call.inputs if isinstance(one, TensorType) and one.shape is not None]
    if len(found) < len(call.inputs):
        raise UnknownShapeError("the rank of an operand is not known")
    return found


def _equation(call: Call, shapes: Sequence[Shape]) -> Equation:
    left, arrow, right = call.attr("equation", str).replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise call.error(f"wants an operand for each of {len(terms)} terms, has {len(shapes)}")
    operands = tuple(_indices(call, term, len(shape)) for term, shape in zip(terms, shapes, strict=True))
    hidden = {sum(index.startswith(".") for index in one) for one, t in zip(operands, terms, strict=True) if "." in t}
    if len(hidden) > 1:
        raise call.error(f"wants every ellipsis to stand for as many axes, they stand for {sorted(hidden)}")
    count = max(hidden, default=0)
    return Equation(operands, _named(call, right, operands, count) if arrow else _implied(operands, count))


def _indices(call: Call, term: str, rank: int) -> Indices:
    """Return the index of each axis of an operand."""
    head, dots, tail = _parts(call, term)
    hidden = rank - len(head) - len(tail)
    if hidden < 0 or (hidden and not dots):
        raise call.error(f"wants an operand of rank {len(head) + len(tail)} for the term {term!r}, its rank is {rank}")
    return (*head, *_ellipsis(hidden), *tail)


def _parts(call: Call, term: str) -> tuple[str, str, str]:
    found = _TERM.fullmatch(term)
    if not found:
        raise call.error(f"wants terms of letters and at most one ellipsis, one is {term!r}")
    head, dots, tail = found.groups(default="")
    return head, dots, tail


def _ellipsis(count: int) -> Indices:
    return tuple(f"...{place}" for place in range(count))


def _implied(operands: Sequence[Indices], hidden: int) -> Indices:
    """Return the output's indices where the equation names none: those that stand once, in the order of ASCII."""
    times = Counter(chain.from_iterable(operands))
    letters = sorted(index for index, count in times.items() if count == 1 and not index.startswith("."))
    return (*_ellipsis(hidden), *letters)


def _named(call: Call, term: str, operands: Sequence[Indices], hidden: int) -> Indices:
    head, dots, tail = _parts(call, term)
    if hidden and not dots:
        raise call.error(f"wants an ellipsis in the output as in the operands, it is {term!r}")
    letters = Counter(head + tail)
    if letters and max(letters.values()) > 1:
        raise call.error(f"wants each index once in the output, it is {term!r}")
    unheard = letters.keys() - set(chain.from_iterable(operands))
    if unheard:
        raise call.error(f"wants the output to name indices of the operands, it names {', '.join(sorted(unheard))}")
    return (*head, *_ellipsis(hidden), *tail)


def _sizes(call: Call, equation: Equation, shapes: Sequence[Shape]) -> dict[str, Dim]:
    """Return the size of each index; None where it isn't known."""
    seen: dict[str, set[Dim]] = {}
    for term, shape in zip(equation.operands, shapes, strict=True):
        own: dict[str, set[Dim]] = {}
        for index, dim in zip(term, shape, strict=True):
            own.setdefault(index, set()).add(dim)
            seen.setdefault(index, set()).add(dim)
        _check(call, own)
    _check(call, {index: dims - {1} for index, dims in seen.items()})
    return {index: _size(dims) for index, dims in seen.items()}


def _check(call: Call, seen: Mapping[str, set[Dim]]) -> None:
    for index, dims in seen.items():
        sizes = sorted(dim for dim in dims if isinstance(dim, int))
        if len(sizes) > 1:
            raise call.error(f"wants one size for the index {index}, it is {' and '.join(map(str, sizes))}")


def _size(dims: set[Dim]) -> Dim:
    """Return what an index's axes are broadcast to."""
    known = next((dim for dim in dims if isinstance(dim, int) and dim != 1), None)
    return known if known is not None or None in dims else 1
