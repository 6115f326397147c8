"""Operators on other layouts against the loops of the operators that they are, on arrays in another order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import rows
from oracles import windows as sliding
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.fused import ACTIVATIONS, added, each
from oracles.reference import computed

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MICROSOFT, NHWC, NCHWC = "com.microsoft", "com.ms.internal.nhwc", "com.microsoft.nchwc"
many = settings(max_examples=200, deadline=None)
sizes, flags = st.integers(1, 3), st.booleans()
activations = st.sampled_from(("", "Relu", "Clip", "LeakyRelu", "HardSigmoid"))


def last(x):
    """Return (N, C, *spatial) as (N, *spatial, C)."""
    return np.moveaxis(x, 1, -1)


def called(op_type, *inputs, domain, **attributes):
    types = [None if one is None else ts(*one.shape) for one in inputs]
    return make_call(op_type, *types, domain=domain, **attributes)


def check(call, tally, y):
    assert counts(call) == tally.as_dict()
    assert call.outputs[0] == ts(*y.shape)


def active(y, activation):
    return each(ACTIVATIONS[activation], y)


def said(activation):
    return {"activation": activation} if activation else {}


@st.composite
def convolutions(draw):
    """X, W and B as ai.onnx has them, in a tally; the windows over X, and the attributes."""
    tally, (axes, auto_pad) = Tally(), draw(sliding.padded_axes())
    channels, maps, group = draw(sizes), draw(sizes), draw(st.integers(1, 2))
    x = tally.some(2, channels * group, *(axis.size for axis in axes))
    w = tally.some(maps * group, channels, *(axis.kernel for axis in axes))
    b = tally.some(maps * group) if draw(flags) else None
    return tally, (x, w, b), axes, sliding.attributes(axes, auto_pad) | {"group": group}


@checks("NhwcConv", domain=MICROSOFT)
@checks("Conv", domain=NHWC)
@many
@given(convolutions(), activations)
def test_nhwc_conv(drawn, activation):
    tally, (x, w, b), axes, attributes = drawn
    y = sliding.conv(tally, x, w, b, windows=axes, group=attributes["group"])
    check(called("NhwcConv", last(x), w, b, domain=MICROSOFT, **attributes), tally, last(y))
    y = active(y, activation)
    check(called("Conv", last(x), w, b, domain=NHWC, **attributes, **said(activation)), tally, last(y))


@checks("NhwcFusedConv", domain=MICROSOFT)
@checks("Conv", domain=NCHWC)
@many
@given(convolutions(), activations, flags)
def test_fused_conv_in_other_layouts(drawn, activation, has_sum):
    tally, (x, w, b), axes, attributes = drawn
    y = sliding.conv(tally, x, w, b, windows=axes, group=attributes["group"])
    z = tally.some(*y.shape) if has_sum else None
    y = active(added(y, z), activation)
    attributes |= said(activation)
    check(called("Conv", x, w, b, z, domain=NCHWC, **attributes), tally, y)
    z = None if z is None else last(z)
    check(called("NhwcFusedConv", last(x), w, b, z, domain=MICROSOFT, **attributes), tally, last(y))


@st.composite
def pools(draw):
    tally, ceil = Tally(), draw(flags)
    axes, auto_pad = draw(sliding.padded_axes(ceil=ceil))
    x = tally.some(draw(sizes), draw(sizes), *(axis.size for axis in axes))
    attributes = {"kernel_shape": [axis.kernel for axis in axes], "ceil_mode": int(ceil)}
    return tally, x, axes, sliding.attributes(axes, auto_pad) | attributes


@checks("NhwcMaxPool", domain=MICROSOFT)
@checks("MaxPool", domain=NCHWC)
@checks("MaxPool", domain=NHWC)
@many
@given(pools())
def test_max_pool(drawn):
    tally, x, axes, attributes = drawn
    y = sliding.max_pool(tally, x, axes)
    check(called("MaxPool", x, domain=NCHWC, **attributes), tally, y)
    check(called("NhwcMaxPool", last(x), domain=MICROSOFT, **attributes), tally, last(y))
    call = called("MaxPool", last(x), domain=NHWC, outputs=2, **attributes)
    check(call, tally, last(y))
    assert call.outputs[1] == ts(*last(y).shape, dtype=DType.INT64)


@checks("AveragePool", domain=NCHWC)
@checks("AveragePool", "LpPool", domain=NHWC)
@many
@given(pools(), st.integers(0, 1), st.sampled_from((None, 1, 2, 3)))
def test_average_and_norm_pools(drawn, include_pad, p):
    tally, x, axes, attributes = drawn
    if p is None:
        y = sliding.average_pool(tally, x, axes, include_pad=include_pad)
        attributes |= {"count_include_pad": include_pad}
        check(called("AveragePool", x, domain=NCHWC, **attributes), tally, y)
        check(called("AveragePool", last(x), domain=NHWC, **attributes), tally, last(y))
    else:
        y = sliding.lp_pool(tally, x, axes, p)
        check(called("LpPool", last(x), domain=NHWC, p=p, **attributes), tally, last(y))


GLOBAL = {
    "GlobalMaxPool": sliding.max_pool,
    "GlobalAveragePool": lambda *case: sliding.average_pool(*case, include_pad=0),
    "GlobalLpPool": lambda *case: sliding.lp_pool(*case, 2),
}


@checks("GlobalMaxPool", "GlobalAveragePool", domain=NCHWC)
@checks(*GLOBAL, domain=NHWC)
@many
@given(st.sampled_from(sorted(GLOBAL)), st.lists(sizes, min_size=3, max_size=4))
def test_global_pools(op_type, shape):
    tally = Tally()
    x = tally.some(*shape)
    y = GLOBAL[op_type](tally, x, sliding.whole(x))
    check(called(op_type, last(x), domain=NHWC), tally, last(y))
    if op_type != "GlobalLpPool":
        check(called(op_type, x, domain=NCHWC), tally, y)


def bounds(call):
    """Return the fewest and the most comparisons."""
    found = [term.bounds for term in terms(call)]
    return sum(one.low for one in found), sum(one.high for one in found)


@st.composite
def masked_pools(draw):
    tally, rank = Tally(), draw(st.integers(1, 3))
    axes = [replace(draw(sliding.axes(largest=5 - rank)), dilation=1) for _ in range(rank)]
    x = tally.some(2, 2, *(axis.size for axis in axes))
    return tally, x, axes, sliding.attributes(axes, "NOTSET") | {"kernel_shape": [axis.kernel for axis in axes]}


@checks("MaxpoolWithMask", domain=MICROSOFT)
@many
@given(masked_pools(), st.sampled_from((0.0, 0.5, 1.0)), st.integers(0, 9).map(np.random.default_rng))
def test_maxpool_with_mask(drawn, share, rng):
    tally, x, axes, attributes = drawn
    mask = tally.tensor(rng.random(x.shape) < share)
    y = sliding.masked_max_pool(tally, x, mask, axes)
    call = called("MaxpoolWithMask", x, mask, domain=MICROSOFT, **attributes)
    assert call.outputs[0] == ts(*y.shape)
    least, most = bounds(call)
    done = sum(tally.counts.values())
    assert least <= done <= most
    assert share < 1.0 or done == most
    is_padded = any(axis.begin for axis in axes)
    assert share > 0.0 or is_padded or any(axis.end for axis in axes) or done == least


def test_a_mask_stops_the_pool():
    tally = Tally()
    x, mask = tally.tensor([[[1.0, 9.0, 2.0, 8.0, 3.0]]]), tally.tensor([[[1.0, 0.0, 1.0, 1.0, 1.0]]])
    y = sliding.masked_max_pool(tally, x, mask, [sliding.Axis(5, 3)])
    assert values(y).tolist() == [[[1.0, -np.inf, 8.0]]]


@checks("ConvTranspose", domain=NHWC)
@many
@given(st.lists(sliding.axes(), min_size=1, max_size=2), sizes, sizes, st.integers(1, 2), flags, activations)
def test_nhwc_conv_transpose(axes, channels, maps, group, has_bias, activation):
    tally = Tally()
    axes = [
        one if one.stride * (one.size - 1) + one.extent > one.begin + one.end else replace(one, begin=0, end=0)
        for one in axes
    ]
    x = tally.some(1, channels * group, *(axis.size for axis in axes))
    w, b = tally.some(channels * group, maps, *(axis.kernel for axis in axes)), tally.some(maps * group)
    b = b if has_bias else None
    y = sliding.conv_transpose(tally, x, w, b, windows=axes, more=[0] * len(axes), group=group)
    y = active(y, activation)
    attributes = sliding.attributes(axes, "NOTSET") | {"group": group} | said(activation)
    check(called("ConvTranspose", last(x), w, b, domain=NHWC, **attributes), tally, last(y))


@pytest.mark.parametrize(
    "how", [{"output_shape": [7]}, {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {"auto_pad": "VALID"}]
)
def test_the_size_of_a_transposed_convolution(how):
    tally, attributes = Tally(), {"strides": [2]} | how
    x, w = tally.some(1, 2, 4), tally.some(2, 3, 3)
    axes, more = sliding.transposed_axes_of(x, w.shape[2:], attributes)
    y = sliding.conv_transpose(tally, x, w, windows=axes, more=more)
    check(called("ConvTranspose", last(x), w, domain=NHWC, **attributes), tally, last(y))


@checks("BatchNormalization", "InstanceNormalization", "LRN", domain=NHWC)
@many
@given(st.lists(sizes, min_size=3, max_size=4), st.sampled_from(("batch", "instance", "lrn")), activations, sizes)
def test_nhwc_normalizations(shape, kind, activation, size):
    tally = Tally()
    x, vectors = tally.some(*shape), [tally.some(shape[1]) for _ in range(4)]
    if kind == "batch":
        y = rows.batch_normalization([x, *vectors], 0.01)
        call = called("BatchNormalization", last(x), *vectors, domain=NHWC, **said(activation))
    elif kind == "instance":
        y = rows.instance_normalization([x, *vectors[:2]], tally, 0.01)
        call = called("InstanceNormalization", last(x), *vectors[:2], domain=NHWC, **said(activation))
    else:
        y = rows.local_response_normalization(x, tally, size=size, alpha=0.5, beta=0.75, bias=1.0)
        call, activation = called("LRN", last(x), domain=NHWC, size=size), ""
    check(call, tally, last(active(y, activation)))


def test_training_gives_running_averages_at_every_opset():
    inputs = [ts(2, 4, 4, 3), *[ts(3)] * 4]
    call = make_call("BatchNormalization", *inputs, domain=NHWC, opset=14, outputs=3, training_mode=1)
    assert call.outputs == (ts(2, 4, 4, 3), ts(3), ts(3))
    plain = make_call("BatchNormalization", ts(2, 3, 4, 4), *[ts(3)] * 4, opset=14, outputs=3, training_mode=1)
    assert counts(call) == counts(plain)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_blocks_become_channels_and_channels_blocks(size):
    x = np.ones((1, 2 * size * size, 3 * size, size), np.float32)
    for op_type in ("DepthToSpace", "SpaceToDepth"):
        (y,) = computed(op_type, [x], 13, blocksize=size)
        call = called(op_type, last(x), domain=NHWC, blocksize=size)
        assert call.outputs == (ts(*last(y).shape),)
        assert registry.of(call).is_free


@pytest.mark.parametrize(
    ("op_type", "shape", "said", "expected"),
    [
        ("ReorderInput", (1, 32, 5, 6), {}, (1, 32, 5, 6)),
        ("ReorderInput", (1, 5, 6, 32), {"channels_last": 1}, (1, 32, 5, 6)),
        ("ReorderInput", (1, 20, 5, 6), {}, (1, None, 5, 6)),
        ("ReorderInput", (None, 8, None, 6), {}, (None, None, None, 6)),
        ("ReorderOutput", (1, 32, 5, 6), {"channels": 20}, (1, 20, 5, 6)),
        ("ReorderOutput", (None, 32, 5, 6), {"channels": 20, "channels_last": 1}, (None, 5, 6, 20)),
        ("Upsample", (1, 16, None, 3), {"scales": [1, 1, 2, 3]}, (1, 16, None, 9)),
    ],
)
def test_the_types_of_blocked_channels(op_type, shape, said, expected):
    call = make_call(op_type, TensorType(DType.FLOAT32, shape), domain=NCHWC, **said)
    assert call.outputs == (TensorType(DType.FLOAT32, expected),)


def upsampled(tally, x, scales):
    """Return the average of the points around each place; where the points lie and what they weigh is known."""
    lines = []
    for scale, size in zip(scales, x.shape[2:], strict=True):
        places = [(y + 0.5) / scale - 0.5 for y in range(size * scale)]
        found = [((int(np.floor(at)), 1 - at % 1), (int(np.floor(at)) + 1, at % 1)) for at in places]
        lines.append(found if scale > 1 else [((at, 1.0),) for at in range(size)])
    y = np.empty((*x.shape[:2], *map(len, lines)), object)
    height, width = x.shape[2:]
    for n, c, h, w in np.ndindex(y.shape):
        points = [(i, j, a * b) for i, a in lines[0][h] for j, b in lines[1][w]]
        inside = [(x[n, c, min(max(i, 0), height - 1), min(max(j, 0), width - 1)], weight) for i, j, weight in points]
        y[n, c, h, w] = rows.total([weight * one for one, weight in inside], tally)
    return y


@checks("Upsample", domain=NCHWC)
@checks("Resize", domain=NHWC)
@many
@given(sizes, sizes, sizes, sizes, st.tuples(sizes, sizes).filter(lambda scales: scales != (1, 1)))
def test_upsample(batch, channels, height, width, scales):
    tally = Tally()
    x = tally.some(batch, channels, height, width)
    y = upsampled(tally, x, scales)
    factors, said = np.array([1, 1, *scales], np.float32), {"coordinate_transformation_mode": "half_pixel"}
    inputs = [values(x), np.array([], np.float32), factors]
    (expected,) = computed("Resize", inputs, 13, mode="linear", **said)
    np.testing.assert_allclose(values(y), expected, rtol=1e-5, atol=1e-5)
    check(called("Upsample", x, domain=NCHWC, mode="linear", scales=[1, 1, *scales], **said), tally, y)
    moved = [ts(*last(x).shape), None, np.array([1, *scales, 1], np.float32)]
    check(make_call("Resize", *moved, domain=NHWC, opset=13, mode="linear", **said), tally, last(y))
    assert counts(called("Upsample", x, domain=NCHWC, scales=[1, 1, *scales], **said)) == {}


@pytest.mark.parametrize("said", [{}, {"align_corners": 1}, {"mode": "nearest"}, {"mode": "cubic"}])
def test_sampling_is_that_of_channels_first(said):
    x, grid = tensor(2, 3, 4, 5), tensor(2, 6, 7, 2)
    (y,) = computed("GridSample", [x, grid], 20, **said)
    call = called("GridSample", last(x), grid, domain=NHWC, **said)
    assert call.outputs == (ts(*last(y).shape),)
    assert counts(call) == counts(make_call("GridSample", ts(*x.shape), ts(*grid.shape), opset=20, **said))


@pytest.mark.parametrize("shape", [None, np.array([1, 2, 9, 8])])
def test_unpooling_moves_elements_and_an_activation_computes(shape):
    size = (1, 2, 6, 8) if shape is None else tuple(shape)
    inputs = [ts(1, 3, 4, 2), ts(1, 3, 4, 2, dtype=DType.INT64), shape]
    said = {"kernel_shape": [2, 2], "strides": [2, 2]}
    call = make_call("MaxUnpool", *inputs, domain=NHWC, **said)
    assert call.outputs == (ts(size[0], size[2], size[3], size[1]),)
    assert counts(call) == {}
    active_call = make_call("MaxUnpool", *inputs, domain=NHWC, activation="Relu", **said)
    assert counts(active_call) == {Arith.CMP: np.prod(size)}


def tensor(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def test_reordering_is_free():
    for op_type in ("ReorderInput", "ReorderOutput"):
        assert registry.find(op_type, NCHWC, 1).is_free


def test_unknown_sizes_stay_unknown():
    x = TensorType(DType.FLOAT32, (None, 7, None, 3))
    assert make_call("NhwcConv", x, ts(4, 3, 3, 3), domain=MICROSOFT).outputs[0].shape == (None, 5, None, 4)
    assert make_call("MaxPool", x, domain=NHWC, kernel_shape=[2, 2]).outputs[0].shape == (None, 6, None, 3)
    assert make_call("GlobalMaxPool", x, domain=NHWC).outputs[0].shape == (None, 1, 1, 3)
    with pytest.raises(UnknownShapeError):
        terms(make_call("MaxPool", x, domain=NHWC, kernel_shape=[2, 2]))


@pytest.mark.parametrize(
    ("op_type", "domain", "inputs", "attributes", "message"),
    [
        ("NhwcConv", MICROSOFT, [ts(1, 5, 3), ts(8, 4, 3)], {}, "wants X with the 4 channels of W, it has 3"),
        ("NhwcConv", MICROSOFT, [ts(5), ts(8, 4, 3)], {}, r"wants a tensor of shape \(N, ..., C\), it is float32\[5\]"),
        ("NhwcFusedConv", MICROSOFT, [ts(1, 5, 3), ts(8, 3, 3), None, ts(1, 8, 3)], {}, "wants Z of shape"),
        ("NhwcMaxPool", MICROSOFT, [ts(1, 5, 3)], {}, "wants the attribute kernel_shape"),
        ("NhwcMaxPool", MICROSOFT, [ts(1, 5, 3)], {"kernel_shape": [0]}, "kernel_shape of integers of 1 or more"),
        ("MaxPool", NHWC, [ts(1, 5, 3)], {"kernel_shape": [2, 2]}, "wants a kernel with the 1 spatial axes of X"),
        ("MaxPool", NHWC, [ts(1, 5, 3)], {"kernel_shape": [7]}, "wants windows of 7 positions, X has 5"),
        ("Conv", NCHWC, [ts(1, 3, 5), ts(8, 3, 3)], {"activation": "Gelu"}, "wants activation to be one of"),
        (
            "MaxpoolWithMask",
            MICROSOFT,
            [ts(1, 3, 5), ts(1, 1, 4)],
            {"kernel_shape": [2]},
            "wants M with the sizes of X",
        ),
        ("MaxPool", NHWC, [ts(1, 5, 3)], {"kernel_shape": ["a"]}, r"integers of 1 or more, it is \('a',\)"),
        (
            "MaxPool",
            NHWC,
            [ts(1, 5, 3)],
            {"kernel_shape": [2], "strides": [0.5]},
            "wants strides to be 1 integers of 1",
        ),
        ("ReorderInput", NCHWC, [ts(5)], {}, "wants 2 axes or more"),
        ("ReorderOutput", NCHWC, [ts(1, 16, 5)], {}, "at least 1 of the channels, they are .* and 0"),
        ("DepthToSpace", NHWC, [ts(1, 3, 5)], {"blocksize": 2}, "wants 4 axes and a blocksize of 1 or more"),
        ("Upsample", NCHWC, [ts(1, 3, 5)], {"scales": [1, 1, 2], "mode": "area"}, "wants mode to be one of nearest"),
        ("Upsample", NCHWC, [ts(1, 3, 5)], {"scales": [1, 2]}, "wants 3 finite scales of 1 or more"),
    ],
)
def test_what_breaks_the_definition_is_an_error(op_type, domain, inputs, attributes, message):
    with pytest.raises(NodeError, match=message):
        terms(make_call(op_type, *inputs, domain=domain, **attributes))
