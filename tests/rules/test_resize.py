"""Resize and Upsample against loops that count."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import resize as oracle
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed

from graphcost.call import Stage
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MODES = st.sampled_from(
    ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize")
)
SCALES = st.sampled_from((1.0, 1.0, 0.5, 0.375, 1.5, 2.0, 2.25))
INT64, F32 = np.int64, np.float32


@st.composite
def resize_cases(draw):
    """A tally, X, the scales of all axes, the new sizes, whether sizes are given, and the attributes."""
    dims = draw(st.lists(st.sampled_from((3, 4)), min_size=1, max_size=3))
    by_sizes, scales = draw(st.booleans()), [draw(SCALES) for _ in dims]
    new = [int(size * scale) for size, scale in zip(dims, scales, strict=True)]
    if by_sizes:
        scales = [many / size for size, many in zip(dims, new, strict=True)]
    said = {"mode": draw(st.sampled_from(("linear", "cubic"))), "coordinate_transformation_mode": draw(MODES)}
    if said["coordinate_transformation_mode"] != "tf_crop_and_resize":
        said |= {"antialias": draw(st.integers(0, 1)), "exclude_outside": draw(st.integers(0, 1))}
    if len(dims) > 1 and said["mode"] == "cubic":
        scales[2:], new[2:] = [1.0] * len(scales[2:]), dims[2:]
    tally = Tally()
    return tally, tally.some(*dims), scales, new, by_sizes, said


def arguments(x, scales, new, by_sizes):
    """Return the inputs beside X."""
    roi = np.array([0.0] * x.ndim + [1.0] * x.ndim, F32)
    return (roi, None, np.array(new, INT64)) if by_sizes else (roi, np.array(scales, F32))


def resized(x, scales, new, said):
    """Return the loop's result; what is known beforehand is not counted."""
    known = Tally()
    along = {
        axis: oracle.points_along(known, size, many, scale, said)
        for axis, (size, many, scale) in enumerate(zip(x.shape, new, scales, strict=True))
        if scale != 1
    }
    return oracle.resize(x, new, along) if along else x


@checks("Resize")
@given(resize_cases())
@settings(max_examples=300, deadline=None)
def test_resize_counts_what_the_loop_does(case):
    tally, x, scales, new, by_sizes, said = case
    y = resized(x, scales, new, said)
    call = make_call("Resize", ts(*x.shape), *arguments(x, scales, new, by_sizes), opset=19, **said)
    assert call.outputs[0].dims == y.shape
    assert counts(call) == tally.as_dict()
    assert all(term.least is None for term in terms(call))


@given(resize_cases())
@settings(max_examples=150, deadline=None)
def test_the_loop_computes_resize(case):
    _, x, scales, new, by_sizes, said = case
    roi, *rest = arguments(x, scales, new, by_sizes)
    expected = computed("Resize", [values(x), roi, *rest], 19, **said)[0]
    if said["coordinate_transformation_mode"] != "tf_crop_and_resize":
        np.testing.assert_allclose(values(resized(x, scales, new, said)), expected, atol=1e-5)
    assert expected.shape == tuple(new)


@st.composite
def crops(draw):
    """X's sizes, those it is resized to, a region of each axis, and the attributes."""
    dims = draw(st.lists(st.integers(2, 4), min_size=1, max_size=2))
    new = [draw(st.integers(1, 4)) for _ in dims]
    region = [(draw(st.sampled_from((0.0, 0.25))), draw(st.sampled_from((1.0, 0.75)))) for _ in dims]
    said = {"mode": draw(st.sampled_from(("linear", "cubic"))), "exclude_outside": draw(st.integers(0, 1))}
    return dims, new, region, said | {"coordinate_transformation_mode": "tf_crop_and_resize"}


def cropped(x, new, region, axes, said, origin):
    """Return the loop's result where these axes are averaged, with a region whose corners are `origin`'s numbers."""
    along = {
        axis: oracle.points_along(
            origin, x.shape[axis], new[axis], new[axis] / x.shape[axis], said, tuple(map(origin.number, region[axis]))
        )
        for axis in axes
    }
    return oracle.resize(x, new, along) if along else x


def roi_of(region):
    return np.array([start for start, _ in region] + [end for _, end in region], F32)


@checks("Resize")
@given(crops())
@settings(max_examples=200, deadline=None)
def test_a_known_region_is_cropped_by_known_weights(case):
    dims, new, region, said = case
    tally = Tally()
    x = tally.some(*dims)
    axes = [axis for axis in range(len(dims)) if new[axis] != dims[axis] or region[axis] != (0, 1)]
    y = cropped(x, new, region, axes, said, Tally())
    given = (roi_of(region), None, np.array(new, INT64))
    assert counts(make_call("Resize", ts(*dims), *given, **said)) == tally.as_dict()
    np.testing.assert_allclose(values(y), computed("Resize", [values(x), *given], 19, **said)[0], rtol=1e-5, atol=1e-6)


@checks("Resize")
@given(crops())
@settings(max_examples=200, deadline=None)
def test_a_region_from_the_run_may_crop_any_axis(case):
    dims, new, region, said = case
    most, fewest = Tally(), Tally()
    cropped(most.some(*dims), new, region, range(len(dims)), said, most)
    surely = [axis for axis in range(len(dims)) if new[axis] != dims[axis]]
    cropped(fewest.some(*dims), new, region, surely, said, fewest)
    call = make_call("Resize", ts(*dims), ts(2 * len(dims)), None, np.array(new, INT64), **said)
    assert counts(call) == most.as_dict()
    lows = {}
    for term in terms(call):
        lows[term.arith] = lows.get(term.arith, 0) + term.bounds.low
    assert {arith: low for arith, low in lows.items() if low} == fewest.as_dict()


@checks("Upsample")
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.sampled_from(("linear", "nearest")), st.data())
@settings(max_examples=200, deadline=None)
def test_upsample_counts_what_the_loop_does(dims, mode, data):
    scales = [data.draw(st.sampled_from((1.0, 1.5, 2.0, 3.0))) for _ in dims]
    tally, said = Tally(), {"mode": mode, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    x, new = tally.some(*dims), [int(size * scale) for size, scale in zip(dims, scales, strict=True)]
    y = oracle.nearest(x, new, scales, said) if mode == "nearest" else resized(x, scales, new, said)
    old = make_call("Upsample", ts(*dims), opset=7, mode=mode, scales=scales)
    new = make_call("Upsample", ts(*dims), np.array(scales, F32), opset=9, mode=mode)
    assert old.outputs == new.outputs == (ts(*y.shape),)
    assert counts(old) == counts(new) == tally.as_dict()
    ten = make_call("Resize", ts(*dims), np.array(scales, F32), opset=10, mode=mode)
    assert (ten.outputs, counts(ten)) == (new.outputs, counts(new))


@pytest.mark.parametrize("way", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_the_nearest_element_is_copied(way):
    said = {"mode": "nearest", "nearest_mode": way, "coordinate_transformation_mode": "half_pixel"}
    x, scales = Tally().some(5), [0.75]
    expected = computed("Resize", [values(x), None, np.array(scales, F32)], 19, **said)[0]
    np.testing.assert_array_equal(values(oracle.nearest(x, [3], scales, said)), expected)
    call = make_call("Resize", ts(1, 5), None, np.array([1, 0.75], F32), **said)
    assert (terms(call), call.outputs) == ((), (ts(1, 3),))
    assert registry.of(call).traffic(call) == (3 * 4 + 8, 3 * 4)


def test_a_bilinear_picture_takes_four_products_and_three_sums():
    call = make_call("Resize", ts(1, 3, 4, 4), None, np.array([1, 1, 2, 2], F32), mode="linear", opset=13)
    assert counts(call) == {Arith.MUL: 3 * 64 * 4, Arith.ADD: 3 * 64 * 3}
    assert registry.of(call).traffic(call) == (48 * 4 + 16, 3 * 64 * 4)


def test_a_strip_that_is_thinned_out_is_not_read_whole():
    call = make_call("Resize", ts(100), None, None, np.array([10], INT64), mode="linear")
    assert registry.of(call).traffic(call) == (20 * 4 + 8, 10 * 4)
    whole = make_call("Resize", ts(100), None, None, np.array([10], INT64), mode="linear", antialias=1)
    assert registry.of(whole).traffic(whole) == (100 * 4 + 8, 10 * 4)
    assert counts(whole) == {Arith.MUL: 10 * 20, Arith.ADD: 10 * 19}


@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=2),
    st.lists(st.integers(1, 40), min_size=2, max_size=2),
    st.sampled_from(("stretch", "not_larger", "not_smaller")),
)
@settings(max_examples=200, deadline=None)
def test_sizes_keep_the_aspect_ratio(old, wanted, policy):
    said = {"keep_aspect_ratio_policy": policy, "axes": [-1, 1]}
    call = make_call("Resize", ts(2, *old), None, None, np.array(wanted, INT64), **said)
    quotients = [Fraction(wanted[1], old[0]), Fraction(wanted[0], old[1])]
    if policy != "stretch":
        quotients = [min(quotients) if policy == "not_larger" else max(quotients)] * 2
    expected = [int(quotient * size + Fraction(1, 2)) for quotient, size in zip(quotients, old, strict=True)]
    assert call.outputs == (ts(2, *expected),)


def test_the_product_of_size_and_scale_is_one_of_single_precision():
    """0.7 is a little less in single precision; 30 times that rounds to 21, and in double precision to less."""
    assert make_call("Resize", ts(30), None, np.array([0.7], F32)).outputs == (ts(21),)


@pytest.mark.parametrize(
    ("inputs", "said", "expected"),
    [
        ((None, np.array([2, 3], F32)), {"axes": [2, 1]}, (None, 9, 8)),
        ((None, ts(2)), {"axes": [2, 1]}, (None, None, None)),
        ((None, None, ts(1, dtype=DType.INT64)), {"axes": [2]}, (None, 3, None)),
        ((None, None, np.array([5, 7], INT64)), {"axes": [0, 2]}, (5, 3, 7)),
        (
            (None, None, np.array([5, 6], INT64)),
            {"axes": [0, 2], "keep_aspect_ratio_policy": "not_larger"},
            (None, 3, None),
        ),
        ((None, np.array([1, 1, 1e30], F32)), {}, (None, 3, None)),
    ],
)
def test_what_is_not_known_stays_an_unknown_dimension(inputs, said, expected):
    call = make_call("Resize", TensorType(DType.FLOAT32, (None, 3, 4)), *inputs, **said)
    assert call.outputs == (TensorType(DType.FLOAT32, expected),)


def test_the_element_type_is_known_where_the_rank_is_not():
    call = make_call("Resize", TensorType(DType.FLOAT16, None), None, np.array([2.0], F32))
    assert call.outputs == (TensorType(DType.FLOAT16, None),)


EMPTY = np.array([], F32)


def test_an_input_without_elements_is_left_out():
    call = make_call("Resize", ts(1, 4), EMPTY, EMPTY, np.array([1, 6], INT64), opset=11)
    assert call.outputs == (ts(1, 6),)


@pytest.mark.parametrize(
    ("inputs", "said", "message"),
    [
        ((None, np.array([1, np.nan], F32)), {}, "wants 2 finite scales above 0, they are"),
        ((None, np.array([1, np.inf], F32)), {}, "wants 2 finite scales above 0, they are"),
        ((None, np.array([1, 0], F32)), {}, "wants 2 finite scales above 0, they are"),
        ((None, np.array([2], F32)), {}, "wants 2 finite scales above 0, they are"),
        ((None, np.array([1, 1], F32), np.array([1, 1], INT64)), {}, "either scales or sizes, there are both"),
        ((None,), {}, "either scales or sizes, there are none"),
        ((EMPTY, EMPTY), {}, "either scales or sizes, there are none"),
        ((None, None, np.array([1, -1], INT64)), {}, "wants 2 sizes of 0 or more"),
        ((None, None, np.array([1, 0], INT64)), {}, "sizes of 0 where X has none"),
        ((None, np.array([1, 2], F32)), {"axes": ["0", "1"]}, "wants axes to be integers"),
        ((None, np.array([1, 2], F32)), {"axes": [0.5, 1.5]}, "wants axes to be integers"),
        ((None, np.array([1, 2], F32)), {"axes": [1, 2]}, "wants an axis from -2 to 1, it is 2"),
        ((None, None, np.array([1, 2], INT64)), {"keep_aspect_ratio_policy": "no"}, "stretch, not_larger, not_smaller"),
    ],
)
def test_what_breaks_the_specification_has_no_type(inputs, said, message):
    with pytest.raises(NodeError, match=message):
        make_call("Resize", ts(1, 4), *inputs, **said)


@pytest.mark.parametrize("scales", [["a", "b"], [float("nan"), 1.0]])
def test_scales_are_numbers(scales):
    with pytest.raises(NodeError, match="wants 2 finite scales of 1 or more"):
        make_call("Upsample", ts(1, 4), opset=7, scales=scales)


def test_upsample_does_not_shrink():
    with pytest.raises(NodeError, match="wants 2 finite scales of 1 or more"):
        make_call("Upsample", ts(1, 4), np.array([1, 0.5], F32), opset=9)


@pytest.mark.parametrize(
    ("inputs", "said", "message"),
    [
        ((None, np.array([1, 2], F32)), {"mode": "area"}, "mode to be one of nearest, linear, cubic, it is 'area'"),
        (
            (np.zeros(3, F32), np.array([1, 2], F32)),
            {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"},
            "wants a roi of 4 elements, it has 3",
        ),
    ],
)
def test_what_breaks_the_specification_is_named(inputs, said, message):
    with pytest.raises(NodeError, match=message):
        terms(make_call("Resize", ts(1, 4), *inputs, **said))


def test_scales_from_the_run_are_unknown_even_where_the_shape_is_bound():
    call = make_call("Resize", ts(1, 4), None, ts(2), mode="linear")
    with pytest.raises(UnknownShapeError, match="scales"):
        terms(replace(call, outputs=(ts(1, 4),)))


def test_sizes_from_the_run_say_all_where_the_shape_is_bound():
    call = make_call("Resize", ts(1, 4), None, None, ts(2, dtype=DType.INT64), mode="linear")
    assert counts(replace(call, outputs=(ts(1, 6),))) == {Arith.MUL: 12, Arith.ADD: 6}


def test_a_filter_over_a_region_from_the_run_is_unknown():
    said = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize", "antialias": 1}
    call = make_call("Resize", ts(1, 4), ts(4), np.array([1, 0.5], F32), **said)
    with pytest.raises(UnknownShapeError, match="antialiasing"):
        terms(call)
    known = replace(call, stages=(Stage.RUN, Stage.SHAPE, *call.stages[2:]))
    assert counts(known) == {Arith.MUL: 2 * 4 * 2, Arith.ADD: 2 * 7}
