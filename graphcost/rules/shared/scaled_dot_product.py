"""Scaled dot-product attention, as all attention operators share it: softmax(Q*K) * V.

Every query meets every key: the products are dense, and what a causal mask or a window hides is counted and said to be
masked. A mask that follows from places or lengths alone (causal, window, padding by length) computes nothing itself:
the place says which score is left out, as for Trilu. A mask that is a tensor does: a float one is added to every score,
one of 0 and 1 chooses between every score and a constant. Softmax is the stable one, as of the operator Softmax. Heads
of K and V that several heads of Q share are read by each, not copied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, TypedDict

from graphcost.rules import softmax
from graphcost.rules.registry import each_once
from graphcost.rules.shared import axes
from graphcost.terms import Arith, in_type, work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import DType, TensorType

    Formula = Callable[["Sizes"], Iterable[Term]]


class Queries(TypedDict):
    """One for each query of each head, as named factors."""

    batch: int
    """How many sequences."""
    heads: int
    """Heads of Q."""
    queries: int
    """Queries of a sequence."""


class Pairs(Queries):
    """One for each score, as named factors."""

    keys: int
    """Keys that a query meets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many queries meet how many keys, for sequences that are all of one size."""

    batch: int
    """Sequences of this size."""
    heads: int
    """Heads of Q."""
    queries: int
    """Queries of each sequence."""
    keys: int
    """Keys that each query meets, past ones included."""
    size: int
    """Elements of a query and of a key."""
    v_size: int
    """Elements of a value."""
    hidden: int = 0
    """Pairs of a query and a key that a causal mask or a window hides, in one head of one sequence."""

    @property
    def rows(self) -> Queries:
        """One for each query of each head, as named factors."""
        return {"batch": self.batch, "heads": self.heads, "queries": self.queries}

    @property
    def pairs(self) -> Pairs:
        """One for each score, as named factors."""
        return {**self.rows, "keys": self.keys}

    @property
    def masked(self) -> int:
        """Scores that are hidden, in all heads of all sequences."""
        return self.batch * self.heads * self.hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What is done to every score between the two products, beside softmax."""

    scale: float = 1.0
    """The factor; where it is 1, nothing is multiplied."""
    softcap: float = 0.0
    """The bound, softcap * tanh(score / softcap); where it is 0 there is none."""
    chosen: int = 0
    """Masks of 0 and 1 that choose between the score and a constant."""
    added: int = 0
    """Tensors that are added: float masks, biases."""
    sinks: int = 0
    """Logits beyond the scores that each row has: they take part in its maximum and its sum, and have no value."""
    guarded: bool = False
    """Whether a row's maximum is compared with -inf, so that a row without any visible key becomes zero."""
    dtype: DType | None = None
    """The type in which it computes."""
    softmax_dtype: DType | None = None
    """The type in which softmax computes, where that is another."""


def attend(sizes: Sizes, steps: Steps) -> Iterator[Term]:
    """Yield the work of softmax(steps(Q*K)) * V."""
    yield work(
        "Q*K",
        Arith.MAC,
        wrt=("Q", "K"),
        dtype=steps.dtype,
        masked=sizes.masked * sizes.size,
        **sizes.pairs,
        size=sizes.size,
    )
    yield from _between(sizes, steps)
    yield from in_type(steps.softmax_dtype or steps.dtype, _softmax(sizes, steps.sinks))
    if steps.guarded:
        yield work("max(x) = -inf", Arith.CMP, dtype=steps.dtype, **sizes.rows)
    yield work(
        "P*V",
        Arith.MAC,
        wrt=("P", "V"),
        dtype=steps.dtype,
        masked=sizes.masked * sizes.v_size,
        **sizes.pairs,
        v_size=sizes.v_size,
    )


def _between(sizes: Sizes, steps: Steps) -> Iterator[Term]:
    if steps.scale != 1:
        yield work("* scale", Arith.MUL, dtype=steps.dtype, **sizes.pairs)
    if steps.softcap:
        for arith in (Arith.DIV, Arith.TANH, Arith.MUL):
            yield work("softcap * tanh(x / softcap)", arith, dtype=steps.dtype, **sizes.pairs)
    if steps.chosen:
        yield work("x where mask", Arith.CMP, dtype=steps.dtype, **sizes.pairs, masks=steps.chosen)
    if steps.added:
        yield work("+ mask, bias", Arith.ADD, dtype=steps.dtype, **sizes.pairs, tensors=steps.added)


def _softmax(sizes: Sizes, sinks: int) -> Iterator[Term]:
    yield from softmax.shares(axes.Rows(sizes.batch * sizes.heads * sizes.queries, sizes.keys))
    if sinks:
        yield work("max(x, sink)", Arith.CMP, **sizes.rows, sinks=sinks)
        yield work("d = sink - max(x)", Arith.ADD, **sizes.rows, sinks=sinks)
        yield work("e = exp(d)", Arith.EXP, **sizes.rows, sinks=sinks)
        yield work("sum(e) + e", Arith.ADD, **sizes.rows, sinks=sinks)


def bounded(formula: Formula, most: Sequence[Sizes], least: Sequence[Sizes]) -> Iterator[Term]:
    """Yield a formula's terms for sequences that are at most and at least of some sizes; exact where the two agree."""
    for high, low in zip(_together(formula, most), _together(formula, least), strict=True):
        yield high if most == least else replace(high, least=low.count)


def _together(formula: Formula, groups: Sequence[Sizes]) -> Iterator[Term]:
    for first, *others in zip(*map(formula, groups), strict=True):
        count, masked = sum(one.count for one in others), sum(one.masked for one in others)
        more = replace(first, count=first.count + count, masked=first.masked + masked, factors=())
        yield more if others else first


def hidden_pairs(queries: int, keys: int, past: int, left: int = -1, right: int = 0) -> int:
    """Return how many pairs a mask hides where query i sees only the keys from i + past - left to i + past + right.

    -1 leaves a side open.

    >>> hidden_pairs(3, 3, past=0)
    3
    >>> hidden_pairs(2, 5, past=3, left=1)
    6
    """
    after = 0 if right < 0 else _clamped(keys - past - right - queries, queries, keys)
    before = 0 if left < 0 else _clamped(past - left, queries, keys)
    return after + before


def _clamped(first: int, count: int, top: int) -> int:
    """Return the sum of min(max(x, 0), top) for x = first, first + 1, ...: so many of them."""
    return _positive(first, count) - _positive(first - top, count)


def _positive(first: int, count: int) -> int:
    return _triangle(first + count - 1) - _triangle(first - 1)


def _triangle(last: int) -> int:
    return last * (last + 1) // 2 if last > 0 else 0


def scale_of(call: Call, size: int) -> float:
    """Return the factor of the scores: com.microsoft's `scale`, where 0 and none stand for 1 / sqrt(size)."""
    return float(call.attr_or("scale", float, 0.0) or size**-0.5) if size else 1.0


def is_told_by_elements(mask: TensorType | None) -> bool:
    """Return whether a mask has an element for every key; one of rank 1 holds lengths, which the place is held to."""
    return mask is not None and mask.rank > 1


def divided(call: Call, name: str, size: int, attribute: str) -> int:
    """Return how many of the elements of an input are those of one head."""
    heads = call.attr(attribute, int)
    if heads < 1 or size % heads:
        raise call.error(f"wants {attribute} to be a divisor of the {size} of {name}, it is {heads}")
    return size // heads


def head_sizes(call: Call, name: str) -> tuple[int, int]:
    """Return the elements of a key and of a value, by weights that hold those of Q, K and V side by side."""
    columns = dims_of(call, name, 2)[1]
    widths = call.attr_or("qkv_hidden_sizes", tuple, ()) or (columns // 3,) * 3
    if len(widths) != 3 or sum(widths) != columns or widths[0] != widths[1]:
        raise call.error(f"wants Q, K and V to share the {columns} columns of {name}, their widths are {widths}")
    return divided(call, "Q", widths[0], "num_heads"), divided(call, "V", widths[2], "num_heads")


def dims_of(call: Call, name: str, rank: int) -> tuple[int, ...]:
    """Return the sizes of an input of a certain rank."""
    dims = call.input(name).dims
    if len(dims) != rank:
        raise call.error(f"wants {name} of rank {rank}, it is of rank {len(dims)}")
    return dims


KEY_VALUE = {"past_key": "present_key", "past_value": "present_value"}
"""The caches of keys and values, as most operators call them, and what they become."""


def lengths_of(call: Call, name: str) -> list[int] | None:
    """Return the elements of an input that holds lengths; None where they aren't known."""
    known = call.known(name)
    if known is None:
        return None
    found = [int(one) for one in known.reshape(-1).tolist()]
    if min(found, default=0) < 0:
        raise call.error(f"wants {name} of 0 or more, it is {min(found)}")
    return found


def side_by_side(call: Call, tokens: int, batch: int) -> list[int] | None:
    """Return the lengths of sequences that share an axis, by cumulative_sequence_length; None where it isn't known."""
    ends = lengths_of(call, "cumulative_sequence_length")
    if ends is None:
        return None
    lengths = [end - start for start, end in pairwise(ends)]
    if len(lengths) != batch or sum(lengths) != tokens or min(lengths, default=0) < 0:
        raise call.error(f"wants cumulative_sequence_length to end at {tokens} for {batch} sequences, it is {ends}")
    return lengths


def length_of(call: Call, name: str) -> int | None:
    """Return the one length that an input holds; None where it isn't known."""
    found = call.known_integer(name)
    if found is not None and found < 0:
        raise call.error(f"wants {name} of 0 or more, it is {found}")
    return found


def in_buffer(call: Call, buffers: Mapping[str, str], batch: int, past: int, new: int) -> tuple[int, int]:
    """Return the traffic where past and present share buffers: past rows are read, new ones written, of all sequences.

    `buffers` names each past input and the output that it becomes.
    """
    read, written = each_once(call)
    for name, becomes in buffers.items():
        if (one := call.optional(name)) is not None:
            if one.rank < 4:
                raise call.error(f"wants {name} of rank 4 or more, it is of rank {one.rank}")
            rows = batch * one.dims[-2]
            row = one.bytes // rows if rows else 0
            read -= row * (rows - past)
            written -= row * (rows - new) if call.has_output(becomes) else 0
    return read, written
