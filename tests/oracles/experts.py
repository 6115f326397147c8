"""Mixtures of experts as the plainest loop: route every row, run the experts that are chosen, add what they say."""

from __future__ import annotations

import numpy as np
from oracles import fused, rows

ACTIVATIONS = {
    "relu": lambda x: x.maximum(0.0),
    "gelu": lambda x: 0.5 * x * (1.0 + (0.7978845608 * (x + 0.044715 * (x * x * x))).tanh()),
    "silu": fused.silu,
    "identity": lambda x: x,
}


def chosen(scores, k):
    """Return the places of the k largest scores, found in k passes over what is left."""
    left, found = list(range(len(scores))), []
    for _ in range(k):
        best = left[0]
        for place in left[1:]:
            if scores[place] > scores[best]:
                best = place
        left.remove(best)
        found.append(best)
    return found


def softmax(numbers, tally):
    return list(rows.softmax(np.array(numbers, object), [0], tally))


def weighted(scores, k, tally, *, normalizes):
    """Return (expert, weight) for the k largest of the softmax of all scores."""
    shares = softmax(scores, tally)
    places = chosen(shares, k)
    return _paired(places, [shares[place] for place in places], tally, normalizes=normalizes)


def weighted_after(scores, weights, k, tally, *, normalizes):
    """Return (expert, weight) for the k largest scores: the softmax of these, or what other weights say."""
    places = chosen(scores, k)
    if weights is None:
        return list(zip(places, softmax([scores[place] for place in places], tally), strict=True))
    return _paired(places, [weights[place] for place in places], tally, normalizes=normalizes)


def _paired(places, weights, tally, *, normalizes):
    if normalizes:
        total = rows.total(weights, tally)
        weights = [one / total for one in weights]
    return list(zip(places, weights, strict=True))


def sparse_mixer(scores, jitter, tally):
    """Return (expert, weight) twice: the largest score, then the largest of the others, over those that are near it."""
    found = []
    for place in chosen(scores, 2):
        largest, near = scores[place], []
        for other, score in enumerate(scores):
            distance = largest - score
            is_far = distance > (2 * jitter) * abs(score).maximum(largest)
            if not is_far and other not in [one for one, _ in found]:
                near.append(tally.number(-float(distance)).exp())  # the difference is there already
        inverse = 1.0 / rows.total(near, tally)
        found.append((place, tally.number(1.0) * inverse))
    return found


def times(weights, x, bias, tally):
    """Return weights * x + bias, for weights (columns, rows)."""
    y = []
    for column, row in enumerate(weights):
        total = tally.number(0)
        for w, one in zip(row, x, strict=True):
            total = total.mac(w, one)
        y.append(total if bias is None else total + bias[column])
    return y


def swiglu(gates, linear, said):
    """Return G * sigmoid(alpha * G) * (L + beta); an alpha of 1 and a beta of 0 are left out, and so is no limit."""
    alpha, beta, limit = said.get("activation_alpha", 1.0), said.get("activation_beta", 0.0), said.get("swiglu_limit")
    y = []
    if limit is not None:
        gates = [g.minimum(limit) for g in gates]
        linear = [part.minimum(limit).maximum(-limit) for part in linear]
    for g, part in zip(gates, linear, strict=True):
        share = fused.sigmoid(g if alpha == 1 else alpha * g)
        y.append(g * share * (part if beta == 0 else part + beta))
    return y


def expert(x, layers, said, tally):
    """Return fc2(activation(fc1(x))); a layer is (weights, bias), fc3 may be None."""
    fc1, fc2, fc3 = layers
    first = times(fc1[0], x, fc1[1], tally)
    third = None if fc3 is None else times(fc3[0], x, fc3[1], tally)
    if said["activation_type"] == "swiglu":
        if said.get("swiglu_fusion") == 1:
            hidden = swiglu(first[0::2], first[1::2], said)
        elif said.get("swiglu_fusion") == 2:
            hidden = swiglu(first[: len(first) // 2], first[len(first) // 2 :], said)
        else:
            hidden = swiglu(first, third, said)
    else:
        hidden = [ACTIVATIONS[said["activation_type"]](one) for one in first]
        hidden = hidden if third is None else [a * b for a, b in zip(hidden, third, strict=True)]
    return times(fc2[0], hidden, fc2[1], tally)


def mixture(x, routes, layers_of, said, tally):
    """Return the weighted sum of the experts of each row; `routes` holds (expert, weight) for each."""
    y = np.empty(x.shape, object)
    for place, row in enumerate(x):
        total = None
        for which, weight in routes[place]:
            result = [weight * one for one in expert(row, layers_of(which), said, tally)]
            total = result if total is None else [a + b for a, b in zip(total, result, strict=True)]
        y[place] = total
    return y
