"""Products with weights that are stored packed, as the plainest loops: unpack, dequantize, multiply.

Unpacking finds an element's place, and is not counted.
"""

from __future__ import annotations

import numpy as np
from oracles import fused_norms, products
from oracles.fused import added, each, silu

NF4 = [
    *(-1.0, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105004, 0.0),
    *(0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0),
]
"""The 16 numbers of normal float 4, from the paper on QLoRA (arXiv 2305.14314), appendix E."""

E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0]
"""The 16 numbers of float4e2m1."""


def unpack(packed, bits):
    """Return the numbers of so many bits that bytes hold along the last axis, those of the low bits first."""
    parts = [(packed >> shift) & (2**bits - 1) for shift in range(0, 8, bits)]
    return np.stack(parts, -1).reshape(*packed.shape[:-1], -1)


def blocked(per_block, block, size):
    """Return one entry for each of so many numbers along the last axis, from one for each block of them."""
    return np.repeat(per_block, block, -1)[..., :size]


def nbits(tally, a, q, zero_points, scales, bias):
    """Return A * B' + bias, with B[n, k] = (q - zero_point) * scale."""
    b = each(lambda x, z, s: (x - z) * s, tally.tensor(q), zero_points, scales)
    return rows_times(tally, a, b.T, bias)


def rows_times(tally, a, b, bias=None):
    """Return A: (..., K) times a matrix, plus a bias of its columns."""
    y = products.matrices(tally, a.reshape(-1, a.shape[-1]), b)
    return added(y, bias).reshape(*a.shape[:-1], b.shape[1])


def normalized(tally, a, skip, scale, epsilon):
    """Return A + skip over its root mean square, times a scale; without one A itself."""
    a = added(a, skip)
    return a if scale is None else fused_norms.scaled(fused_norms.rms_rows(a, tally, epsilon, [-1]), scale)


def mlp(tally, x, gate, up):
    """Return silu(x * gate) * (x * up); a projection is (q, zero points, scales, bias)."""
    left, right = (nbits(tally, x, *one) for one in (gate, up))
    return each(lambda g, u: silu(g) * u, left, right)


def fp8_weight(tally, a, q, scales, a_scale, bias):
    """Return A * B' + bias, with B = q * scale; with a_scale A goes to 8 bits and back."""
    if a_scale is not None:
        a = each(lambda x: x / a_scale * a_scale, a)
    return rows_times(tally, a, each(lambda x, s: x * s, tally.tensor(q), scales).T, bias)
