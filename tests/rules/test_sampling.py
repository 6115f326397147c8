"""GridSample, AffineGrid and what samples regions, against loops that count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import backend
from oracles import sampling as oracle
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

SIZES = st.sampled_from((1, 2, 1, 2, 0))


@st.composite
def grids(draw):
    """A tally, X, the grid, and the attributes."""
    axes = draw(st.integers(1, 3))
    spatial = [draw(st.integers(2, 3)) for _ in range(axes)]
    batch, rng = draw(SIZES), np.random.default_rng(draw(st.integers(0, 999)))
    tally = Tally()
    x = tally.some(batch, draw(SIZES), *spatial)
    mode = draw(st.sampled_from(("linear", "nearest", "cubic") if axes < 3 else ("linear", "nearest")))
    grid = tally.tensor(rng.uniform(-1.6, 1.6, (batch, *(draw(st.integers(1, 2)) for _ in range(axes)), axes)))
    padding = draw(st.sampled_from(("zeros", "border", "reflection")))
    return tally, x, grid, {"mode": mode, "padding_mode": padding, "align_corners": draw(st.integers(0, 1))}


def sampled(tally, x, grid, said):
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(said["mode"], said["mode"])
    return oracle.grid_sample(tally, x, grid, mode, said["padding_mode"], align=said["align_corners"] == 1)


@checks("GridSample")
@given(grids())
@settings(max_examples=250, deadline=None)
def test_grid_sample_counts_what_the_loop_does(case):
    tally, x, grid, said = case
    y = sampled(tally, x, grid, said)
    call = make_call("GridSample", ts(*x.shape), ts(*grid.shape), **said)
    assert call.outputs == (ts(*y.shape),)
    assert counts(call) == tally.as_dict() or not y.size


def is_settled(case):
    """Whether onnx's reference and PyTorch agree: the former moves a place inside first, before its cubic weights."""
    return case[1].size and (case[3]["mode"] != "cubic" or case[3]["padding_mode"] == "zeros")


@given(grids().filter(is_settled))
@settings(max_examples=60, deadline=None)
def test_the_grid_loop_computes_the_operator(case):
    tally, x, grid, said = case
    y = sampled(tally, x, grid, said)
    expected = computed("GridSample", [values(x), values(grid)], 22, **said)[0]
    np.testing.assert_allclose(values(y), expected, atol=1e-5)


@pytest.mark.parametrize(("old", "new"), [("bilinear", "linear"), ("bicubic", "cubic"), ("nearest", "nearest")])
def test_modes_had_the_names_that_they_bear_in_two_axes(old, new):
    calls = [
        make_call("GridSample", ts(2, 3, 4, 5), ts(2, 6, 7, 2), mode=old, opset=16),
        make_call("GridSample", ts(2, 3, 4, 5), ts(2, 6, 7, 2), mode=old, opset=1, domain="com.microsoft"),
        make_call("GridSample", ts(2, 3, 4, 5), ts(2, 6, 7, 2), mode=new, opset=20),
    ]
    tally = Tally()
    y = oracle.grid_sample(tally, tally.some(2, 3, 4, 5), tally.some(2, 6, 7, 2), new, "zeros", align=False)
    for call in calls:
        assert (call.outputs, counts(call)) == ((ts(*y.shape),), tally.as_dict())


def test_integers_are_sampled_with_the_weights_of_the_grid():
    call = make_call("GridSample", ts(1, 1, 2, 2, dtype=DType.INT32), ts(1, 1, 1, 2))
    assert {term.dtype for term in terms(call)} == {DType.FLOAT32}


def test_the_type_of_a_grid_sample_is_known_as_far_as_its_inputs():
    x, grid = TensorType(DType.FLOAT32, (None, 3, None, 5)), TensorType(DType.FLOAT32, (2, None, 7, 2))
    call = make_call("GridSample", x, grid, domain="com.microsoft", opset=1)
    assert call.outputs == (TensorType(DType.FLOAT32, (None, 3, None, 7)),)


@checks("AffineGrid")
@given(st.integers(1, 2), st.lists(st.integers(2, 4), min_size=2, max_size=3), st.integers(0, 1))
@settings(max_examples=200, deadline=None)
def test_affine_grid_counts_what_the_loop_does(batch, sizes, align):
    tally = Tally()
    theta, size = tally.some(batch, len(sizes), len(sizes) + 1), np.array([batch, 3, *sizes], np.int64)
    y = oracle.affine_grid(tally, theta, sizes, align=align == 1)
    np.testing.assert_allclose(
        values(y), computed("AffineGrid", [values(theta), size], 20, align_corners=align)[0], atol=1e-6
    )
    call = make_call("AffineGrid", ts(*theta.shape), size, align_corners=align)
    assert call.outputs == (ts(*y.shape),)
    assert counts(call) == tally.as_dict()


@st.composite
def regions(draw, columns=4):
    """A tally, X, the regions, and the images that they lie in."""
    tally, rng, many = Tally(), np.random.default_rng(draw(st.integers(0, 999))), draw(st.integers(0, 2))
    x = tally.some(2, draw(SIZES), draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    corners = rng.uniform(-1, 5, (many, columns))
    return tally, x, corners, rng.integers(0, 2, many)


@checks("RoiAlign")
@given(regions(), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.sampled_from(("avg", "max")), st.data())
@settings(max_examples=250, deadline=None)
def test_roi_align_counts_what_the_loop_does(case, ratio, height, width, mode, data):
    tally, x, corners, images = case
    opset, shift = data.draw(st.sampled_from(((10, ""), (16, "half_pixel"), (22, "output_half_pixel"))))
    said = {"sampling_ratio": ratio, "output_height": height, "output_width": width, "spatial_scale": 0.5, "mode": mode}
    y = oracle.roi_align(
        tally, x, tally.tensor(corners) if corners.size else corners, images, said, half_pixel=shift == "half_pixel"
    )
    named = said | ({"coordinate_transformation_mode": shift} if shift else {})
    call = make_call(
        "RoiAlign", ts(*x.shape), ts(*corners.shape), ts(*images.shape, dtype=DType.INT64), opset=opset, **named
    )
    assert call.outputs == (ts(*y.shape),)
    assert counts(call) == tally.as_dict() or not y.size
    if y.size:
        named = said | {"coordinate_transformation_mode": shift or "output_half_pixel"}
        expected = computed("RoiAlign", [values(x), corners, images], 22, **named)[0]
        np.testing.assert_allclose(values(y), expected, atol=1e-5)


@pytest.mark.parametrize("case", backend.cases("RoiAlign"), ids=lambda case: case[0])
def test_the_region_loop_computes_what_the_backend_test_expects(case):
    _, (x, rois, images), (expected,), said = case
    said = {"mode": "avg", "coordinate_transformation_mode": "half_pixel"} | said
    tally = Tally()
    half_pixel = said["coordinate_transformation_mode"] == "half_pixel"
    y = oracle.roi_align(tally, tally.tensor(x), tally.tensor(rois), images, said, half_pixel=half_pixel)
    np.testing.assert_allclose(values(y), expected, atol=2e-4)
    call = make_call("RoiAlign", ts(*x.shape), ts(*rois.shape), ts(*images.shape, dtype=DType.INT64), **said)
    assert counts(call) == tally.as_dict()


def test_how_many_samples_an_adaptive_bin_takes_is_unknown():
    call = make_call("RoiAlign", ts(1, 2, 8, 8), ts(3, 4), ts(3, dtype=DType.INT64))
    with pytest.raises(UnknownShapeError, match="sampling_ratio is 0"):
        terms(call)


def exact(call):
    """Return what a call counts but for what lies between bounds, and these bounds."""
    found = terms(call)
    certain = {}
    for term in found:
        if term.least is None:
            certain[term.arith] = certain.get(term.arith, 0) + term.count
    return {arith: n for arith, n in certain.items() if n}, sum(t.least for t in found if t.least is not None), found


@checks("MaxRoiPool")
@given(regions(columns=5), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=400, deadline=None)
def test_max_roi_pool_lies_between_what_regions_can_make_it(case, height, width):
    tally, x, corners, images = case
    corners[:, 0] = images
    y = oracle.max_roi_pool(tally, x, tally.tensor(corners) if corners.size else corners, (height, width), 1.5)
    call = make_call("MaxRoiPool", ts(*x.shape), ts(*corners.shape), pooled_shape=[height, width], spatial_scale=1.5)
    assert call.outputs == (ts(*y.shape),)
    least, most = ({**exact(call)[0]} for _ in range(2))
    for term in terms(call):
        if term.least is not None:
            least[term.arith], most[term.arith] = (
                (least[term.arith] + term.least, most[term.arith] + term.count) if corners.size else (0, 0)
            )
    counted = tally.as_dict()
    assert counted.keys() == {arith for arith, n in most.items() if n} or not most.get(Arith.CMP)
    for arith, count in counted.items():
        assert least[arith] <= count <= most[arith]
        assert arith is Arith.CMP or count == most[arith]


@pytest.mark.parametrize(("height", "width"), [(2, 3), (4, 4), (1, 1), (5, 2)])
def test_both_ends_of_max_roi_pool_are_reached(height, width):
    """A region of one element compares nothing; where bins and X have no common divisor, all of X is the most."""
    x, call = (1, 2, 7, 11), make_call("MaxRoiPool", ts(1, 2, 7, 11), ts(1, 5), pooled_shape=[height, width])
    term = next(term for term in terms(call) if term.least is not None)
    for region, comparisons in (((0, 3, 3, 3, 3), term.least), ((0, 0, 0, 10, 6), term.count)):
        tally = Tally()
        oracle.max_roi_pool(tally, tally.some(*x), tally.tensor([region]), (height, width), 1.0)
        assert tally[Arith.CMP] == comparisons + 2


def test_the_pooling_loop_takes_the_largest_of_each_bin():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    tally = Tally()
    y = oracle.max_roi_pool(tally, tally.tensor(x), tally.tensor([[0, 0, 0, 3, 3], [0, 1, 1, 1, 2]]), (2, 2), 1.0)
    np.testing.assert_array_equal(values(y), [[[[5, 7], [13, 15]]], [[[5, 5], [9, 9]]]])


@checks("CropAndResize", domain="com.microsoft")
@given(regions(), st.integers(1, 3), st.integers(1, 3), st.sampled_from(("bilinear", "nearest")))
@settings(max_examples=250, deadline=None)
def test_crop_and_resize_counts_what_the_loop_does(case, height, width, mode):
    tally, x, boxes, images = case
    y = oracle.crop_and_resize(
        tally, x, tally.tensor(boxes / 4) if boxes.size else boxes, images, (height, width), mode
    )
    inputs = ts(*x.shape), ts(*boxes.shape), ts(*images.shape, dtype=DType.INT32), np.array([height, width], np.int32)
    call = make_call("CropAndResize", *inputs, domain="com.microsoft", opset=1, mode=mode)
    assert call.outputs == (ts(*y.shape),)
    assert counts(call) == tally.as_dict() or not y.size


def test_the_cropping_loop_resizes_with_aligned_corners():
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    tally = Tally()
    boxes = tally.tensor([[0, 0, 1, 1], [0.25, 0.5, 0.75, 1.5]])
    y = oracle.crop_and_resize(tally, tally.tensor(x), boxes, [0, 0], (2, 2), "bilinear", beyond=-1.0)
    np.testing.assert_allclose(values(y), [[[[0, 2], [6, 8]]], [[[2.5, -1], [5.5, -1]]]])


POOLED = make_call("MaxRoiPool", ts(1, 1, 3, 3), ts(1, 5), pooled_shape=[1, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            make_call("GridSample", ts(2, 1, 3, 3), ts(1, 2, 2, 2), domain="com.microsoft", opset=1),
            r"wants a grid of shape \(2, 2 sizes, 2\) for X",
        ),
        (make_call("GridSample", ts(1, 1, 3, 3), ts(1, 2, 2, 2), mode="area"), "wants mode to be .*, it is 'area'"),
        (
            make_call("AffineGrid", ts(2, 2, 3), np.array([3, 1, 4, 5])),
            r"theta of shape \(3, 2, 3\), it is \(2, 2, 3\)",
        ),
        (
            make_call("RoiAlign", ts(1, 1, 3, 3), ts(1, 4), ts(1, dtype=DType.INT64), mode="sum", sampling_ratio=1),
            "wants mode to be one of avg, max, it is 'sum'",
        ),
        (replace(POOLED, inputs=(ts(1, 1, 3, 3), ts(1, 4))), r"rois of shape \(regions, 5\)"),
        (
            make_call(
                "CropAndResize",
                ts(1, 1, 3, 3),
                ts(1, 4),
                ts(1),
                np.array([1, 1]),
                domain="com.microsoft",
                opset=1,
                mode="area",
            ),
            "wants mode to be one of bilinear, nearest, it is 'area'",
        ),
    ],
)
def test_what_breaks_the_specification_is_named(call, message):
    with pytest.raises(NodeError, match=message):
        terms(call)


@pytest.mark.parametrize(
    ("rois", "crop", "message"),
    [
        (ts(1, 5), np.array([1, 1]), r"rois of shape \(regions, 4\)"),
        (ts(1, 4), np.array([1, 0]), "2 integers of 1 or more"),
    ],
)
def test_a_broken_crop_has_no_type(rois, crop, message):
    with pytest.raises(NodeError, match=message):
        make_call("CropAndResize", ts(1, 1, 3, 3), rois, ts(1), crop, domain="com.microsoft", opset=1)
