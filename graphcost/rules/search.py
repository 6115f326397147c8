"""Searching and sorting: how many comparisons depends on the elements, so both ends are given.

Sorting is insertion: each element finds its place among those before it by halving. Into a list of m it takes at most
bit_length(m) comparisons, and distinct elements can make each insertion take them all, whatever the ones before took.
No algorithm gets by with fewer than n - 1: elements that no chain of comparisons links could be in either order.
One comparison tells which of two is the smaller, or that they are equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.registry import MICROSOFT, rule, types
from graphcost.rules.shared import axes
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


MICROSOFT.signature("Unique", "x -> y idx counts")
MICROSOFT.signature("NGramRepeatBlock", "input_ids scores -> scores_out")
MICROSOFT.signature("IsAllFinite", "input -> output", isnan_only=0, isinf_only=0)


def insertions(count: int, kept: int) -> int:
    """Return the most comparisons of inserting so many elements, one by one, into a list that keeps the best few.

    >>> insertions(5, kept=5), sum(i.bit_length() for i in range(5))
    (8, 8)
    >>> insertions(5, kept=2), sum(min(i, 2).bit_length() for i in range(5))
    (7, 7)
    """
    filling = min(count, kept + 1)
    bits = max(filling - 1, 0).bit_length()
    return max(filling * bits - (1 << bits) + 1, 0) + (count - filling) * kept.bit_length()


@types("TopK")
def top_k_types(call: Call) -> Iterator[TensorType]:
    """Both outputs are as X, but for K elements along `axis`."""
    x = call.partial("X")
    axis, kept = axes.position(call, call.attr("axis", int), x.rank), _kept(call)
    size = shape_of(x)[axis]
    if kept is not None and (kept < 0 or (isinstance(size, int) and kept > size)):
        raise call.error(f"wants K from 0 to the {size} elements along its axis, it is {kept}")
    shape = tuple(kept if at == axis else dim for at, dim in enumerate(shape_of(x)))
    yield TensorType(x.dtype, shape)
    yield TensorType(DType.INT64, shape)


def _kept(call: Call) -> int | None:
    """Return K: an attribute before opset 10; None where it isn't known."""
    return call.attr("k", int) if call.opset < 10 else call.known_integer("K")


@rule("TopK", not_weights="K")
def top_k(call: Call) -> Iterator[Term]:
    """Values, Indices = the K largest (or smallest) elements of each row of X along `axis`, and their places.

    At most, each element of a row is inserted by halving into the sorted list of the K best before it:
    sum over i < n of bit_length(min(i, K)) comparisons. At least n - 1 are needed, but none where K is 0, nor where all
    elements are asked for in any order (`sorted` = 0). A K that is not known may be anything from 0 to n.

    Source: https://onnx.ai/onnx/operators/onnx__TopK.html
    """
    x = call.input("X")
    axis = axes.position(call, call.attr("axis", int), x.rank)
    rows = axes.over(call, x, [axis])
    known = next((one.dims[axis] for one in call.outputs if isinstance(one, TensorType) and one.is_known), None)
    any_order = not call.attr_or("sorted", int, 1)
    needs_none = known in {None, 0} or (any_order and known == rows.size)
    yield work(
        "X[i] < X[j]",
        Arith.CMP,
        least=0 if needs_none else rows.count * rows.steps,
        rows=rows.count,
        comparisons=insertions(rows.size, rows.size if known is None else known),
    )


@rule("NonZero")
def non_zero(call: Call) -> Iterator[Term]:
    """Y = the places of the elements of X that are not 0: one comparison for each element.

    Source: https://onnx.ai/onnx/operators/onnx__NonZero.html
    """
    yield work("X != 0", Arith.CMP, elements=call.input("X").elements)


@types("Unique")
def unique_types(call: Call) -> Iterator[TensorType]:
    """How many are unique depends on the elements; `inverse_indices` has one for each of all."""
    x = call.partial("X")
    if "axis" in call.attributes:
        axis = axes.position(call, call.attr("axis", int), x.rank)
        shape, count = shape_of(x), shape_of(x)[axis]
        yield TensorType(x.dtype, (*shape[:axis], None, *shape[axis + 1 :]))
    else:
        count = x.elements if x.is_known else None
        yield TensorType(x.dtype, (None,))
    yield TensorType(DType.INT64, (None,))
    yield TensorType(DType.INT64, (count,))
    yield TensorType(DType.INT64, (None,))


@rule("Unique")
def unique(call: Call) -> Iterator[Term]:
    """Y = the unique elements of X, or its unique slices along `axis`.

    At most, each slice is inserted by halving among all slices before it, which differ from it and from one another in
    their last elements only. At least n - 1 comparisons of one element each link n slices. Whether the result is
    `sorted` makes no difference: equal ones must be found. `counts` adds 1 for each slice that was there before.

    Source: https://onnx.ai/onnx/operators/onnx__Unique.html
    """
    x = call.input("X")
    along = [call.attr("axis", int)] if "axis" in call.attributes else range(x.rank)
    slices = axes.over(call, x, along)
    yield from _distinct(slices.size, slices.count)
    if call.has_output("counts"):
        yield work("counts + 1", Arith.ADD, dtype=DType.INT64, least=0, repeated=slices.steps)


@MICROSOFT.types("Unique")
def unique_of_vector_types(call: Call) -> Iterator[TensorType]:
    """`idx` has an index for each element of x."""
    x = call.partial("x")
    yield TensorType(x.dtype, (None,))
    yield TensorType(DType.INT64, shape_of(x))
    yield TensorType(DType.INT64, (None,))


@MICROSOFT.rule("Unique")
def unique_of_vector(call: Call) -> Iterator[Term]:
    """Y = the unique elements of x, in the order of their first appearance; idx, counts: which and how often.

    x: (n,). The same bounds as for ai.onnx's Unique.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Unique
    """
    elements = axes.Rows(1, call.input("x").elements)
    yield from _distinct(elements.size, elements.count)
    yield work("counts + 1", Arith.ADD, dtype=DType.INT64, least=0, repeated=elements.steps)


def _distinct(slices: int, elements: int) -> Iterator[Term]:
    yield work(
        "X[i] < X[j]",
        Arith.CMP,
        least=max(slices - 1, 0) if elements else 0,
        comparisons=insertions(slices, slices),
        elements=elements,
    )


MICROSOFT.like_input("NGramRepeatBlock", name="scores")


@MICROSOFT.rule("NGramRepeatBlock")
def ngram_repeat_block(call: Call) -> Iterator[Term]:
    """scores_out = scores, but -inf for each token that would end an n-gram which input_ids holds already.

    input_ids: (batch, length), scores: (batch, vocabulary). Every n-gram of a sequence is held against its last
    n - 1 tokens, token by token, until two differ: at most n - 1 comparisons, at least one.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.NGramRepeatBlock
    """
    ids, size = call.input("input_ids"), call.attr("ngram_size", int)
    if ids.rank != 2 or size < 1:
        raise call.error(f"wants input_ids of rank 2 and ngram_size of 1 or more, they are {ids.rank} and {size}")
    batch, length = ids.dims
    ngrams = max(length - size + 1, 0)
    least = batch * ngrams * min(size - 1, 1)
    yield work("id = last id", Arith.CMP, least=least, batch=batch, ngrams=ngrams, ids=size - 1)


@MICROSOFT.types("IsAllFinite")
def is_all_finite_type(_call: Call) -> Iterator[TensorType]:
    """The output is one truth value."""
    yield TensorType(DType.BOOL, ())


@MICROSOFT.rule("IsAllFinite")
def is_all_finite(call: Call) -> Iterator[Term]:
    """Output = whether no element of any input is NaN (x != x), inf or -inf; every element is looked at.

    `isnan_only` and `isinf_only` leave out what the other asks for.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.IsAllFinite
    """
    elements = sum(one.elements for one in call.variadic("input"))
    nan_only, inf_only = call.attr("isnan_only", int) != 0, call.attr("isinf_only", int) != 0
    if nan_only and inf_only:
        raise call.error("wants one of isnan_only and isinf_only at most, it has both")
    comparisons = 1 if nan_only else 2 if inf_only else 3
    yield work("x is finite", Arith.CMP, elements=elements, comparisons=comparisons)
    yield work("and", Arith.LOGIC, verdicts=max(elements * comparisons - 1, 0))
