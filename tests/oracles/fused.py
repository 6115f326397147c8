"""What onnxruntime's fused operators do, as the plainest loops: the parts one after the other.

Where elements take different branches, all of a branch is computed before one is chosen: a rule counts every element as
one that takes the branch with the most work.
"""

from __future__ import annotations

import math

import numpy as np
from oracles import products, rows


def each(function, *tensors):
    """Return what a function makes of the elements of tensors of one shape, or of tensors that are broadcast to it."""
    wide = np.broadcast_arrays(*tensors)
    y = np.empty(wide[0].shape, object)
    for place in np.ndindex(y.shape):
        y[place] = function(*(one[place] for one in wide))
    return y


def sigmoid(x):
    return 1.0 / (1.0 + (-x).exp())


def silu(x):
    return x * sigmoid(x)


def elu(x, alpha):
    negative = alpha * (x.exp() - 1.0)
    return negative if x < 0.0 else x


def selu(x, alpha, gamma):
    negative = alpha * x.exp() - alpha
    return gamma * (negative if x <= 0.0 else x)


def leaky_relu(x, alpha):
    negative = alpha * x
    return negative if x < 0.0 else x


ACTIVATIONS = {
    "": lambda x: x,
    "Relu": lambda x: x.maximum(0.0),
    "Tanh": lambda x: x.tanh(),
    "Sigmoid": sigmoid,
    "Silu": silu,
    "Elu": lambda x: elu(x, 0.7),
    "Selu": lambda x: selu(x, 0.7, 1.3),
    "LeakyRelu": lambda x: leaky_relu(x, 0.7),
    "ThresholdedRelu": lambda x: x if x > 0.7 else x.tally.number(0.0),
    "HardSigmoid": lambda x: (0.7 * x + 0.4).minimum(1.0).maximum(0.0),
    "Softplus": lambda x: (x.exp() + 1.0).log(),
    "Softsign": lambda x: x / (1.0 + abs(x)),
    "Clip": lambda x: x.maximum(-0.5).minimum(0.5),
    "ScaledTanh": lambda x: 0.7 * (0.4 * x).tanh(),
    "ParametricSoftplus": lambda x: 0.7 * ((0.4 * x).exp() + 1.0).log(),
}
"""With 0.7 for alpha, 0.4 for beta, 1.3 for gamma, and 0.5 for the bounds."""


def gelu(x):
    return 0.5 * x * (1.0 + (x / math.sqrt(2.0)).erf())


def fast_gelu(x):
    return 0.5 * x * (1.0 + (0.797885 * x + 0.035677 * x * x * x).tanh())


def quick_gelu(x, alpha):
    return x * sigmoid(alpha * x)


def scaled_silu(x, scale):
    return silu(scale * x)


def added(x, *others):
    """Return a tensor and others that are broadcast to it, added up from the left; None is left out."""
    for other in others:
        if other is not None:
            x = each(lambda a, b: a + b, x, other)
    return x


def fused_matmul(tally, a, b, alpha, orders):
    """Return alpha * A * B; `orders` says of each how it is stored: (trans, transBatch)."""
    y = products.matmul(tally, _as_read(a, *orders[0]), _as_read(b, *orders[1]))
    return y if alpha == 1 else each(lambda element: alpha * element, y)


def _as_read(tensor, trans, trans_batch):
    """Return (*batches, rows, columns), of which transBatch puts the rows first, and trans has the columns there."""
    if tensor.ndim < 2:
        return tensor
    if trans_batch:
        return np.moveaxis(tensor, 0, -1 if trans else -2)
    return np.swapaxes(tensor, -1, -2) if trans else tensor


def stored(tensor, trans, trans_batch):
    """Return (*batches, rows, columns) as it is stored for an operator that reads it like this."""
    if trans_batch:
        return np.moveaxis(tensor, -1 if trans else -2, 0)
    return np.swapaxes(tensor, -1, -2) if trans else tensor


def bias_split_gelu(x, bias):
    left, right = np.split(added(x, bias), 2, axis=-1)
    return each(lambda a, b: a * gelu(b), left, right)


def bias_softmax(tally, data, bias, axis):
    return rows.softmax(added(data, bias), range(axis % data.ndim, data.ndim), tally)
