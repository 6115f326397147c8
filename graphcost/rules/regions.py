"""Regions of interest: parts of feature maps, resampled or pooled to one size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.registry import MICROSOFT, rule
from graphcost.rules.shared import interpolation
from graphcost.terms import Arith, work
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

MICROSOFT.signature(
    "CropAndResize",
    "X rois batch_indices crop_size -> Y",
    extrapolation_value=0.0,
    mode="bilinear",
)


@MICROSOFT.types("CropAndResize")
def crop_and_resize_type(call: Call) -> Iterator[TensorType]:
    """Say the type of Y: (rois, C, *crop_size)."""
    x, rois = call.partial("X"), call.partial("rois")
    _check_ranks(call, x, rois)
    known = call.known("crop_size")
    if known is not None and (known.size != 2 or min(known.reshape(-1).tolist()) < 1):
        raise call.error(f"wants a crop_size of 2 integers of 1 or more, it is {known.tolist()}")
    crop = (None, None) if known is None else tuple(known.reshape(-1).tolist())
    yield TensorType(x.dtype, (*shape_of(rois)[:1], *shape_of(x)[1:2], *crop))


@MICROSOFT.rule("CropAndResize", not_weights="rois")
def crop_and_resize(call: Call) -> Iterator[Term]:
    """Y[r, c, i, j] = X[batch_index, c] at the place (y, x), by bilinear interpolation or at the nearest point.

    X: (N, C, H, W), rois: (R, 4) as (y1, x1, y2, x2), Y: (R, C, *crop_size). Along an axis of `length` points,
    y[i] = y1 * (length - 1) + i * step with step = (y2 - y1) * (length - 1) / (crop - 1), or the middle,
    0.5 * (y1 + y2) * (length - 1), where crop is 1. Positions are computed once per region and axis, weights once per
    region and place, for all channels. What lies outside is extrapolated, and counts as any other place.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.CropAndResize
    """
    x, rois, y, mode = (
        call.input("X"),
        call.input("rois"),
        call.output("Y"),
        call.choice("mode", ("bilinear", "nearest")),
    )
    _check_ranks(call, x, rois)
    regions, _, height, width = y.dims
    for crop in (height, width):
        yield from _crop_positions(regions, crop)
    if mode == "nearest":
        yield work("round(y)", Arith.ROUND, regions=regions, coordinates=height + width)
        return
    yield from _bilinear(regions, regions * (height + width), height * width, y.elements)


def _crop_positions(regions: int, crop: int) -> Iterator[Term]:
    if crop == 1:
        yield work("0.5 * (y1 + y2) * (length - 1)", Arith.ADD, regions=regions)
        yield work("0.5 * (y1 + y2) * (length - 1)", Arith.MUL, regions=regions, products=2)
        return
    yield work("step", Arith.ADD, regions=regions)
    yield work("step", Arith.MUL, regions=regions)
    yield work("step", Arith.DIV, regions=regions)
    yield work("y1 * (length - 1)", Arith.MUL, regions=regions)
    yield work("y1 * (length - 1) + i * step", Arith.MUL, regions=regions, coordinates=crop)
    yield work("y1 * (length - 1) + i * step", Arith.ADD, regions=regions, coordinates=crop)


def _bilinear(regions: int, coordinates: int, places: int, values: int) -> Iterator[Term]:
    yield from interpolation.ratios(coordinates)
    yield from interpolation.weights("linear", coordinates)
    yield from interpolation.joint_weights(regions * places, 4, 2)
    yield from interpolation.average(values, 4)


@rule("RoiAlign", since=10, not_weights="rois")
def roi_align(call: Call) -> Iterator[Term]:
    """Y[r, c, i, j] = the mean, or with `mode` max the largest, of the samples X[batch_index, c] at (y, x) in bin i, j.

    X: (N, C, H, W), rois: (R, 4), Y: (R, C, output_height, output_width). Each bin takes sampling_ratio samples along
    each axis. start = y1 * spatial_scale and end = y2 * spatial_scale, both - 0.5 for half_pixel; bin = (end - start) /
    bins, with a length of 1 at least where there is no half_pixel (as before opset 16);
    y = start + i * bin + (k + 0.5) * bin / sampling_ratio. A sample is an average of four points for mode avg; for mode
    max, as onnx's reference has it, the largest of four points that are weighted alike. Positions are computed once per
    region and axis, weights once per region and sample, for all channels. Samples outside count as work.
    With a sampling_ratio of 0 the size of each region says how many samples there are: that is unknown.

    Source: https://onnx.ai/onnx/operators/onnx__RoiAlign.html, https://arxiv.org/abs/1703.06870
    """
    y, ratio, mode = call.output("Y"), call.attr("sampling_ratio", int), call.choice("mode", ("avg", "max"), "avg")
    _check_ranks(call, call.input("X"), call.input("rois"))
    if ratio < 1:
        raise UnknownShapeError("how many samples are taken follows from the elements of rois: sampling_ratio is 0")
    regions, _, height, width = y.dims
    coordinates, samples = regions * (height + width) * ratio, ratio * ratio
    yield from _bins(call, regions)
    where = "y = start + i * bin + (k + 0.5) * bin / sampling_ratio"
    yield work(where, Arith.MUL, coordinates=coordinates, products=2)
    yield work(where, Arith.DIV, coordinates=coordinates)
    yield work(where, Arith.ADD, coordinates=coordinates, additions=2)
    yield from interpolation.ratios(coordinates)
    yield from interpolation.weights("linear", coordinates)
    yield from interpolation.joint_weights(regions * height * width * samples, 4, 2)
    if mode == "avg":
        yield from interpolation.average(y.elements * samples, 4)
        yield work("sum(samples)", Arith.ADD, outputs=y.elements, additions=samples - 1)
        yield work("/ samples", Arith.DIV, outputs=y.elements)
    else:
        yield work("weight * X", Arith.MUL, outputs=y.elements, samples=samples, points=4)
        yield work("max", Arith.CMP, outputs=y.elements, comparisons=4 * samples - 1)


def _bins(call: Call, regions: int) -> Iterator[Term]:
    yield work("corner * spatial_scale", Arith.MUL, regions=regions, coordinates=4)
    if _has_half_pixel(call):
        yield work("corner - 0.5", Arith.ADD, regions=regions, coordinates=4)
    else:
        yield work("max(length, 1)", Arith.CMP, regions=regions, axes=2)
    yield work("length = end - start", Arith.ADD, regions=regions, axes=2)
    yield work("bin = length / bins", Arith.DIV, regions=regions, axes=2)


def _has_half_pixel(call: Call) -> bool:
    return call.attr_or("coordinate_transformation_mode", str, "output_half_pixel") == "half_pixel"


@rule("MaxRoiPool", not_weights="rois")
def max_roi_pool(call: Call) -> Iterator[Term]:
    """Y[r, c, i, j] = the largest of X[batch_index, c] in bin i, j of the region.

    X: (N, C, H, W), rois: (R, 5) as (batch_index, x1, y1, x2, y2), Y: (R, C, *pooled_shape). Along each axis, with
    corners start, end = round(corner * spatial_scale), bin = max(end - start + 1, 1) / bins, and bin i goes from
    start + floor(i * bin) to start + ceil((i + 1) * bin), cut off at the ends of X. The largest of k elements takes
    k - 1 comparisons. A region of one element takes none; the most is a region over all of X, where two neighbouring
    bins share one row or column at most: H + bins - 1 rows in all, whatever the region.

    Source: https://onnx.ai/onnx/operators/onnx__MaxRoiPool.html, https://arxiv.org/abs/1504.08083
    """
    x, rois, y = call.input("X"), call.input("rois"), call.output("Y")
    if x.rank != 4 or rois.rank != 2 or rois.dims[1] != 5:
        raise call.error(f"wants X of rank 4 and rois of shape (regions, 5), they are {x} and {rois}")
    regions, channels, *bins = y.dims
    yield from _rounded_bins(regions, sum(bins))
    rows, columns = (size + many - 1 if size else 0 for size, many in zip(x.dims[2:], bins, strict=True))
    most = max(rows * columns - bins[0] * bins[1], 0)
    yield work("max", Arith.CMP, least=0, regions=regions, channels=channels, comparisons=most)


def _rounded_bins(regions: int, edges: int) -> Iterator[Term]:
    yield work("corner * spatial_scale", Arith.MUL, regions=regions, coordinates=4)
    yield work("round(corner)", Arith.ROUND, regions=regions, coordinates=4)
    yield work("length = end - start + 1", Arith.ADD, regions=regions, axes=2, additions=2)
    yield work("max(length, 1)", Arith.CMP, regions=regions, axes=2)
    yield work("bin = length / bins", Arith.DIV, regions=regions, axes=2)
    yield work("floor(i * bin), ceil((i + 1) * bin)", Arith.MUL, regions=regions, bins=edges, products=2)
    yield work("floor(i * bin), ceil((i + 1) * bin)", Arith.ROUND, regions=regions, bins=edges, roundings=2)


def _check_ranks(call: Call, x: TensorType, rois: TensorType) -> None:
    if x.rank != 4 or rois.rank != 2 or shape_of(rois)[-1] not in {4, None}:
        raise call.error(f"wants X of rank 4 and rois of shape (regions, 4), they are {x} and {rois}")
