"""Products of matrices as the plainest loops, written from the operators' text."""

from __future__ import annotations

import numpy as np


def gemm(tally, a, b, c=None, *, alpha=1.0, beta=1.0, trans_a=0, trans_b=0):
    """Return alpha * A' * B' + beta * C. A factor of 1 is left out, and so is a C that isn't there."""
    a, b = (a.T if trans_a else a), (b.T if trans_b else b)
    y = matrices(tally, a, b)
    if alpha != 1:
        y = _each(y, lambda element: alpha * element)
    if c is not None and beta != 1:
        c = _each(c, lambda element: beta * element)
    if c is not None:
        c = np.broadcast_to(c, y.shape)
        for place in np.ndindex(y.shape):
            y[place] = y[place] + c[place]
    return y


def matmul(tally, a, b):
    """Return A * B as numpy.matmul describes it: a vector is a row on the left, a column on the right."""
    rows = a[np.newaxis, :] if a.ndim == 1 else a
    columns = b[:, np.newaxis] if b.ndim == 1 else b
    batch = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    rows = np.broadcast_to(rows, batch + rows.shape[-2:])
    columns = np.broadcast_to(columns, batch + columns.shape[-2:])
    y = np.empty((*batch, rows.shape[-2], columns.shape[-1]), object)
    for place in np.ndindex(batch):
        y[place] = matrices(tally, rows[place], columns[place])
    y = y[..., 0, :] if a.ndim == 1 else y
    return y[..., 0] if b.ndim == 1 else y


def matrices(tally, a, b):
    """Return the product of two matrices."""
    y = np.empty((a.shape[0], b.shape[1]), object)
    for m, n in np.ndindex(y.shape):
        total = tally.number(0)
        for k in range(a.shape[1]):
            total = total.mac(a[m, k], b[k, n])
        y[m, n] = total
    return y


def _each(tensor, change):
    changed = np.empty(tensor.shape, object)
    for place in np.ndindex(tensor.shape):
        changed[place] = change(tensor[place])
    return changed
