"""The sizes that Resize and Upsample give their output, and the factors by which they resize each axis."""

from __future__ import annotations

import struct
from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.shared.axes import position
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphcost.call import Call
    from graphcost.types import Dim, Shape

_LARGEST = 2**62
"""No axis is longer: the sizes of a tensor are 64-bit integers."""


def resized(call: Call) -> Iterator[TensorType]:
    """Say the type of Y: floor(size * scale) along each axis, or `sizes`, with which `keep_aspect_ratio_policy` plays.

    onnx takes the product in double precision and casts what is no number; runtimes take it in single precision.
    """
    x = call.inputs[0] if call.inputs else None
    if isinstance(x, TensorType) and x.shape is None:
        yield TensorType(x.dtype, None)
    else:
        x = call.partial("X")
        yield TensorType(x.dtype, tuple(_sizes(call, shape_of(x))))


def factors(call: Call, x: TensorType, y: TensorType) -> list[Fraction]:
    """Return by how much each axis is resized: its scale, or where `sizes` are given the quotient of both sizes."""
    if _by_sizes(call):
        return [Fraction(new, old) if old else Fraction(1) for new, old in zip(y.dims, x.dims, strict=True)]
    found = [Fraction(1)] * x.rank
    known = _scales(call, x.rank)
    if known is None:
        call.constant("scales")  # says that it isn't known
    for axis, scale in zip(axes(call, x.rank), known or (), strict=True):
        found[axis] = Fraction(scale)
    return found


def axes(call: Call, rank: int) -> list[int]:
    """Return the axes that other attributes and inputs speak of: those named in `axes`, all where there is none."""
    found = call.attr_or("axes", tuple, tuple(range(rank)))
    if not all(isinstance(axis, int) for axis in found):
        raise call.error(f"wants axes to be integers, they are {found}")
    return [position(call, axis, rank) for axis in found]


def elements(call: Call, name: str) -> tuple[float, ...] | None:
    """Return the elements of an input; None where they aren't known."""
    found = call.known(name)
    return None if found is None else tuple(found.reshape(-1).tolist())


def wanted_sizes(call: Call, name: str, count: int) -> tuple[Dim, ...]:
    """Return the sizes that an input holds; unknown ones where its elements aren't known."""
    known = call.known(name)
    if known is None:
        return (None,) * count
    sizes = tuple(int(size) for size in known.reshape(-1))
    if len(sizes) != count or any(size < 0 for size in sizes):
        raise call.error(f"wants {name} to be {count} sizes of 0 or more, it is {sizes}")
    return sizes


def _sizes(call: Call, shape: Shape) -> list[Dim]:
    found: list[Dim] = list(shape)
    named = axes(call, len(shape))
    new = _wanted(call, [shape[axis] for axis in named]) if _by_sizes(call) else _scaled(call, shape, named)
    for axis, size in zip(named, new, strict=True):
        found[axis] = size
    return found


def _scaled(call: Call, shape: Shape, named: Sequence[int]) -> list[Dim]:
    known = _scales(call, len(shape))
    if known is None:
        return [None] * len(named)
    return [_product(shape[axis], scale) for axis, scale in zip(named, known, strict=True)]


def _product(size: Dim, scale: float) -> int | None:
    """Return floor(size * scale), the product rounded to single precision.

    >>> _product(30, 0.699999988079071)  # the single-precision number next to 0.7
    21
    """
    if not isinstance(size, int) or size * scale > _LARGEST:
        return None
    (product,) = struct.unpack("f", struct.pack("f", size * scale))
    return int(product)


def _wanted(call: Call, old: Sequence[Dim]) -> list[Dim]:
    """Return the sizes that are asked for, as far as keeping the aspect ratio changes nothing about them."""
    new = elements(call, "sizes")
    if new is None:
        return [None] * len(old)
    if len(new) != len(old) or any(size < 0 for size in new):
        raise call.error(f"wants {len(old)} sizes of 0 or more, they are {new}")
    if any(isinstance(one, int) and bool(one) != bool(size) for one, size in zip(old, new, strict=True)):
        raise call.error(f"wants sizes of 0 where X has none, and nowhere else, they are {new} for {tuple(old)}")
    policy = call.choice("keep_aspect_ratio_policy", ("stretch", *_POLICIES), "stretch")
    if policy == "stretch":
        return [int(size) for size in new]
    known = [one for one in old if isinstance(one, int) and one > 0]
    if len(known) < len(old):
        return [None] * len(old)
    scale = _POLICIES[policy](Fraction(int(size), one) for size, one in zip(new, known, strict=True))
    return [int(scale * one + Fraction(1, 2)) for one in known]


_POLICIES = {"not_larger": min, "not_smaller": max}


def _scales(call: Call, rank: int) -> tuple[float, ...] | None:
    """Return the scales; None where they aren't known."""
    wanted = len(axes(call, rank))
    found = call.attr("scales", tuple) if "scales" in call.attributes else elements(call, "scales")
    if found is None:
        return None
    least = 1.0 if call.op_type == "Upsample" else 0.0
    if len(found) != wanted or not all(_is_scale(one) and one >= least for one in found):
        bound = "of 1 or more" if least else "above 0"
        raise call.error(f"wants {wanted} finite scales {bound}, they are {found}")
    return tuple(found)


def _is_scale(one: object) -> bool:
    return isinstance(one, float | int) and isfinite(one) and one > 0


def _by_sizes(call: Call) -> bool:
    """Return whether `sizes` are given and not `scales`; an input without elements is left out."""
    has_scales = "scales" in call.attributes or _is_given(call, "scales")
    has_sizes = _is_given(call, "sizes")
    if has_scales is None and has_sizes is None:
        raise UnknownShapeError("whether scales or sizes are given is not known")
    if has_scales is has_sizes:
        raise call.error(f"wants either scales or sizes, there are {'both' if has_sizes else 'none'}")
    return has_sizes is True or has_scales is False


def _is_given(call: Call, name: str) -> bool | None:
    """Return whether an input is there and has elements; None where its length isn't known."""
    if not call.has_input(name):
        return False
    found = call.inputs[call.schema.inputs.index(name)]
    if not isinstance(found, TensorType):
        return False
    if found.shape is None or found.shape[:1] == (None,):
        return None
    return found.shape != (0,)
