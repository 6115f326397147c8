"""Layers whose inputs have free sizes, which are bound when the graph is read."""

# A lambda makes its layer when the row is run, under the row's policy:
# ruff: noqa: PLW0108

from __future__ import annotations

import keras

from sweep.recurrent import Decay
from sweep.rows import Given, N, row, words

L = keras.layers
IMAGE = (None, None, 3)
SIZES = {"height": 8, "width": 7}
STEPS = (None, 6)
LENGTH = {"sequence": 5}
LENGTHS = {"a_sequence": 5, "b_sequence": 5}

ROWS = [
    row("Dense free", lambda x: L.Dense(4)(x), STEPS, dims=LENGTH, macs=N * 5 * 6 * 4),
    row("Conv1D free", lambda x: L.Conv1D(4, 3)(x), STEPS, dims=LENGTH, macs=N * 3 * 3 * 6 * 4),
    row(
        "Conv1D causal free", lambda x: L.Conv1D(4, 3, padding="causal")(x), STEPS, dims=LENGTH, macs=N * 5 * 3 * 6 * 4
    ),
    row("Conv2D free", lambda x: L.Conv2D(4, 3)(x), IMAGE, dims=SIZES, macs=N * 6 * 5 * 9 * 3 * 4),
    row(
        "Conv2D same strides free",
        lambda x: L.Conv2D(4, 3, strides=2, padding="same")(x),
        IMAGE,
        dims=SIZES,
        macs=N * 4 * 4 * 9 * 3 * 4,
    ),
    row(
        "Conv2D groups free",
        lambda x: L.Conv2D(4, 3, groups=2)(x),
        (None, None, 6),
        dims=SIZES,
        macs=N * 6 * 5 * 9 * 3 * 4,
    ),
    row(
        "Conv2DTranspose free",
        lambda x: L.Conv2DTranspose(4, 3)(x),
        IMAGE,
        dims=SIZES,
        macs=N * 8 * 7 * 9 * 3 * 4,
    ),
    row(
        "Conv2DTranspose same strides free",
        lambda x: L.Conv2DTranspose(4, 4, strides=2, padding="same")(x),
        IMAGE,
        dims=SIZES,
        macs=N * 8 * 7 * 16 * 3 * 4,
    ),
    row(
        "Conv2DTranspose output padding free",
        lambda x: L.Conv2DTranspose(4, 3, strides=2, output_padding=1)(x),
        IMAGE,
        dims=SIZES,
        macs=N * 8 * 7 * 9 * 3 * 4,
    ),
    row(
        "Conv2DTranspose output padding free, channels first",
        lambda x: L.Conv2DTranspose(4, 3, strides=2, output_padding=1, data_format="channels_first")(x),
        (3, None, None),
        dims={"width": 8, "a_3": 7},
        unpriced="Conv2DBackpropInput",  # tf2onnx takes channels to stand last where sizes are free
        macs=N * 8 * 7 * 9 * 3 * 4,
    ),
    row(
        "Conv1DTranspose same strides free",
        lambda x: L.Conv1DTranspose(4, 3, strides=2, padding="same")(x),
        STEPS,
        dims=LENGTH,
        macs=N * 5 * 3 * 6 * 4,
    ),
    row(
        "Conv3D free",
        lambda x: L.Conv3D(4, 2, groups=2)(x),
        (None, None, None, 4),
        dims={"frames": 4, "height": 3, "width": 5},
        macs=N * 3 * 2 * 4 * 8 * 2 * 4,
    ),
    row(
        "DepthwiseConv2D same free",
        lambda x: L.DepthwiseConv2D(3, padding="same")(x),
        IMAGE,
        dims=SIZES,
        macs=N * 56 * 27,
    ),
    row("SeparableConv2D free", lambda x: L.SeparableConv2D(4, 3)(x), IMAGE, dims=SIZES, macs=N * 6 * 5 * 3 * (9 + 4)),
    row("MaxPooling2D same free", lambda x: L.MaxPooling2D(3, strides=2, padding="same")(x), IMAGE, dims=SIZES),
    row("AveragePooling2D free", lambda x: L.AveragePooling2D(2)(x), IMAGE, dims=SIZES),
    row("GlobalAveragePooling2D free", lambda x: L.GlobalAveragePooling2D()(x), IMAGE, dims=SIZES),
    row("GlobalMaxPooling1D free", lambda x: L.GlobalMaxPooling1D()(x), STEPS, dims=LENGTH),
    row("UpSampling2D free", lambda x: L.UpSampling2D(2)(x), IMAGE, dims=SIZES),
    row("Resizing free", lambda x: L.Resizing(4, 9)(x), IMAGE, dims=SIZES),
    row(
        "Resizing antialias free",
        lambda x: L.Resizing(4, 3, antialias=True)(x),
        IMAGE,
        dims=SIZES,
        unpriced="ScaleAndTranslate",
    ),
    row("CenterCrop free", lambda x: L.CenterCrop(4, 5)(x), IMAGE, dims=SIZES),
    row("ZeroPadding2D free", lambda x: L.ZeroPadding2D(1)(x), IMAGE, dims=SIZES),
    row("BatchNormalization free", lambda x: L.BatchNormalization()(x), IMAGE, dims=SIZES),
    row("LayerNormalization free", lambda x: L.LayerNormalization()(x), STEPS, dims=LENGTH),
    row("GroupNormalization free", lambda x: L.GroupNormalization(groups=2)(x), (None, None, 4), dims=SIZES),
    row("Embedding free", lambda x: L.Embedding(7, 5)(x), words(None, below=7), dims=LENGTH),
    row("LSTM free", lambda x: L.LSTM(4)(x), STEPS, dims=LENGTH, macs=N * 5 * 4 * 4 * (6 + 4)),
    row(
        "GRU free sequences",
        lambda x: L.GRU(4, return_sequences=True)(x),
        STEPS,
        dims=LENGTH,
        macs=N * 5 * 3 * 4 * (6 + 4),
    ),
    row(
        "ConvLSTM2D free",
        lambda x: L.ConvLSTM2D(4, 3)(x),
        (None, 6, 5, 2),
        dims={"frames": 3},
        macs=N * 3 * 4 * 3 * 4 * 4 * 9 * (2 + 4),
    ),
    row("Attention free", lambda x: L.Attention()([x, x]), STEPS, dims=LENGTH, macs=N * 2 * 5 * 5 * 6),
    row(
        "MultiHeadAttention free causal",
        lambda x: L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True),
        STEPS,
        dims=LENGTH,
        macs=N * (4 * 5 * 6 * 6 + 2 * 2 * 5 * 5 * 3),
        quick=True,
    ),
    row(
        "GroupQueryAttention free",
        lambda x: L.GroupQueryAttention(3, 4, 2)(x, x),
        STEPS,
        dims=LENGTH,
        macs=N * (2 * 5 * 6 * 12 + 2 * 5 * 6 * 6 + 2 * 4 * 5 * 5 * 3),
    ),
    row("Dot free", lambda x, y: L.Dot(axes=2)([x, y]), STEPS, STEPS, dims=LENGTHS, macs=N * 5 * 5 * 6),
    row("Flatten, Reshape free", lambda x: L.Reshape((-1, 3))(x), STEPS, dims=LENGTH),
    row("RNN own cell free", lambda x: L.RNN(Decay(4))(x), STEPS, dims=LENGTH, macs=N * 5 * 6 * 4),
    row("LSTM masked free", lambda x: L.LSTM(4)(L.Masking(0.0)(x)), STEPS, dims=LENGTH, macs=N * 5 * 4 * 4 * (6 + 4)),
    row(
        "Bidirectional free",
        lambda x: L.Bidirectional(L.LSTM(4))(x),
        STEPS,
        dims=LENGTH,
        macs=2 * N * 5 * 4 * 4 * (6 + 4),
    ),
    row("Softmax mask free", lambda x, m: L.Softmax()(x, mask=m), STEPS, Given(STEPS, "bool"), dims=LENGTHS),
    row("Concatenate free", lambda x, y: L.Concatenate(axis=1)([x, y]), STEPS, STEPS, dims=LENGTHS),
]
