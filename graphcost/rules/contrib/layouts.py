"""Operators on tensors that onnxruntime lays out in another order: channels last, or in blocks of channels.

The order of the elements changes no formula: each costs what the operator of ai.onnx costs on (N, C, *spatial).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING

from graphcost.rules import conv, folding, normalization, pool, resize, sampling, windows
from graphcost.rules.contrib.fused import activation, convolved_and_added
from graphcost.rules.domains import MICROSOFT, NHWC
from graphcost.rules.registry import rule, signature, types
from graphcost.rules.sizes import resized
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.rules.registry import Rule
    from graphcost.terms import Term
    from graphcost.types import Dim

NCHWC = "com.microsoft.nchwc"


# com.microsoft, channels last

_WINDOWS = {"auto_pad": "NOTSET"}

signature("NhwcConv", "X W B? -> Y", domain=MICROSOFT, group=1, **_WINDOWS)
signature("NhwcFusedConv", "X W B? Z? -> Y", domain=MICROSOFT, group=1, **_WINDOWS)
signature("NhwcMaxPool", "x -> y", domain=MICROSOFT, ceil_mode=0, **_WINDOWS)
signature("MaxpoolWithMask", "X M -> Y", domain=MICROSOFT, storage_order=0, **_WINDOWS)


@types("NhwcConv", "NhwcFusedConv", domain=MICROSOFT)
@types("Conv", domain=NHWC)
def nhwc_conv_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, *spatial, M), for X: (N, *spatial, C) and W: (M, C/group, *kernel)."""
    yield windows.channels_last(windows.convolved(call, windows.channels_first(call.partial("X")), call.partial("W")))


@rule("NhwcConv", domain=MICROSOFT)
def nhwc_conv(call: Call) -> Iterator[Term]:
    """Y = X*W + B, as Conv, for X: (N, *spatial, C), W: (M, C/group, *kernel), B: (M,), Y: (N, *spatial, M).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.NhwcConv
    """
    yield from conv.conv(windows.moved_channels(call))


@rule("NhwcFusedConv", domain=MICROSOFT)
def nhwc_fused_conv(call: Call) -> Iterator[Term]:
    """Y = activation(X*W + B + Z), as FusedConv, for X: (N, *spatial, C) and Y, Z: (N, *spatial, M).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    yield from convolved_and_added(windows.moved_channels(call, "Z"), "Z")


@types("NhwcMaxPool", domain=MICROSOFT)
@types("AveragePool", "LpPool", domain=NHWC)
def nhwc_pool_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, *spatial, C)."""
    yield _pooled(call)


def _pooled(call: Call) -> TensorType:
    return windows.channels_last(windows.pooled(call, windows.channels_first(call.partial(call.schema.inputs[0]))))


@rule("NhwcMaxPool", domain=MICROSOFT)
def nhwc_max_pool(call: Call) -> Iterator[Term]:
    """Return the largest element of each window, as MaxPool, for x, y: (N, *spatial, C).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.NhwcMaxPool
    """
    names = replace(call.schema, inputs=("X",), outputs=("Y",))
    yield from pool.max_pool(windows.moved_channels(replace(call, schema=names)))


# com.microsoft.nchwc, blocks of channels

signature("Conv", "X W B? Sum? -> Y", domain=NCHWC, group=1, **_WINDOWS)
signature("MaxPool", "X -> Y", domain=NCHWC, ceil_mode=0, storage_order=0, **_WINDOWS)
signature("AveragePool", "X -> Y", domain=NCHWC, ceil_mode=0, count_include_pad=0, **_WINDOWS)
signature("GlobalMaxPool", "X -> Y", domain=NCHWC)
signature("GlobalAveragePool", "X -> Y", domain=NCHWC)
signature("ReorderInput", "X -> Y", domain=NCHWC, channels_last=0)
signature("ReorderOutput", "X -> Y", domain=NCHWC, channels_last=0, channels=0)
signature("Upsample", "X -> Y", domain=NCHWC, mode="nearest", coordinate_transformation_mode="asymmetric")

LARGEST_BLOCK = 16
"""Channels in a block: 8 or 16, as the machine has it that the model was optimized for."""


@types("Conv", domain=NCHWC)
def nchwc_conv_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, M, *spatial), with W's M, which is a multiple of the block."""
    yield windows.convolved(call, call.partial("X"), call.partial("W"))


@rule("Conv", domain=NCHWC)
def nchwc_conv(call: Call) -> Iterator[Term]:
    """Y = activation(X*W + B + Sum), as FusedConv.

    X: (N, C, *spatial), W: (M, C/group, *kernel), B: (M,), Sum, Y: (N, M, *spatial). C and M are what is stored: padded
    to a multiple of the block, and so is the work that is counted, because it is done.

    Source: https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/optimizer/nchwc_transformer.cc
    """
    yield from convolved_and_added(call, "Sum")


@types("MaxPool", "AveragePool", domain=NCHWC)
@types("MaxpoolWithMask", domain=MICROSOFT)
def pool_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, C, *spatial)."""
    yield windows.pooled(call, call.partial("X"))


@types("GlobalMaxPool", "GlobalAveragePool", domain=NCHWC)
def global_pool_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, C, 1, ...)."""
    yield windows.pooled_globally(call.partial("X"))


_POOLS = {
    "MaxPool": pool.max_pool,
    "AveragePool": pool.average_pool,
    "GlobalMaxPool": pool.global_max_pool,
    "GlobalAveragePool": pool.global_average_pool,
}
for _op_type, _formula in _POOLS.items():
    _text = f"""As {_op_type} of ai.onnx, on (N, C, *spatial), with C padded to a multiple of the block.

Source: https://onnx.ai/onnx/operators/onnx__{_op_type}.html"""
    rule(_op_type, domain=NCHWC, doc=_text)(_formula)


@types("ReorderInput", domain=NCHWC)
def reorder_input_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, C, *spatial), with C padded to a multiple of the block.

    The model does not say how large the block is: 8 and 16 occur. Only multiples of both are known.
    """
    x = call.partial("X")
    if x.rank < 2:
        raise call.error(f"wants 2 axes or more, X is {x}")
    batch, channels, *spatial = _shape(windows.channels_first(x) if call.attr("channels_last", int) else x)
    is_whole = isinstance(channels, int) and channels % LARGEST_BLOCK == 0
    yield TensorType(x.dtype, (batch, channels if is_whole else None, *spatial))


@types("ReorderOutput", domain=NCHWC)
def reorder_output_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, channels, *spatial), or (N, *spatial, channels) where `channels_last` is set."""
    x, channels = call.partial("X"), call.attr("channels", int)
    if x.rank < 2 or channels < 1:
        raise call.error(f"wants 2 axes or more and at least 1 of the channels, they are {x} and {channels}")
    batch, _, *spatial = _shape(x)
    y = TensorType(x.dtype, (batch, channels, *spatial))
    yield windows.channels_last(y) if call.attr("channels_last", int) else y


@rule("MaxpoolWithMask", domain=MICROSOFT)
def maxpool_with_mask(call: Call) -> Iterator[Term]:
    """Y[n, c, p] = the largest of X[n, c, p*stride + q - pad] over the q before the first zero of M on each line.

    X, Y: (N, C, *spatial), M: spatial as X. A line of a window, along the last axis, ends where M is 0: of its elements
    at least the first is looked up in M, and at most all are, and compared. Padded positions count as work.

    Source: https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/contrib_ops/cpu/maxpool_with_mask.h
    """
    m, y, kernel = call.input("M"), call.output("Y"), call.attr("kernel_shape", tuple)
    if m.dims[2:] != call.input("X").dims[2:]:
        raise call.error(f"wants M with the sizes of X, {call.input('X').dims}, it is {m.dims}")
    (largest,) = pool.max_pool(call)
    lines = y.elements * prod(kernel[:-1])
    yield work("M = 0", Arith.CMP, dtype=m.dtype, least=lines, outputs=y.elements, window=prod(kernel))
    yield replace(largest, least=0)


types("Upsample", domain=NCHWC)(resized)
types("Resize", domain=NHWC)(resized)


@rule("Upsample", domain=NCHWC, traffic=resize.reads_its_points)
@rule("Resize", domain=NHWC, traffic=resize.reads_its_points, not_weights="roi scales sizes")
def resize_in_layout(call: Call) -> Iterator[Term]:
    """Y[p] = sum over q of weight[p, q] * X[place(p) + q], as Resize of ai.onnx: scales and sizes go by X's layout.

    Source: https://onnx.ai/onnx/operators/onnx__Resize.html
    """
    yield from resize.resize(call)


def _shape(x: TensorType) -> tuple[Dim, ...]:
    return x.shape or ()


# com.ms.internal.nhwc, channels last

signature("Conv", "X W B? -> Y", domain=NHWC, group=1, **_WINDOWS)
signature("ConvTranspose", "X W B? -> Y", domain=NHWC, group=1, **_WINDOWS)
signature("AveragePool", "X -> Y", domain=NHWC, ceil_mode=0, count_include_pad=0, **_WINDOWS)
signature("MaxPool", "X -> Y Indices?", domain=NHWC, ceil_mode=0, storage_order=0, **_WINDOWS)
signature("LpPool", "X -> Y", domain=NHWC, ceil_mode=0, p=2, **_WINDOWS)
signature("GlobalAveragePool", "X -> Y", domain=NHWC)
signature("GlobalMaxPool", "X -> Y", domain=NHWC)
signature("GlobalLpPool", "X -> Y", domain=NHWC, p=2)
signature("LRN", "X -> Y", domain=NHWC, alpha=1e-4, beta=0.75, bias=1.0)
signature("InstanceNormalization", "input scale B -> output", domain=NHWC, epsilon=1e-5)
signature(
    "BatchNormalization",
    "X scale B input_mean input_var -> Y running_mean? running_var?",
    domain=NHWC,
    epsilon=1e-5,
    momentum=0.9,
    training_mode=0,
)
signature(
    "Resize",
    "X roi? scales? sizes? -> Y",
    domain=NHWC,
    mode="nearest",
    coordinate_transformation_mode="half_pixel",
    keep_aspect_ratio_policy="stretch",
    antialias=0,
    exclude_outside=0,
)
signature("GridSample", "X grid -> Y", domain=NHWC, align_corners=0, mode="linear", padding_mode="zeros")
signature("MaxUnpool", "X I output_shape? -> output", domain=NHWC)
signature("DepthToSpace", "input -> output", domain=NHWC, mode="DCR")
signature("SpaceToDepth", "input -> output", domain=NHWC)

OLDEST = 11
"""The domain goes by the opsets of ai.onnx, and has nothing older."""


@types("MaxPool", domain=NHWC)
def nhwc_max_pool_types(call: Call) -> Iterator[TensorType]:
    """Y: (N, *spatial, C), and so are the Indices."""
    y = _pooled(call)
    yield from (y, replace(y, dtype=DType.INT64))


@types("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", domain=NHWC)
def nhwc_global_pool_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, 1, ..., C)."""
    yield windows.channels_last(windows.pooled_globally(windows.channels_first(call.partial("X"))))


@types("ConvTranspose", domain=NHWC)
def nhwc_conv_transpose_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, *spatial, M), for X: (N, *spatial, C) and W: (C, M/group, *kernel)."""
    x, w = windows.channels_first(call.partial("X")), call.partial("W")
    pads = windows.per_axis(call, "pads", 2 * (x.rank - 2), default=0, least=0)
    yield windows.channels_last(windows.deconvolved(call, x, w, pads))


@types("LRN", "InstanceNormalization", domain=NHWC)
def same_type(call: Call) -> Iterator[TensorType]:
    """The output has the type of the first input."""
    yield call.partial(call.schema.inputs[0])


@types("BatchNormalization", domain=NHWC)
def batch_normalization_types(call: Call) -> Iterator[TensorType]:
    """Y has the type of X, and the running averages those of the averages."""
    yield from (call.partial("X"), call.partial("input_mean"), call.partial("input_var"))


@types("GridSample", domain=NHWC)
def grid_sample_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, *places, C), for X: (N, *spatial, C) and grid: (N, *places, axes)."""
    x, grid = call.partial("X"), call.partial("grid")
    if x.rank != grid.rank or x.rank < 3:
        raise call.error(f"wants X and grid of the same rank, 3 or more, they are {x} and {grid}")
    yield TensorType(x.dtype, (*_shape(x)[:1], *_shape(grid)[1:-1], *_shape(x)[-1:]))


@types("MaxUnpool", domain=NHWC)
def max_unpool_type(call: Call) -> Iterator[TensorType]:
    """As MaxUnpool of ai.onnx, with the channels moved; output_shape is that of (N, C, *spatial)."""
    for found in folding.max_unpool_type(windows.moved_channels(call)):
        if isinstance(found, TensorType):
            yield windows.channels_last(found)


@types("DepthToSpace", "SpaceToDepth", domain=NHWC)
def blocks_type(call: Call) -> Iterator[TensorType]:
    """DepthToSpace: (N, H*b, W*b, C/(b*b)) for (N, H, W, C) and a block size b; SpaceToDepth the other way round."""
    x, size = call.partial("input"), call.attr("blocksize", int)
    if x.rank != 4 or size < 1:
        raise call.error(f"wants 4 axes and a blocksize of 1 or more, they are {x} and {size}")
    batch, height, width, channels = _shape(x)
    change = _multiplied if call.op_type == "DepthToSpace" else _divided
    back = _divided if call.op_type == "DepthToSpace" else _multiplied
    yield TensorType(x.dtype, (batch, change(height, size), change(width, size), back(channels, size * size)))


def _multiplied(size: Dim, by: int) -> Dim:
    return size * by if isinstance(size, int) else None


def _divided(size: Dim, by: int) -> Dim:
    return size // by if isinstance(size, int) else None


def as_channels_first(formula: Rule, call: Call) -> Iterator[Term]:
    """Yield the work of an operator of ai.onnx on (N, *spatial, C), and of the activation that is fused with it."""
    yield from formula(replace(windows.moved_channels(call), opset=max(call.opset, OLDEST)))
    yield from activation(call, call.output(call.schema.outputs[0]).elements)


def _moves(_call: Call) -> Iterator[Term]:
    """Yield nothing: elements are put where the indices say."""
    return iter(())


_CHANNELS_LAST: dict[str, Rule] = {
    "Conv": conv.conv,
    "ConvTranspose": conv.conv_transpose,
    "MaxPool": pool.max_pool,
    "AveragePool": pool.average_pool,
    "LpPool": pool.lp_pool,
    "GlobalMaxPool": pool.global_max_pool,
    "GlobalAveragePool": pool.global_average_pool,
    "GlobalLpPool": pool.global_lp_pool,
    "BatchNormalization": normalization.batch_normalization,
    "InstanceNormalization": normalization.instance_normalization,
    "LRN": normalization.local_response_normalization,
    "GridSample": sampling.grid_sample,
    "MaxUnpool": _moves,
}
for _op_type, _plain in _CHANNELS_LAST.items():
    _text = f"""As {_op_type} of ai.onnx, on (N, *spatial, C), and the `activation` that may be fused with it.

Weights are laid out as in ai.onnx: onnxruntime moves the channels of the first input and output alone.

Source: https://onnx.ai/onnx/operators/onnx__{_op_type}.html"""
    rule(_op_type, domain=NHWC, doc=_text)(partial(as_channels_first, _plain))
