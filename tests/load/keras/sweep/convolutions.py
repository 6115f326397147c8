"""Convolutions: every place of the output takes kernel * channels / groups * filters products.

A transposed convolution takes them at every place of the input; a depthwise one has no sum over channels.
"""

# A lambda makes its layer when the row is run, under the row's policy:
# ruff: noqa: PLW0108

from __future__ import annotations

import keras

from sweep.rows import N, row

L = keras.layers

ONE = [
    row("Conv1D", lambda x: L.Conv1D(4, 3)(x), (8, 3), macs=N * 6 * 3 * 3 * 4, quick=True),
    row("Conv1D same", lambda x: L.Conv1D(4, 3, padding="same")(x), (8, 3), macs=N * 8 * 3 * 3 * 4),
    row("Conv1D causal", lambda x: L.Conv1D(4, 3, padding="causal")(x), (8, 3), macs=N * 8 * 3 * 3 * 4),
    row("Conv1D strides", lambda x: L.Conv1D(4, 3, strides=2)(x), (8, 3), macs=N * 3 * 3 * 3 * 4),
    row("Conv1D dilated", lambda x: L.Conv1D(4, 3, dilation_rate=2)(x), (8, 3), macs=N * 4 * 3 * 3 * 4),
    row(
        "Conv1D causal dilated",
        lambda x: L.Conv1D(4, 3, dilation_rate=2, padding="causal")(x),
        (8, 3),
        macs=N * 8 * 3 * 3 * 4,
    ),
    row("Conv1D groups", lambda x: L.Conv1D(4, 3, groups=2)(x), (8, 6), macs=N * 6 * 3 * 3 * 4, quick=True),
    row(
        "Conv1D, no bias, relu",
        lambda x: L.Conv1D(4, 3, use_bias=False, activation="relu")(x),
        (8, 3),
        macs=N * 6 * 3 * 3 * 4,
    ),
    row(
        "Conv1D channels first",
        lambda x: L.Conv1D(4, 3, data_format="channels_first")(x),
        (3, 8),
        macs=N * 6 * 3 * 3 * 4,
    ),
]

TWO = [
    row("Conv2D", lambda x: L.Conv2D(4, 3)(x), (8, 7, 3), macs=N * 6 * 5 * 9 * 3 * 4, quick=True),
    row("Conv2D same", lambda x: L.Conv2D(4, 3, padding="same")(x), (8, 7, 3), macs=N * 8 * 7 * 9 * 3 * 4),
    row("Conv2D kernel", lambda x: L.Conv2D(4, (3, 2))(x), (8, 7, 3), macs=N * 6 * 6 * 6 * 3 * 4),
    row("Conv2D strides", lambda x: L.Conv2D(4, 3, strides=(2, 1))(x), (8, 7, 3), macs=N * 3 * 5 * 9 * 3 * 4),
    row(
        "Conv2D same strides",
        lambda x: L.Conv2D(4, 3, strides=2, padding="same")(x),
        (8, 7, 3),
        macs=N * 4 * 4 * 9 * 3 * 4,
    ),
    row("Conv2D dilated", lambda x: L.Conv2D(4, 3, dilation_rate=2)(x), (8, 7, 3), macs=N * 4 * 3 * 9 * 3 * 4),
    row(
        "Conv2D same dilated",
        lambda x: L.Conv2D(4, 3, dilation_rate=2, padding="same")(x),
        (8, 7, 3),
        macs=N * 8 * 7 * 9 * 3 * 4,
    ),
    row("Conv2D groups", lambda x: L.Conv2D(4, 3, groups=2)(x), (8, 7, 6), macs=N * 6 * 5 * 9 * 3 * 4, quick=True),
    row(
        "Conv2D groups same strides",
        lambda x: L.Conv2D(6, 3, groups=3, strides=2, padding="same")(x),
        (8, 7, 6),
        macs=N * 4 * 4 * 9 * 2 * 6,
    ),
    row(
        "Conv2D groups dilated",
        lambda x: L.Conv2D(4, 3, groups=2, dilation_rate=2)(x),
        (8, 7, 6),
        macs=N * 4 * 3 * 9 * 3 * 4,
    ),
    row("Conv2D a group per channel", lambda x: L.Conv2D(6, 3, groups=6)(x), (8, 7, 6), macs=N * 6 * 5 * 9 * 1 * 6),
    row("Conv2D two filters per channel", lambda x: L.Conv2D(6, 3, groups=3)(x), (8, 7, 3), macs=N * 6 * 5 * 9 * 1 * 6),
    row(
        "Conv2D, no bias, relu",
        lambda x: L.Conv2D(4, 3, use_bias=False, activation="relu")(x),
        (8, 7, 3),
        macs=N * 6 * 5 * 9 * 3 * 4,
    ),
    row(
        "Conv2D channels first",
        lambda x: L.Conv2D(4, 3, data_format="channels_first")(x),
        (3, 8, 7),
        macs=N * 6 * 5 * 9 * 3 * 4,
    ),
    row(
        "Conv2D channels first, groups",
        lambda x: L.Conv2D(4, 3, data_format="channels_first", groups=2)(x),
        (6, 8, 7),
        macs=N * 6 * 5 * 9 * 3 * 4,
    ),
    row("Conv2D 1x1", lambda x: L.Conv2D(4, 1)(x), (8, 7, 3), macs=N * 8 * 7 * 3 * 4),
]

THREE = [
    row("Conv3D", lambda x: L.Conv3D(4, 3)(x), (5, 6, 4, 3), macs=N * 3 * 4 * 2 * 27 * 3 * 4, quick=True),
    row("Conv3D same", lambda x: L.Conv3D(4, 3, padding="same")(x), (5, 6, 4, 3), macs=N * 5 * 6 * 4 * 27 * 3 * 4),
    row(
        "Conv3D same strides",
        lambda x: L.Conv3D(4, (3, 2, 1), strides=2, padding="same")(x),
        (5, 6, 4, 3),
        macs=N * 3 * 3 * 2 * 6 * 3 * 4,
    ),
    row("Conv3D dilated", lambda x: L.Conv3D(4, 2, dilation_rate=2)(x), (5, 6, 4, 3), macs=N * 3 * 4 * 2 * 8 * 3 * 4),
    row(
        "Conv3D groups",
        lambda x: L.Conv3D(4, 3, groups=2)(x),
        (5, 6, 4, 6),
        macs=N * 3 * 4 * 2 * 27 * 3 * 4,
        quick=True,
    ),
    row(
        "Conv3D groups same strides, no bias",
        lambda x: L.Conv3D(6, 3, groups=3, strides=2, padding="same", use_bias=False)(x),
        (5, 6, 4, 6),
        macs=N * 3 * 3 * 2 * 27 * 2 * 6,
    ),
    row(
        "Conv3D channels first",
        lambda x: L.Conv3D(4, 3, data_format="channels_first")(x),
        (3, 5, 6, 4),
        macs=N * 3 * 4 * 2 * 27 * 3 * 4,
    ),
]

TRANSPOSED = [
    row("Conv1DTranspose", lambda x: L.Conv1DTranspose(4, 3)(x), (8, 3), macs=N * 8 * 3 * 3 * 4, quick=True),
    row(
        "Conv1DTranspose same strides",
        lambda x: L.Conv1DTranspose(4, 3, strides=2, padding="same")(x),
        (8, 3),
        macs=N * 8 * 3 * 3 * 4,
    ),
    row(
        "Conv1DTranspose output padding",
        lambda x: L.Conv1DTranspose(4, 3, strides=2, output_padding=1)(x),
        (8, 3),
        macs=N * 8 * 3 * 3 * 4,
    ),
    row(
        "Conv1DTranspose dilated", lambda x: L.Conv1DTranspose(4, 3, dilation_rate=2)(x), (8, 3), macs=N * 8 * 3 * 3 * 4
    ),
    row(
        "Conv1DTranspose channels first",
        lambda x: L.Conv1DTranspose(4, 3, data_format="channels_first")(x),
        (3, 8),
        macs=N * 8 * 3 * 3 * 4,
    ),
    row("Conv2DTranspose", lambda x: L.Conv2DTranspose(4, 3)(x), (8, 7, 3), macs=N * 8 * 7 * 9 * 3 * 4, quick=True),
    row(
        "Conv2DTranspose same",
        lambda x: L.Conv2DTranspose(4, 3, padding="same")(x),
        (8, 7, 3),
        macs=N * 8 * 7 * 9 * 3 * 4,
    ),
    row(
        "Conv2DTranspose strides",
        lambda x: L.Conv2DTranspose(4, 3, strides=2)(x),
        (8, 7, 3),
        macs=N * 8 * 7 * 9 * 3 * 4,
    ),
    row(
        "Conv2DTranspose same strides",
        lambda x: L.Conv2DTranspose(4, 4, strides=2, padding="same")(x),
        (8, 7, 3),
        macs=N * 8 * 7 * 16 * 3 * 4,
    ),
    row(
        "Conv2DTranspose strides beyond the kernel",
        lambda x: L.Conv2DTranspose(4, 2, strides=3, use_bias=False)(x),
        (8, 7, 3),
        macs=N * 8 * 7 * 4 * 3 * 4,
    ),
    row(
        "Conv2DTranspose output padding",
        lambda x: L.Conv2DTranspose(4, 3, strides=2, output_padding=1)(x),
        (8, 7, 3),
        macs=N * 8 * 7 * 9 * 3 * 4,
    ),
    row(
        "Conv2DTranspose dilated",
        lambda x: L.Conv2DTranspose(4, 3, dilation_rate=2)(x),
        (8, 7, 3),
        macs=N * 8 * 7 * 9 * 3 * 4,
    ),
    row(
        "Conv2DTranspose channels first",
        lambda x: L.Conv2DTranspose(4, 3, data_format="channels_first")(x),
        (3, 8, 7),
        macs=N * 8 * 7 * 9 * 3 * 4,
    ),
    row(
        "Conv3DTranspose",
        lambda x: L.Conv3DTranspose(4, 3)(x),
        (5, 6, 4, 3),
        macs=N * 5 * 6 * 4 * 27 * 3 * 4,
        quick=True,
    ),
    row(
        "Conv3DTranspose same strides",
        lambda x: L.Conv3DTranspose(4, 3, strides=2, padding="same")(x),
        (5, 6, 4, 3),
        macs=N * 5 * 6 * 4 * 27 * 3 * 4,
    ),
    row(
        "Conv3DTranspose channels first",
        lambda x: L.Conv3DTranspose(4, 3, data_format="channels_first")(x),
        (3, 5, 6, 4),
        macs=N * 5 * 6 * 4 * 27 * 3 * 4,
    ),
]

DEPTHWISE = [
    row("DepthwiseConv1D", lambda x: L.DepthwiseConv1D(3)(x), (8, 3), macs=N * 6 * 3 * 3, quick=True),
    row(
        "DepthwiseConv1D same strides multiplier",
        lambda x: L.DepthwiseConv1D(3, strides=2, padding="same", depth_multiplier=2)(x),
        (8, 3),
        macs=N * 4 * 3 * 3 * 2,
    ),
    row("DepthwiseConv1D dilated", lambda x: L.DepthwiseConv1D(3, dilation_rate=2)(x), (8, 3), macs=N * 4 * 3 * 3),
    row(
        "DepthwiseConv1D channels first",
        lambda x: L.DepthwiseConv1D(3, data_format="channels_first")(x),
        (3, 8),
        macs=N * 6 * 3 * 3,
    ),
    row("DepthwiseConv2D", lambda x: L.DepthwiseConv2D(3)(x), (8, 7, 3), macs=N * 6 * 5 * 9 * 3, quick=True),
    row("DepthwiseConv2D same", lambda x: L.DepthwiseConv2D(3, padding="same")(x), (8, 7, 3), macs=N * 8 * 7 * 9 * 3),
    row("DepthwiseConv2D strides", lambda x: L.DepthwiseConv2D(3, strides=2)(x), (8, 7, 3), macs=N * 3 * 3 * 9 * 3),
    row(
        "DepthwiseConv2D multiplier, no bias",
        lambda x: L.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)(x),
        (8, 7, 3),
        macs=N * 6 * 5 * 9 * 3 * 2,
    ),
    row(
        "DepthwiseConv2D dilated",
        lambda x: L.DepthwiseConv2D(3, dilation_rate=2)(x),
        (8, 7, 3),
        macs=N * 4 * 3 * 9 * 3,
    ),
    row(
        "DepthwiseConv2D same dilated",
        lambda x: L.DepthwiseConv2D(3, dilation_rate=2, padding="same")(x),
        (8, 7, 3),
        macs=N * 8 * 7 * 9 * 3,
    ),
    row(
        "DepthwiseConv2D channels first",
        lambda x: L.DepthwiseConv2D(3, data_format="channels_first")(x),
        (3, 8, 7),
        macs=N * 6 * 5 * 9 * 3,
    ),
    row("SeparableConv1D", lambda x: L.SeparableConv1D(4, 3)(x), (8, 3), macs=N * 6 * 3 * (3 + 4), quick=True),
    row(
        "SeparableConv1D same strides multiplier",
        lambda x: L.SeparableConv1D(4, 3, strides=2, padding="same", depth_multiplier=2)(x),
        (8, 3),
        macs=N * 4 * 6 * (3 + 4),
    ),
    row(
        "SeparableConv1D channels first",
        lambda x: L.SeparableConv1D(4, 3, data_format="channels_first")(x),
        (3, 8),
        macs=N * 6 * 3 * (3 + 4),
    ),
    row("SeparableConv2D", lambda x: L.SeparableConv2D(4, 3)(x), (8, 7, 3), macs=N * 6 * 5 * 3 * (9 + 4), quick=True),
    row(
        "SeparableConv2D same strides multiplier",
        lambda x: L.SeparableConv2D(4, 3, strides=2, padding="same", depth_multiplier=2)(x),
        (8, 7, 3),
        macs=N * 4 * 4 * 6 * (9 + 4),
    ),
    row(
        "SeparableConv2D dilated, no bias, relu",
        lambda x: L.SeparableConv2D(4, 3, dilation_rate=2, use_bias=False, activation="relu")(x),
        (8, 7, 3),
        macs=N * 4 * 3 * 3 * (9 + 4),
    ),
    row(
        "SeparableConv2D channels first",
        lambda x: L.SeparableConv2D(4, 3, data_format="channels_first")(x),
        (3, 8, 7),
        macs=N * 6 * 5 * 3 * (9 + 4),
    ),
]

ROWS = ONE + TWO + THREE + TRANSPOSED + DEPTHWISE
