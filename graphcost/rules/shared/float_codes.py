"""The floating-point types that an attribute names by TensorProto's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.types import DType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphcost.call import Call

FLOATS = {1: DType.FLOAT32, 10: DType.FLOAT16, 11: DType.FLOAT64, 16: DType.BFLOAT16}
"""Those that most operators compute in."""


def named_float(call: Call, attribute: str, codes: Mapping[int, DType] = FLOATS) -> DType:
    """Return the type that an attribute names."""
    code = call.attr(attribute, int)
    if code not in codes:
        raise call.error(f"wants {attribute} to be one of {', '.join(map(str, codes))}, it is {code}")
    return codes[code]


def named_float_or(call: Call, attribute: str, default: DType | None) -> DType | None:
    """Return the type that an attribute names; another where it is 0, or the operator has none of that name."""
    return named_float(call, attribute) if call.attr_or(attribute, int, 0) else default
