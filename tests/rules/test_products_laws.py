"""Laws that hold between products, and numbers that others have published or computed by hand."""

from __future__ import annotations

from math import prod

import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcost.terms import Arith, backward, multiply_accumulates

SMALL = st.integers(1, 6)


def conv(x, w, *, bias=False, **said):
    return make_call("Conv", ts(*x), ts(*w), ts(w[0]) if bias else None, **said)


def transposed(x, w, *, bias=False, **said):
    return make_call("ConvTranspose", ts(*x), ts(*w), ts(w[1] * said.get("group", 1)) if bias else None, **said)


def dense(inputs, outputs):
    return make_call("Gemm", ts(1, inputs), ts(inputs, outputs), ts(outputs))


def recurrent(op_type, inputs, hidden, *, steps=1, batch=1, **said):
    gates, directions = {"RNN": 1, "GRU": 3, "LSTM": 4}[op_type], 1 + (said.get("direction") == "bidirectional")
    w, r = ts(directions, gates * hidden, inputs), ts(directions, gates * hidden, hidden)
    return make_call(op_type, ts(steps, batch, inputs), w, r, **said)


def macs(call):
    return multiply_accumulates(terms(call)).best


def times(count, call):
    return {arith: count * one for arith, one in counts(call).items()}


@given(SMALL, st.sampled_from((1, 2, 3)))
def test_a_layer_is_linear_in_the_batch(batch, group):
    layers = [
        lambda n: conv((n, 2 * group, 9, 9), (4 * group, 2, 3, 3), group=group, bias=True),
        lambda n: transposed((n, 2 * group, 4, 5), (2 * group, 3, 3, 2), group=group, bias=True),
        lambda n: make_call("MatMul", ts(n, 3, 4), ts(4, 5)),
        lambda n: make_call("Gemm", ts(n, 4), ts(4, 5), ts(5)),
        lambda n: make_call("MaxPool", ts(n, 2, 8, 8), kernel_shape=[3, 3]),
        lambda n: make_call("GlobalAveragePool", ts(n, 2, 8, 8)),
        *(lambda n, op_type=op_type: recurrent(op_type, 4, 5, steps=3, batch=n) for op_type in ("RNN", "GRU", "LSTM")),
    ]
    for layer in layers:
        assert counts(layer(batch)) == times(batch, layer(1))


@given(st.sampled_from((1, 2, 4, 16)), SMALL, SMALL)
def test_backward_is_twice_forward_at_every_group_count(group, channels, maps):
    for call in (
        conv((2, channels * group, 7, 7), (maps * group, channels, 3, 3), group=group, bias=True),
        transposed((2, channels * group, 4, 4), (channels * group, maps, 3, 3), group=group, bias=True),
        make_call("MatMul", ts(group, 1, channels, 3), ts(1, 2, 3, maps)),
        make_call("Gemm", ts(channels, 3), ts(3, maps), ts(maps), alpha=2.0, beta=2.0),
        *(recurrent(op_type, channels, maps, steps=group) for op_type in ("RNN", "GRU", "LSTM")),
    ):
        assert multiply_accumulates(backward(terms(call))).best == 2 * macs(call)


@given(st.integers(1, 4), SMALL, SMALL)
def test_a_grouped_convolution_is_that_many_small_ones(group, channels, maps):
    whole = conv((1, channels * group, 6, 6), (maps * group, channels, 3, 3), group=group, bias=True)
    assert counts(whole) == times(group, conv((1, channels, 6, 6), (maps, channels, 3, 3), bias=True))
    whole = transposed((1, channels * group, 6, 6), (channels * group, maps, 3, 3), group=group, bias=True)
    assert counts(whole) == times(group, transposed((1, channels, 6, 6), (channels, maps, 3, 3), bias=True))


@given(SMALL, SMALL, st.integers(1, 3), st.integers(1, 4))
def test_a_convolution_of_one_position_is_a_product_of_matrices(channels, maps, kernel, size):
    pointwise = conv((1, channels, size, size), (maps, channels, 1, 1))
    assert counts(pointwise) == counts(make_call("MatMul", ts(maps, channels), ts(channels, size * size)))
    whole = conv((1, channels, kernel, kernel), (maps, channels, kernel, kernel), bias=True)
    assert counts(whole) == counts(dense(channels * kernel**2, maps))


@given(SMALL, SMALL, st.integers(1, 3), st.integers(1, 3), st.integers(1, 5))
def test_a_transposed_convolution_costs_what_the_one_it_reverses_costs(channels, maps, kernel, stride, size):
    """Without padding: every product of one is a product of the other."""
    small, large = (1, maps, size, size), (1, channels, *[(size - 1) * stride + kernel] * 2)
    there = conv(large, (maps, channels, kernel, kernel), strides=[stride, stride])
    back = transposed(small, (maps, channels, kernel, kernel), strides=[stride, stride])
    assert macs(there) == macs(back)
    assert back.output("Y").dims == large


@pytest.mark.parametrize("name", ["MaxPool", "AveragePool", "LpPool"])
@given(SMALL, st.lists(SMALL, min_size=1, max_size=3))
def test_a_global_pool_is_a_pool_with_one_window_over_everything(name, channels, sizes):
    x = ts(1, channels, *sizes)
    assert counts(make_call(f"Global{name}", x)) == counts(make_call(name, x, kernel_shape=sizes))


@given(st.sampled_from(("RNN", "GRU", "LSTM")), SMALL, SMALL, SMALL)
@settings(max_examples=100)
def test_steps_and_directions_multiply(op_type, inputs, hidden, steps):
    one = recurrent(op_type, inputs, hidden)
    assert counts(recurrent(op_type, inputs, hidden, steps=steps)) == times(steps, one)
    assert counts(recurrent(op_type, inputs, hidden, direction="reverse")) == counts(one)
    assert counts(recurrent(op_type, inputs, hidden, direction="bidirectional")) == times(2, one)


def vgg16():
    maps = [[64, 64], [128, 128], [256] * 3, [512] * 3, [512] * 3]
    channels = 3
    for number, block in enumerate(maps):
        for wide in block:
            size = 224 >> number
            yield conv((1, channels, size, size), (wide, channels, 3, 3), pads=[1, 1, 1, 1])
            channels = wide
    yield from (dense(512 * 7 * 7, 4096), dense(4096, 4096), dense(4096, 1000))


def mobilenet():
    """The body of the first MobileNet, as table 1 of its paper gives it: (channels, maps, stride of the depthwise)."""
    yield conv((1, 3, 224, 224), (32, 3, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER")
    size = 112
    rows = [(32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2)]
    for channels, wide, stride in [*rows, *[(512, 512, 1)] * 5, (512, 1024, 2), (1024, 1024, 1)]:
        same = {"auto_pad": "SAME_UPPER", "strides": [stride, stride]}
        yield conv((1, channels, size, size), (channels, 1, 3, 3), group=channels, **same)
        size //= stride
        yield conv((1, channels, size, size), (wide, channels, 1, 1))
    yield dense(1024, 1000)


LAB_9 = [conv((1, c, h, w), (m, c, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER") for c, h, w, m in (
    (3, 200, 300, 100), (100, 100, 150, 200), (200, 50, 75, 400),
)]  # fmt: skip
LAB_10 = [
    *(conv((1, c, size, size), (32, c, k, k), strides=[s, s], bias=True) for c, size, k, s in (
        (3, 47, 5, 1), (32, 43, 3, 2), (32, 21, 3, 1), (32, 19, 3, 2), (32, 9, 3, 1),
    )),
    dense(7 * 7 * 32, 128),
    dense(128, 10),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param(
            [conv((1, 3, 224, 224), (64, 3, 7, 7), strides=[2, 2], pads=[3] * 4)], 118_013_952, id="ResNet-50, conv1"
        ),
        pytest.param(list(vgg16()), 15_470_264_320, id="VGG-16: 15.47 G"),
        pytest.param(list(mobilenet()), 568_740_352, id="MobileNet: 569 M"),
        pytest.param(
            [conv((1, 96, 27, 27), (256, 48, 5, 5), group=2, pads=[2] * 4)],
            223_948_800,
            id="AlexNet, conv2",
        ),
        pytest.param([dense(784, 512), dense(512, 256), dense(256, 128), dense(128, 1)], 565_376, id="lab 1"),
        pytest.param(
            [
                conv((1, 1, 28, 28), (32, 1, 3, 3)),
                conv((1, 32, 13, 13), (64, 32, 3, 3)),
                dense(1600, 64),
                dense(64, 10),
            ],
            2_528_000,
            id="lab 3",
        ),
        pytest.param(
            [
                conv((1, 1, 16, 64, 64), (32, 1, 3, 3, 3)),
                conv((1, 32, 7, 31, 31), (64, 32, 3, 3, 3)),
                dense(2 * 14 * 14 * 64, 128),
                dense(128, 5),
            ],
            282_228_608,
            id="lab 5",
        ),
        pytest.param([recurrent("RNN", 4, 3, steps=5), dense(3, 2)], 111, id="lab 6"),
        pytest.param([recurrent("LSTM", 4, 3)], 84, id="lab 7, no bias"),
        pytest.param(LAB_9, 1_399_500_000, id="lab 9"),
        pytest.param(LAB_10, 13_228_896, id="lab 10"),
    ],
)
def test_published_numbers(layers, expected):
    assert sum(macs(layer) for layer in layers) == expected


@pytest.mark.parametrize(
    ("layer", "expected"),
    list(zip(LAB_10, [4_496_768, 4_078_368, 3_338_528, 749_088, 453_152, 200_832, 1_290], strict=True)),
)
def test_lab_10_layer_by_layer_with_a_mac_for_every_bias(layer, expected):
    total = counts(layer)
    assert total[Arith.MAC] + total[Arith.ADD] == expected


def conv_transpose_products():
    """Each of 3 x 5 x 5 inputs meets 4 maps of 3 x 3."""
    return ((c, y, x, m, i, j) for c in range(3) for y in range(5) for x in range(5) for m in range(4)
            for i in range(3) for j in range(3))  # fmt: skip


def conv_3d_products():
    """Each of 4 maps of 4 x 5 x 6 positions sees 2 channels of 3 x 3 x 3."""
    return ((m, p, c, q) for m in range(4) for p in range(4 * 5 * 6) for c in range(2) for q in range(27))


def matmul_products():
    """A of (2, 1, 3, 4) and B of (5, 4, 6) give 2 x 5 products of 3 x 4 and 4 x 6."""
    return ((i, j, m, k, n) for i in range(2) for j in range(5) for m in range(3) for k in range(4) for n in range(6))


@pytest.mark.parametrize(
    ("call", "products", "expected"),
    [
        pytest.param(
            transposed((1, 3, 5, 5), (3, 4, 3, 3), strides=[2, 2]),
            conv_transpose_products(),
            2_700,
            id="ConvTranspose, elsewhere 13,068 (outputs * channels * kernel) or 9,801",
        ),
        pytest.param(
            conv((1, 2, 4, 5, 6), (4, 2, 3, 3, 3), auto_pad="SAME_UPPER"),
            conv_3d_products(),
            25_920,
            id="Conv of rank 3 with auto_pad, elsewhere 864",
        ),
        pytest.param(
            make_call("MatMul", ts(2, 1, 3, 4), ts(5, 4, 6)),
            matmul_products(),
            720,
            id="MatMul whose batches are broadcast, elsewhere 144 or 360",
        ),
    ],
)
def test_cases_that_other_tools_get_wrong(call, products, expected):
    assert macs(call) == sum(1 for _ in products) == expected


@given(st.lists(st.integers(0, 3), max_size=2), SMALL, SMALL, SMALL)
def test_a_matmul_is_the_product_of_its_sizes(batch, m, k, n):
    assert macs(make_call("MatMul", ts(*batch, m, k), ts(k, n))) == prod((*batch, m, k, n))


@pytest.mark.parametrize(
    "call",
    [
        conv((1, 4, 5, 5), (2, 4, 3, 3), bias=True),
        transposed((1, 4, 5, 5), (4, 2, 3, 3), bias=True),
        dense(4, 5),
        make_call("MatMul", ts(3, 4), ts(4, 5)),
        make_call("LpPool", ts(1, 4, 5), kernel_shape=[2], p=3),
        recurrent("GRU", 4, 3, linear_before_reset=1),
    ],
    ids=lambda call: call.op_type,
)
def test_a_term_is_the_product_of_the_factors_that_it_names(call):
    for term in terms(call):
        assert term.count == prod(value for _, value in term.factors)
