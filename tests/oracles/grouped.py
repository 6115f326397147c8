"""The attention operators of com.microsoft as loops, on numbers that count what is done to them."""

from __future__ import annotations

import numpy as np
from oracles import attention as loops
from oracles.reference import computed

FILLER = -10000.0


def packed(query):
    """Return Q, K and V of (batch, length, heads, 3, size)."""
    return [query[:, :, :, place].transpose(0, 2, 1, 3) for place in range(query.shape[3])]


def heads_of(given, heads):
    """Return Q, K and V as (batch, heads, length, size), however they are given, and how many of them are new."""
    query, key, value = given
    if query.ndim == 5:
        return packed(query), 3
    q = loops.split(query[:, None] if query.ndim == 2 else query, heads)
    if key.ndim == 5:
        return [q, *packed(key)], 3
    if key.ndim == 4:
        return [q, key, value], 1
    return [q, loops.split(key, heads), loops.split(value, heads)], 3


def biased(parts, new, bias):
    """Return Q, K and V with the bias of each added, where they are new."""
    made, start = [], 0
    for place, part in enumerate(parts):
        _, heads, _, size = part.shape
        own = bias[start : start + heads * size].reshape(heads, size)
        start += heads * size
        one = part.copy()
        for b, h, t, e in np.ndindex(one.shape if place < new else (0, 0, 0, 0)):
            one[b, h, t, e] = one[b, h, t, e] + own[h, e]
        made.append(one)
    return made


def sequences(tally, parts, past, between, *, causal=False, lengths=None):
    """Return the attention over past and new keys; `lengths` are the keys of each sequence that are no padding."""
    q, k, v = parts
    before = 0 if past is None else past[0].shape[2]
    if past is not None:
        k, v = loops.past_and(past[0], k), loops.past_and(past[1], v)

    def sees(b, i, j):
        return (not causal or j <= i + before) and (lengths is None or j < lengths[b])

    return loops.attend(tally, q, k, v, between, sees=sees), k, v


def expected(parts, past, scale, mask):
    """Return what onnx computes of plain arrays: the mask is what is added to the scores."""
    before = [None, None] if past is None else list(past)
    inputs = [one.astype(np.float64) for one in parts]
    inputs += [mask, *(one if one is None else one.astype(np.float64) for one in before)]
    return computed("Attention", inputs, 23, scale=scale)[0]


def full_mask(scores, *, choose=None, add=None, past=None, lengths=None):
    """Return what masks come to together, as something to add; with a past, a query sees that and up to its place."""
    _, _, queries, keys = scores
    made = np.zeros(scores)
    if choose is not None:
        made = np.where(choose, made, FILLER)
    if add is not None:
        made = made + add
    if past is not None:
        made = np.where(np.tril(np.ones((queries, keys)), past) > 0, made, -np.inf)
    if lengths is not None:
        made = np.where(np.arange(keys) < np.reshape(lengths, (-1, 1, 1, 1)), made, -np.inf)
    return made
