"""Losses over classes as the plainest loops, position by position."""

from __future__ import annotations

import numpy as np
from oracles import rows


def negative_log_likelihood(tally, scores, target, weight=None, ignored=None, reduction="mean"):
    """Return the loss of each position, or their sum or mean."""
    losses, weights = np.empty(target.shape, object), []
    for place in np.ndindex(target.shape):
        kind = int(target[place])
        safe = kind if 0 <= kind < scores.shape[1] else 0
        loss, factor = -scores[(place[0], safe, *place[1:])], tally.number(1)
        if weight is not None:
            factor = weight[safe]
            loss = loss * factor
        if ignored is not None and tally.number(kind).equals(ignored):
            loss, factor = tally.number(0), tally.number(0)
        losses[place] = loss
        weights.append(factor)
    if reduction == "none":
        return losses
    total = rows.total(list(losses.flat), tally)
    if reduction == "sum":
        return np.array(total)
    is_counted = weight is not None or ignored is not None
    return np.array(total / (rows.total(weights, tally) if is_counted else float(len(weights))))


def softmax_cross_entropy(tally, scores, labels, weights=None, ignored=None, reduction="mean"):
    """Return the loss, and the logarithm of each probability."""
    logarithms = rows.log_softmax(scores, [1], tally)
    return negative_log_likelihood(tally, logarithms, labels, weights, ignored, reduction), logarithms
