"""The types of convolutions and pools over (N, C, *spatial), as far as those of their inputs are known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost.errors import NodeError
from graphcost.rules.shared.sizes import where_known
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graphcost.call import Call
    from graphcost.types import Dim, Shape, Type


def convolved(call: Call, x: TensorType, w: TensorType) -> TensorType:
    """Return the type of Y = X*W, for X: (N, C, *spatial) and W: (M, C/group, *kernel)."""
    _check_ranks(call, x, w)
    return TensorType(x.dtype, (*shape_of(x)[:1], *shape_of(w)[:1], *_slid(call, x, shape_of(w)[2:])))


def pooled(call: Call, x: TensorType) -> TensorType:
    """Return the type of a pool over X: (N, C, *spatial)."""
    kernel = call.attr("kernel_shape", tuple)
    if not _are_integers(kernel, 1):
        raise call.error(f"wants a kernel_shape of integers of 1 or more, it is {kernel}")
    return TensorType(x.dtype, (*shape_of(x)[:2], *_slid(call, x, kernel)))


def pooled_globally(x: TensorType) -> TensorType:
    """Return the type of a global pool: one position is left of (N, C, *spatial)."""
    return TensorType(x.dtype, (*shape_of(x)[:2], *(1 for _ in shape_of(x)[2:])))


def deconvolved(call: Call, x: TensorType, w: TensorType, pads: Sequence[int] | None) -> TensorType:
    """Return the type of ConvTranspose, for X: (N, C, *spatial) and W: (C, M/group, *kernel).

    Where `pads` is None, which is to say not known, only `output_shape` and auto_pad tell the spatial sizes.
    """
    _check_ranks(call, x, w)
    maps, group = shape_of(w)[1], call.attr("group", int)
    channels = where_known(lambda size: size * group, maps)
    return TensorType(x.dtype, (*shape_of(x)[:1], channels, *_spread(call, shape_of(x)[2:], shape_of(w)[2:], pads)))


def ranked(call: Call, name: str, rank: int) -> TensorType:
    """Return an input's type; where not even its rank is known, it is one of so many unknown dimensions."""
    found = call.inputs[call.schema.inputs.index(name)]
    if isinstance(found, TensorType) and found.shape is None:
        return TensorType(found.dtype, (None,) * rank)
    return call.partial(name)


def channels_first(tensor: TensorType) -> TensorType:
    """Return the type of (N, *spatial, C) in the order (N, C, *spatial)."""
    shape = shape_of(tensor)
    if len(shape) < 2:
        raise NodeError(f"wants a tensor of shape (N, ..., C), it is {tensor}")
    return TensorType(tensor.dtype, (*shape[:1], *shape[-1:], *shape[1:-1]))


def channels_last(tensor: TensorType) -> TensorType:
    """Return the type of (N, C, *spatial) in the order (N, *spatial, C)."""
    shape = shape_of(tensor)
    return TensorType(tensor.dtype, (*shape[:1], *shape[2:], *shape[1:2]))


def per_axis(call: Call, name: str, entries: int, default: int, least: int) -> tuple[int, ...]:
    """Return an attribute that holds as many integers as there are spatial axes, or twice as many."""
    found = call.attr_or(name, tuple, (default,) * entries)
    if len(found) != entries or not _are_integers(found, least):
        raise call.error(f"wants {name} to be {entries} integers of {least} or more, they are {found}")
    return found


def _slid(call: Call, x: TensorType, kernel: Shape) -> Iterable[Dim]:
    """Return how many windows fit along each spatial axis."""
    sizes, axes = shape_of(x)[2:], len(kernel)
    if axes != len(sizes):
        raise call.error(f"wants a kernel with the {len(sizes)} spatial axes of X, it is {kernel}")
    pads = per_axis(call, "pads", 2 * axes, default=0, least=0)
    strides, dilations = _check_steps(call, axes)
    padding = zip(pads[:axes], pads[axes:], strict=True)
    return [
        _places(call, size, stride, extent, around)
        for size, stride, extent, around in zip(sizes, strides, map(_extent, kernel, dilations), padding, strict=True)
    ]


def _places(call: Call, size: Dim, stride: int, extent: int | None, padding: tuple[int, int]) -> Dim:
    """Return how many windows fit on an axis; in ceil_mode one more may hang over the end, if it begins before it."""
    if not isinstance(size, int) or extent is None:
        return None
    auto_pad = call.attr_or("auto_pad", str, "NOTSET")
    if auto_pad.startswith("SAME"):
        return -(-size // stride)
    begin, end = padding if auto_pad == "NOTSET" else (0, 0)
    room = begin + size + end - extent
    places = room // stride + 1
    hangs_over = call.attr_or("ceil_mode", int, 0) and room % stride and places * stride < begin + size
    return max(places + 1 if hangs_over else places, 0)


def _extent(kernel: Dim, dilation: int) -> int | None:
    """Return how far a window reaches from its first position to its last."""
    return where_known(lambda size: (size - 1) * dilation + 1, kernel)


def _spread(call: Call, sizes: Shape, kernel: Shape, pads: Sequence[int] | None) -> Iterable[Dim]:
    axes = len(kernel)
    if "output_shape" in call.attributes:
        return per_axis(call, "output_shape", axes, default=1, least=0)
    padding, (strides, dilations) = call.attr("auto_pad", str), _check_steps(call, axes)
    if padding != "NOTSET":
        pads = (0,) * 2 * axes
    if pads is None:
        return (None,) * axes
    more = per_axis(call, "output_padding", axes, default=0, least=0)
    change = [gain - begin - end for gain, begin, end in zip(more, pads[:axes], pads[axes:], strict=True)]
    reached = tuple(map(_reach, sizes, strides, map(_extent, kernel, dilations), change))
    if any(isinstance(size, int) and size < 1 for size in reached):
        raise call.error(f"wants to crop by its pads, {tuple(pads)}, which leaves {reached}")
    return map(_cropped, sizes, strides, reached) if padding.startswith("SAME") else reached


def _cropped(size: Dim, stride: int, full: Dim) -> Dim:
    """Return the size that auto_pad asks for, a stride per position: it can cut off what is there, and add nothing."""
    return where_known(lambda size, full: min(size * stride, full), size, full)


def _reach(size: Dim, stride: int, extent: int | None, change: int) -> Dim:
    """Return from where the first window begins to where the last one ends, and what is added there or cut off."""
    return where_known(lambda size, extent: (size - 1) * stride + extent + change, size, extent)


def _check_steps(call: Call, axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    strides = per_axis(call, "strides", axes, default=1, least=1)
    return strides, per_axis(call, "dilations", axes, default=1, least=1)


def _check_ranks(call: Call, x: TensorType, w: TensorType) -> None:
    if w.rank != x.rank or x.rank < 3:
        raise call.error(f"wants X and W of the same rank, 3 or more, they are {x} and {w}")


def _are_integers(found: Iterable[object], least: int) -> bool:
    return all(isinstance(one, int) and one >= least for one in found)


def moved_channels(call: Call, *also: str) -> Call:
    """Return a call on (N, *spatial, C) as one on (N, C, *spatial): its first input and output, and inputs by name."""
    moved = {0, *(call.schema.inputs.index(name) for name in also)}
    inputs = tuple(_moved(one) if place in moved else one for place, one in enumerate(call.inputs))
    return replace(call, inputs=inputs, outputs=(*map(_moved, call.outputs[:1]), *call.outputs[1:]))


def _moved(one: Type | None) -> Type | None:
    return channels_first(one) if isinstance(one, TensorType) and one.shape is not None else one
