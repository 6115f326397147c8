"""Operators on tensors that onnxruntime lays out in another order: channels last, or in blocks of channels.

The order of the elements changes no formula: each costs what the operator of ai.onnx costs on (N, C, *spatial).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod
from operator import floordiv, mul
from typing import TYPE_CHECKING

from graphcost.rules import conv, normalization, pool, resize, sampling
from graphcost.rules.contrib.fused import activation, convolved_and_added
from graphcost.rules.registry import MICROSOFT, NCHWC, NHWC
from graphcost.rules.shared import window_types
from graphcost.rules.shared.resizing import resized
from graphcost.rules.shared.sizes import where_known
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.rules.registry import Rule
    from graphcost.terms import Term


# com.microsoft, channels last

_WINDOWS = {"auto_pad": "NOTSET"}

MICROSOFT.signature("NhwcConv", "X W B? -> Y", group=1, **_WINDOWS)
MICROSOFT.signature("NhwcFusedConv", "X W B? Z? -> Y", group=1, **_WINDOWS)
MICROSOFT.signature("NhwcMaxPool", "x -> y", ceil_mode=0, **_WINDOWS)
MICROSOFT.signature("MaxpoolWithMask", "X M -> Y", storage_order=0, **_WINDOWS)


@MICROSOFT.types("NhwcConv", "NhwcFusedConv")
@NHWC.types("Conv")
def nhwc_conv_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, *spatial, M), for X: (N, *spatial, C) and W: (M, C/group, *kernel)."""
    yield window_types.channels_last(
        window_types.convolved(call, window_types.channels_first(call.partial("X")), call.partial("W"))
    )


@MICROSOFT.rule("NhwcConv")
def nhwc_conv(call: Call) -> Iterator[Term]:
    """Y = X*W + B, as Conv, for X: (N, *spatial, C), W: (M, C/group, *kernel), B: (M,), Y: (N, *spatial, M).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.NhwcConv
    """
    yield from conv.conv(window_types.moved_channels(call))


@MICROSOFT.rule("NhwcFusedConv")
def nhwc_fused_conv(call: Call) -> Iterator[Term]:
    """Y = activation(X*W + B + Z), as FusedConv, for X: (N, *spatial, C) and Y, Z: (N, *spatial, M).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    yield from convolved_and_added(window_types.moved_channels(call, "Z"), "Z")


@MICROSOFT.types("NhwcMaxPool")
@NHWC.types("AveragePool", "LpPool")
def nhwc_pool_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, *spatial, C)."""
    yield _pooled(call)


def _pooled(call: Call) -> TensorType:
    return window_types.channels_last(
        window_types.pooled(call, window_types.channels_first(call.partial(call.schema.inputs[0])))
    )


@MICROSOFT.rule("NhwcMaxPool")
def nhwc_max_pool(call: Call) -> Iterator[Term]:
    """Return the largest element of each window, as MaxPool, for x, y: (N, *spatial, C).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.NhwcMaxPool
    """
    names = replace(call.schema, inputs=("X",), outputs=("Y",))
    yield from pool.max_pool(window_types.moved_channels(replace(call, schema=names)))


# com.microsoft.nchwc, blocks of channels

NCHWC.signature("Conv", "X W B? Sum? -> Y", group=1, **_WINDOWS)
NCHWC.signature("MaxPool", "X -> Y", ceil_mode=0, storage_order=0, **_WINDOWS)
NCHWC.signature("AveragePool", "X -> Y", ceil_mode=0, count_include_pad=0, **_WINDOWS)
NCHWC.signature("GlobalMaxPool", "X -> Y")
NCHWC.signature("GlobalAveragePool", "X -> Y")
NCHWC.signature("ReorderInput", "X -> Y", channels_last=0)
NCHWC.signature("ReorderOutput", "X -> Y", channels_last=0, channels=0)
NCHWC.signature("Upsample", "X -> Y", mode="nearest", coordinate_transformation_mode="asymmetric")

LARGEST_BLOCK = 16
"""Channels in a block: 8 or 16, as the machine has it that the model was optimized for."""


@NCHWC.types("Conv")
def nchwc_conv_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, M, *spatial), with W's M, which is a multiple of the block."""
    yield window_types.convolved(call, call.partial("X"), call.partial("W"))


@NCHWC.rule("Conv")
def nchwc_conv(call: Call) -> Iterator[Term]:
    """Y = activation(X*W + B + Sum), as FusedConv.

    X: (N, C, *spatial), W: (M, C/group, *kernel), B: (M,), Sum, Y: (N, M, *spatial). C and M are what is stored: padded
    to a multiple of the block, and so is the work that is counted, because it is done.

    Source: https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/optimizer/nchwc_transformer.cc
    """
    yield from convolved_and_added(call, "Sum")


@NCHWC.types("MaxPool", "AveragePool")
@MICROSOFT.types("MaxpoolWithMask")
def pool_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, C, *spatial)."""
    yield window_types.pooled(call, call.partial("X"))


@NCHWC.types("GlobalMaxPool", "GlobalAveragePool")
def global_pool_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, C, 1, ...)."""
    yield window_types.pooled_globally(call.partial("X"))


_POOLS = {
    "MaxPool": pool.max_pool,
    "AveragePool": pool.average_pool,
    "GlobalMaxPool": pool.global_max_pool,
    "GlobalAveragePool": pool.global_average_pool,
}
for _op_type, _formula in _POOLS.items():
    _text = f"""As {_op_type} of ai.onnx, on (N, C, *spatial), with C padded to a multiple of the block.

Source: https://onnx.ai/onnx/operators/onnx__{_op_type}.html"""
    NCHWC.rule(_op_type, doc=_text)(_formula)


@NCHWC.types("ReorderInput")
def reorder_input_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, C, *spatial), with C padded to a multiple of the block.

    The model does not say how large the block is: 8 and 16 occur. Only multiples of both are known.
    """
    x = call.partial("X")
    if x.rank < 2:
        raise call.error(f"wants 2 axes or more, X is {x}")
    batch, channels, *spatial = shape_of(window_types.channels_first(x) if call.attr("channels_last", int) else x)
    is_whole = isinstance(channels, int) and channels % LARGEST_BLOCK == 0
    yield TensorType(x.dtype, (batch, channels if is_whole else None, *spatial))


@NCHWC.types("ReorderOutput")
def reorder_output_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, channels, *spatial), or (N, *spatial, channels) where `channels_last` is set."""
    x, channels = call.partial("X"), call.attr("channels", int)
    if x.rank < 2 or channels < 1:
        raise call.error(f"wants 2 axes or more and at least 1 of the channels, they are {x} and {channels}")
    batch, _, *spatial = shape_of(x)
    y = TensorType(x.dtype, (batch, channels, *spatial))
    yield window_types.channels_last(y) if call.attr("channels_last", int) else y


@MICROSOFT.rule("MaxpoolWithMask")
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


NCHWC.types("Upsample")(resized)
NHWC.types("Resize")(resized)


@NCHWC.rule("Upsample", traffic=resize.reads_its_points)
@NHWC.rule("Resize", traffic=resize.reads_its_points, not_weights="roi scales sizes")
def resize_in_layout(call: Call) -> Iterator[Term]:
    """Y[p] = sum over q of weight[p, q] * X[place(p) + q], as Resize of ai.onnx: scales and sizes go by X's layout.

    Source: https://onnx.ai/onnx/operators/onnx__Resize.html
    """
    yield from resize.resize(call)


# com.ms.internal.nhwc, channels last

NHWC.signature("Conv", "X W B? -> Y", group=1, **_WINDOWS)
NHWC.signature("ConvTranspose", "X W B? -> Y", group=1, **_WINDOWS)
NHWC.signature("AveragePool", "X -> Y", ceil_mode=0, count_include_pad=0, **_WINDOWS)
NHWC.signature("MaxPool", "X -> Y Indices?", ceil_mode=0, storage_order=0, **_WINDOWS)
NHWC.signature("LpPool", "X -> Y", ceil_mode=0, p=2, **_WINDOWS)
NHWC.signature("GlobalAveragePool", "X -> Y")
NHWC.signature("GlobalMaxPool", "X -> Y")
NHWC.signature("GlobalLpPool", "X -> Y", p=2)
NHWC.signature("LRN", "X -> Y", alpha=1e-4, beta=0.75, bias=1.0)
NHWC.signature("InstanceNormalization", "input scale B -> output", epsilon=1e-5)
NHWC.signature(
    "BatchNormalization",
    "X scale B input_mean input_var -> Y running_mean? running_var?",
    epsilon=1e-5,
    momentum=0.9,
    training_mode=0,
)
NHWC.signature(
    "Resize",
    "X roi? scales? sizes? -> Y",
    mode="nearest",
    coordinate_transformation_mode="half_pixel",
    keep_aspect_ratio_policy="stretch",
    antialias=0,
    exclude_outside=0,
)
NHWC.signature("GridSample", "X grid -> Y", align_corners=0, mode="linear", padding_mode="zeros")
NHWC.signature("MaxUnpool", "X I output_shape? -> output")
NHWC.signature("DepthToSpace", "input -> output", mode="DCR")
NHWC.signature("SpaceToDepth", "input -> output")

OLDEST = 11
"""The domain goes by the opsets of ai.onnx, and has nothing older."""


@NHWC.types("MaxPool")
def nhwc_max_pool_types(call: Call) -> Iterator[TensorType]:
    """Y: (N, *spatial, C), and so are the Indices."""
    y = _pooled(call)
    yield from (y, replace(y, dtype=DType.INT64))


@NHWC.types("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def nhwc_global_pool_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, 1, ..., C)."""
    yield window_types.channels_last(window_types.pooled_globally(window_types.channels_first(call.partial("X"))))


@NHWC.types("ConvTranspose")
def nhwc_conv_transpose_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, *spatial, M), for X: (N, *spatial, C) and W: (C, M/group, *kernel)."""
    x, w = window_types.channels_first(call.partial("X")), call.partial("W")
    pads = window_types.per_axis(call, "pads", 2 * (x.rank - 2), default=0, least=0)
    yield window_types.channels_last(window_types.deconvolved(call, x, w, pads))


NHWC.like_input("LRN", "InstanceNormalization")


@NHWC.types("BatchNormalization")
def batch_normalization_types(call: Call) -> Iterator[TensorType]:
    """Y has the type of X, and the running averages those of the averages."""
    yield from (call.partial("X"), call.partial("input_mean"), call.partial("input_var"))


@NHWC.types("GridSample")
def grid_sample_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, *places, C), for X: (N, *spatial, C) and grid: (N, *places, axes)."""
    x, grid = call.partial("X"), call.partial("grid")
    if x.rank != grid.rank or x.rank < 3:
        raise call.error(f"wants X and grid of the same rank, 3 or more, they are {x} and {grid}")
    yield TensorType(x.dtype, (*shape_of(x)[:1], *shape_of(grid)[1:-1], *shape_of(x)[-1:]))


@NHWC.types("MaxUnpool")
def max_unpool_type(call: Call) -> Iterator[TensorType]:
    """As MaxUnpool of ai.onnx, with the channels moved; output_shape is that of (N, C, *spatial)."""
    for found in pool.max_unpool_type(window_types.moved_channels(call)):
        if isinstance(found, TensorType):
            yield window_types.channels_last(found)


@NHWC.types("DepthToSpace", "SpaceToDepth")
def blocks_type(call: Call) -> Iterator[TensorType]:
    """DepthToSpace: (N, H*b, W*b, C/(b*b)) for (N, H, W, C) and a block size b; SpaceToDepth the other way round."""
    x, size = call.partial("input"), call.attr("blocksize", int)
    if x.rank != 4 or size < 1:
        raise call.error(f"wants 4 axes and a blocksize of 1 or more, they are {x} and {size}")
    batch, height, width, channels = shape_of(x)
    change, back = (mul, floordiv) if call.op_type == "DepthToSpace" else (floordiv, mul)
    height, width = (where_known(change, one, size) for one in (height, width))
    yield TensorType(x.dtype, (batch, height, width, where_known(back, channels, size * size)))


def _on_channels_last(formula: Rule, call: Call) -> Iterator[Term]:
    """Yield the work of an operator of ai.onnx on (N, *spatial, C), and of the activation that is fused with it."""
    yield from formula(replace(window_types.moved_channels(call), opset=max(call.opset, OLDEST)))
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
    NHWC.rule(_op_type, doc=_text)(partial(_on_channels_last, _plain))
