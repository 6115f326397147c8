"""Linear attention and causal convolution as loops, token by token, on numbers that count what is done to them."""

from __future__ import annotations

import math

import numpy as np
from oracles.attention import dot


def recurrence(tally, q, k, v, state, *, decay=None, beta=None, scale=0.0):
    """Return o and the last state. q: (tokens, heads, k_size), k, v: (tokens, kv_heads, ...), state: (kv_heads, k, v).

    decay: (tokens, kv_heads, 1 or k_size), beta: (tokens, kv_heads or 1).
    """
    tokens, kv_heads, k_size = k.shape
    readers = max(q.shape[1], kv_heads)
    state = state.copy()
    made = np.empty((tokens, readers, v.shape[2]), dtype=object)
    factor = scale or 1 / math.sqrt(k_size)
    for t in range(tokens):
        factors = None
        if decay is not None:
            factors = np.array([[one.exp() for one in row] for row in decay[t]], dtype=object)
        for h in range(kv_heads):
            if factors is not None:
                for d, e in np.ndindex(state.shape[1:]):
                    state[h, d, e] = state[h, d, e] * factors[h, d % factors.shape[1]]
            written = v[t, h]
            if beta is not None:
                held = [dot(tally, state[h, :, e], k[t, h]) for e in range(v.shape[2])]
                written = [(x - y) * beta[t, h % beta.shape[1]] for x, y in zip(written, held, strict=True)]
            for d, e in np.ndindex(state.shape[1:]):
                state[h, d, e] = state[h, d, e].mac(k[t, h, d], written[e])
        for r in range(readers):
            read, asked = state[r * kv_heads // readers], q[t, r * q.shape[1] // readers]
            for e in range(v.shape[2]):
                one = dot(tally, asked, read[:, e])
                made[t, r, e] = one if factor == 1.0 else one * factor
    return made, state


def sigmoid(x):
    return 1.0 / ((-x).exp() + 1.0)


def softplus(x):
    return (x.exp() + 1.0).log()


def unit(vector):
    """Return x / sqrt(sum(x * x))."""
    squares = [x * x for x in vector]
    total = squares[0]
    for one in squares[1:]:
        total = total + one
    root = total.sqrt()
    return [x / root for x in vector]


def causal_conv(tally, x, weight, bias, past, *, activation="none", dilation=1):
    """Return the outputs and the present state. x: (batch, channels, length), weight: (channels, 1, kernel)."""
    batch, channels, length = x.shape
    reach = (weight.shape[2] - 1) * dilation
    if past is None:
        past = tally.tensor(np.zeros((batch, channels, reach)))
    padded = np.concatenate([past, x], axis=2)
    made = np.empty(x.shape, dtype=object)
    for n, c, t in np.ndindex(batch, channels, length):
        one = dot(tally, padded[n, c, t : t + reach + 1 : dilation], weight[c, 0])
        if bias is not None:
            one = one + bias[c]
        made[n, c, t] = one if activation == "none" else one * sigmoid(one)
    return made, padded[:, :, padded.shape[2] - reach :]
