"""Hashing of elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.registry import MICROSOFT
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


MICROSOFT.signature("MurmurHash3", "X -> Y", positive=1, seed=0)

_BLOCK = ((Arith.MUL, 3), (Arith.ADD, 1), (Arith.LOGIC, 7))
"""Per 4 bytes: k * c1, rotated, * c2; h xor k, rotated, * 5 + c. A rotation is two shifts and an or."""
_END = ((Arith.MUL, 2), (Arith.LOGIC, 7))
"""Per hash: h xor length; h xor a shift of itself three times, with a product after the first and the second."""


@MICROSOFT.types("MurmurHash3")
def murmur_hash_type(call: Call) -> Iterator[TensorType]:
    """A hash of 32 bits for each element; `positive` says whether it has a sign."""
    yield TensorType(DType.UINT32 if call.attr("positive", int) else DType.INT32, shape_of(call.partial("X")))


@MICROSOFT.rule("MurmurHash3")
def murmur_hash(call: Call) -> Iterator[Term]:
    """Y = MurmurHash3_x86_32 of the bytes of each element of X: a round for every 4 of them, and an end.

    Of strings no type tells how many bytes they have; their work is not known.

    Source: https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp
    """
    x = call.input("X")
    bits = x.dtype.bits if x.dtype else None
    if bits is None:
        raise UnknownShapeError("how many bytes each element of X has is not known")
    if bits % 32:
        raise call.error(f"wants X of elements of 4 or 8 bytes, it is {x}")
    for arith, times in _BLOCK:
        yield work("a block of 4 bytes", arith, dtype=DType.UINT32, elements=x.elements, blocks=bits // 32, each=times)
    for arith, times in _END:
        yield work("the end", arith, dtype=DType.UINT32, elements=x.elements, each=times)
