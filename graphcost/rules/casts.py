"""Casts: changes of representation, and the few of them that compute a new value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.movement import reads_first
from graphcost.rules.registry import rule
from graphcost.terms import Arith, work
from graphcost.types import DType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


@rule("Cast")
@rule("CastLike", traffic=reads_first)
def cast(call: Call) -> Iterator[Term]:
    """Output = input in another type: x != 0 for a boolean, x rounded towards 0 where a float becomes an integer.

    Any other pair of numeric types is a change of representation, which computes nothing. Writing a number as a string,
    or reading one, runs along characters that no type counts: unknown. CastLike uses the type of its second input only.

    Source: https://onnx.ai/onnx/operators/onnx__Cast.html, https://onnx.ai/onnx/operators/onnx__CastLike.html
    """
    x, target = call.input("input"), call.output("output").dtype
    if x.dtype is None or target is None:
        raise UnknownShapeError("the types that are cast are not known")
    if x.dtype is target:
        return
    if DType.STRING in {x.dtype, target} and x.elements:
        raise UnknownShapeError("the lengths of the strings are not known")
    if target is DType.BOOL:
        yield work("x != 0", Arith.CMP, elements=x.elements)
    elif x.dtype.is_float and target.is_integer:
        yield work("truncate(x)", Arith.ROUND, elements=x.elements)
