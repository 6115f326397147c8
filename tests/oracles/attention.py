"""Attention as loops over sequences, heads, queries and keys, on numbers that count what is done to them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

NOTHING = -math.inf


@dataclass
class Looped:
    """What a loop made."""

    output: np.ndarray
    """(batch, heads, queries, v_size)."""
    hidden: int = 0
    """Pairs of a query and a key whose score was hidden by place, in all heads."""
    keys: list[int] = field(default_factory=list)
    """How many keys the queries of each sequence met."""


@dataclass(kw_only=True)
class Between:
    """What is done to a score between the two products."""

    scale: float = 1.0
    softcap: float = 0.0
    choose: np.ndarray | None = None
    """A mask of 0 and 1, of the shape of the scores."""
    filler: float = NOTHING
    """What a score becomes where the mask is 0."""
    add: tuple = ()
    """Masks that are added, of the shape of the scores."""

    def of(self, score, place):
        if self.scale != 1.0:
            score = score * self.scale
        if self.softcap:
            score = (score / self.softcap).tanh() * self.softcap
        if self.choose is not None:
            score = self.choose[place].choose(score, score.tally.number(self.filler))
        for bias in self.add:
            score = score + bias[place]
        return score


def attend(tally, q, k, v, between, *, sees=lambda _b, _i, _j: True, sink=None, guarded=False):
    """Return softmax(scores) * V. q: (batch, heads, queries, size), k, v: (batch, kv_heads, keys, ...).

    sees(b, i, j): whether the place lets query i see key j.
    """
    made = Looped(np.empty((*q.shape[:3], v.shape[3]), dtype=object))
    for b, h, i in np.ndindex(q.shape[:3]):
        shared = h * k.shape[1] // q.shape[1]
        row = []
        for j in range(k.shape[2]):
            score = between.of(dot(tally, q[b, h, i], k[b, shared, j]), (b, h, i, j))
            if not sees(b, i, j):
                made.hidden += 1
                score = tally.number(NOTHING)
            row.append(score)
        shares = softmax(row, None if sink is None else sink[h], tally, guarded=guarded)
        for e in range(v.shape[3]):
            made.output[b, h, i, e] = dot(tally, shares, v[b, shared, :, e])
    return made


def dot(tally, one, two):
    total = tally.number(0.0)
    for x, y in zip(one, two, strict=True):
        total = total.mac(x, y)
    return total


def softmax(row, sink, tally, *, guarded):
    """Return the shares of a row; a sink is one logit more, without a share of its own."""
    logits = row if sink is None else [*row, sink]
    if not logits:
        return []
    largest = logits[0]
    for one in logits[1:]:
        largest = largest.maximum(one)
    differences = [one - largest for one in logits]
    exponentials = [one.exp() for one in differences]
    total = exponentials[0]
    for one in exponentials[1:]:
        total = total + one
    shares = [one / total for one in exponentials[: len(row)]]
    if guarded and largest.equals(NOTHING):
        return [tally.number(0.0) for _ in shares]
    return shares


def each(numbers, function):
    """Return an array of function(number)."""
    made = np.empty(numbers.shape, dtype=object)
    for place in np.ndindex(numbers.shape):
        made[place] = function(numbers[place])
    return made


def split(numbers, heads):
    """Return (batch, heads, length, size) of (batch, length, heads*size): a matter of places."""
    if numbers.ndim == 4:
        return numbers
    batch, length, width = numbers.shape
    return numbers.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)


def joined(numbers):
    """Return (batch, length, heads*size) of (batch, heads, length, size)."""
    batch, heads, length, size = numbers.shape
    return numbers.transpose(0, 2, 1, 3).reshape(batch, length, heads * size)


def past_and(past, new):
    """Return the keys or values of both."""
    return new if past is None else np.concatenate([past, new], axis=2)


def onnx_attention(tally, inputs, said):
    """Attention of ai.onnx; the mask and nonpad_kv_seqlen are arrays of plain numbers."""
    q, k, v, mask, past_key, past_value, nonpad = inputs
    q, k, v = split(q, said.get("q_num_heads")), split(k, said.get("kv_num_heads")), split(v, said.get("kv_num_heads"))
    past = 0 if past_key is None else past_key.shape[2]
    k, v = past_and(past_key, k), past_and(past_value, v)
    scale = math.sqrt(said.get("scale", 1 / math.sqrt(q.shape[3])))
    if scale != 1.0:
        q, k = each(q, lambda one: one * scale), each(k, lambda one: one * scale)
    scores = (*q.shape[:3], k.shape[2])

    def sees(b, i, j):
        padding = k.shape[2] if nonpad is None else int(nonpad[b])
        place = i + (past if nonpad is None else padding - q.shape[2])
        left, right = said.get("left_window_size", -1), said.get("right_window_size", -1)
        if said.get("is_causal") and j > place:
            return False
        return j < padding and (left < 0 or j >= place - left) and (right < 0 or j <= place + right)

    masks = {}
    if mask is not None:
        lacking = [(0, 0)] * (mask.ndim - 1) + [(0, k.shape[2] - mask.shape[-1])]
        is_bool = mask.dtype == bool
        full = np.broadcast_to(np.pad(mask, lacking, constant_values=False if is_bool else NOTHING), scores)
        masks = {"choose": tally.tensor(full)} if is_bool else {"add": (tally.tensor(full),)}
    guarded = mask is not None or nonpad is not None or said.get("left_window_size", -1) >= 0
    between = Between(softcap=said.get("softcap", 0.0), **masks)
    return attend(tally, q, k, v, between, sees=sees, guarded=guarded), k, v


def product(tally, rows, matrix):
    """Return rows * matrix as multiply-accumulates."""
    made = np.empty((len(rows), matrix.shape[1]), dtype=object)
    for i, row in enumerate(rows):
        for j in range(matrix.shape[1]):
            made[i, j] = dot(tally, row, matrix[:, j])
    return made


def plus(rows, bias):
    """Return rows + bias, of which there is one element for each column."""
    made = np.empty(rows.shape, dtype=object)
    for place in np.ndindex(rows.shape):
        made[place] = rows[place] + bias[place[-1]]
    return made


def turned(numbers, cos, sin, positions, *, interleaved=False):
    """Return (batch, heads, length, size) with the first pairs of each head turned by the angle of its position."""
    made = numbers.copy()
    pairs = cos.shape[1]
    for b, h, t in np.ndindex(numbers.shape[:3]):
        c, s = cos[positions[b, t]], sin[positions[b, t]]
        for p in range(pairs):
            one, two = (2 * p, 2 * p + 1) if interleaved else (p, p + pairs)
            x, y = numbers[b, h, t, one], numbers[b, h, t, two]
            made[b, h, t, one] = x * c[p] - y * s[p]
            made[b, h, t, two] = x * s[p] + y * c[p]
    return made


def rms(vector, weight, epsilon=1e-6):
    """Return x / RMS * weight."""
    squares = [x * x for x in vector]
    total = squares[0]
    for one in squares[1:]:
        total = total + one
    root = (total / len(vector) + epsilon).sqrt()
    return [x / root * w for x, w in zip(vector, weight, strict=True)]


def normalized(numbers, weight):
    """Return (batch, heads, length, size) with every vector normalized."""
    made = np.empty(numbers.shape, dtype=object)
    for place in np.ndindex(numbers.shape[:3]):
        made[place] = rms(numbers[place], weight)
    return made
