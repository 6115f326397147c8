"""Longformer attention of com.microsoft: a window around each token, and a few tokens that meet all others.

Formula and assumptions as in shared/scaled_dot_product.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.registry import MICROSOFT
from graphcost.rules.shared.scaled_dot_product import Sizes, Steps, attend, bounded, dims_of, divided, scale_of
from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

MICROSOFT.signature(
    "LongformerAttention",
    "input weight bias mask global_weight global_bias global -> output",
)


@MICROSOFT.rule("LongformerAttention")
def longformer_attention(call: Call) -> Iterator[Term]:
    """Output = softmax(scale * Q*K^T + mask) * V over a window of keys; over all keys for the tokens that are global.

    input: (batch, length, heads*size), weight, global_weight: (heads*size, 3*heads*size), mask: (batch, length). Every
    token is projected by weight; which are projected by global_weight, and how many scores there are, depends on the
    global flags. At most all tokens are global: each is projected twice and meets every key. At least none is: a token
    meets itself and `window` keys on each side, of which one at an end lacks one side. The scale is 1 / sqrt(size).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.LongformerAttention
    """
    batch, length, width = dims_of(call, "input", 3)
    tokens, window = batch * length, call.attr("window", int)
    if window < 0:
        raise call.error(f"wants a window of 0 or more, it is {window}")
    yield work("X*W", Arith.MAC, wrt=("input", "weight"), tokens=tokens, columns=3 * width, width=width)
    yield work("+ bias", Arith.ADD, tokens=tokens, columns=3 * width)
    factors = ("input", "global_weight")
    yield work("X*W, global", Arith.MAC, wrt=factors, least=0, tokens=tokens, columns=3 * width, width=width)
    yield work("+ global_bias", Arith.ADD, least=0, tokens=tokens, columns=3 * width)
    size, heads = divided(call, "input", width, "num_heads"), call.attr("num_heads", int)
    most, least = (
        Sizes(batch=batch, heads=heads, queries=length, keys=keys, size=size, v_size=size)
        for keys in (length, min(length, window + 1))
    )
    yield from bounded(lambda one: attend(one, Steps(scale=scale_of(call, size), added=1)), [most], [least])


MICROSOFT.like_input("LongformerAttention")
