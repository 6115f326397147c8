"""Keras models whose count by TensorFlow's profiler is compared with graphcost's: the labs, small ones, large ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import tensorflow as tf
from keras import layers

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Case:
    """A model, and what it is given."""

    title: str
    "what it is"
    build: Callable[[], keras.Model]
    "makes it, with random weights"
    shape: tuple[int, ...] | None = None
    "the input's shape at batch 1, where the model was not built"


def perceptron(*units: int, last: str) -> list[layers.Layer]:
    """Return Dense layers with relu, the last one with another activation."""
    *inner, outer = units
    return [*(layers.Dense(one, activation="relu") for one in inner), layers.Dense(outer, activation=last)]


def convolution(kind: type, pool: type, *filters: int, pools: int) -> list[layers.Layer]:
    """Return convolutions with relu, the first ones each with a pool, and what flattens them."""
    found: list[layers.Layer] = []
    for place, one in enumerate(filters):
        found += [kind(one, 3, activation="relu"), *([pool(2)] if place < pools else [])]
    return [*found, layers.Flatten()]


def lab1() -> keras.Model:
    """784-512-256-128 relu, 1 sigmoid."""
    return keras.Sequential([layers.Input((784,)), *perceptron(512, 256, 128, 1, last="sigmoid")])


def lab2() -> keras.Model:
    """784-512-256-128 relu, 10 softmax."""
    return keras.Sequential([layers.Input((784,)), *perceptron(512, 256, 128, 10, last="softmax")])


def lab3() -> keras.Model:
    """28x28x1: two Conv2D, each with a MaxPool, two Dense."""
    body = convolution(layers.Conv2D, layers.MaxPooling2D, 32, 64, pools=2)
    return keras.Sequential([layers.Input((28, 28, 1)), *body, *perceptron(64, 10, last="softmax")])


def lab4() -> keras.Model:
    """32x32x3: Conv2D, MaxPool, Conv2D, MaxPool, Conv2D, two Dense."""
    body = convolution(layers.Conv2D, layers.MaxPooling2D, 32, 64, 128, pools=2)
    return keras.Sequential([layers.Input((32, 32, 3)), *body, *perceptron(128, 10, last="softmax")])


def lab5() -> keras.Model:
    """16x64x64x1: two Conv3D, each with a MaxPool3D, two Dense."""
    body = convolution(layers.Conv3D, layers.MaxPooling3D, 32, 64, pools=2)
    return keras.Sequential([layers.Input((16, 64, 64, 1)), *body, *perceptron(128, 5, last="softmax")])


def lab6() -> keras.Model:
    """SimpleRNN 3 over 5 steps of 4 features, Dense 2 sigmoid."""
    return keras.Sequential([layers.Input((5, 4)), layers.SimpleRNN(3), layers.Dense(2, activation="sigmoid")])


def lab7() -> keras.Model:
    """LSTM 3 on 1 step of 4 features."""
    return keras.Sequential([layers.Input((1, 4)), layers.LSTM(3)])


def lab8() -> keras.Model:
    """784-512 relu, 10 softmax, without an input."""
    return keras.Sequential(perceptron(512, 10, last="softmax"))


def lab9() -> keras.Model:
    """200x300x3: three Conv2D 3x3, stride 2, same."""
    body = [layers.Conv2D(filters, 3, strides=2, padding="same") for filters in (100, 200, 400)]
    return keras.Sequential([layers.Input((200, 300, 3)), *body])


def lab10() -> keras.Model:
    """47x47x3: five valid Conv2D, two Dense."""
    body = [layers.Conv2D(32, size, strides=step) for size, step in ((5, 1), (3, 2), (3, 1), (3, 2), (3, 1))]
    return keras.Sequential([layers.Input((47, 47, 3)), *body, layers.Flatten(), layers.Dense(128), layers.Dense(10)])


def small() -> keras.Model:
    """A small network of everything that the large ones are made of."""
    given = layers.Input((24, 24, 3))
    x = layers.Rescaling(1 / 255)(given)
    x = layers.Conv2D(8, 3, strides=2)(layers.ZeroPadding2D(1)(x))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.Activation("relu")(layers.BatchNormalization(scale=False)(x))
    y = layers.SeparableConv2D(8, 3, padding="same", depth_multiplier=2)(x)
    gate = layers.Dense(8, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    x = layers.add([x, layers.multiply([y, gate])])
    pools = [layers.MaxPooling2D(2, padding="same"), layers.AveragePooling2D(3, strides=2, padding="same")]
    x = layers.concatenate([pool(x) for pool in pools])
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(given, layers.Dense(5, activation="softmax")(x))


def unchanged() -> keras.Model:
    """A small network of which the conversion rewrites nothing."""
    given = layers.Input((12, 12, 3))
    x = layers.Conv2D(6, 3, use_bias=False)(given)
    x = layers.maximum([x, layers.multiply([x, x])])
    x = layers.AveragePooling2D(2)(layers.MaxPooling2D(3, strides=1)(x))
    x = layers.Flatten()(layers.subtract([x, layers.add([x, x])]))
    return keras.Model(given, layers.Dense(4, use_bias=False, activation="softmax")(x))


def operations() -> keras.Model:
    """Every operation of an inference that the profiler has a rule for, and that ONNX knows."""
    given = layers.Input((6, 4, 3))
    x = layers.Lambda(every_element)(given)
    x = layers.Conv2DTranspose(5, 3, strides=2, padding="same")(layers.LayerNormalization()(x))
    x = layers.Conv3D(2, 2)(layers.Reshape((12, 2, 4, 5))(x))
    x = layers.Dense(7)(layers.Flatten()(x))
    return keras.Model(given, layers.Lambda(every_reduction)(layers.Reshape((7, 1))(x)))


def every_element(x: tf.Tensor) -> tf.Tensor:
    """Compute element by element."""
    x = tf.math.log(tf.square(x) + 2.0) / tf.exp(tf.negative(x))
    x = tf.minimum(tf.pow(tf.maximum(x, 0.5), 3.0), tf.math.reciprocal(x)) * tf.math.rsqrt(x)
    compared = [tf.greater(x, 0.1), tf.greater_equal(x, 0.2), tf.less(x, 0.3), tf.less_equal(x, 0.4)]
    compared += [tf.equal(x, 0.5), tf.not_equal(x, 0.6)]
    return tf.add_n([x - 1.0, tf.math.squared_difference(x, 2.0), *(tf.cast(one, tf.float32) for one in compared)])


def every_reduction(x: tf.Tensor) -> list[tf.Tensor]:
    """Multiply matrices, and reduce what comes out."""
    x = tf.nn.softmax(tf.matmul(x, x, transpose_b=True))
    return [tf.reduce_sum(x, 1), tf.reduce_mean(x, (1, 2)), tf.argmax(x, 1), tf.argmin(x, 2)]


def one(shape: tuple[int, ...], *body: layers.Layer) -> Callable[[], keras.Model]:
    """Return what makes a model of some layers."""
    return lambda: keras.Sequential([layers.Input(shape), *body])


def attention() -> keras.Model:
    """Each kind of attention."""
    given, other = layers.Input((5, 8)), layers.Input((7, 8))
    x = layers.MultiHeadAttention(2, 4)(given, other)
    x = layers.Attention(use_scale=True)([layers.GroupQueryAttention(4, 4, 2)(x, x), other])
    return keras.Model([given, other], layers.Dot(axes=2, normalize=True)([layers.AdditiveAttention()([x, x]), x]))


IMAGE, SERIES = (17, 16, 4), (16, 3)
LAYERS = {
    "dilated": one(IMAGE, layers.Conv2D(4, 3, dilation_rate=2), layers.Conv2D(4, 3, dilation_rate=2, padding="same")),
    "grouped": one(IMAGE, layers.Conv2D(4, 3, groups=2)),
    "depthwise": one(IMAGE, layers.DepthwiseConv2D(3, depth_multiplier=2), layers.DepthwiseConv2D(3, dilation_rate=2)),
    "one channel depthwise": one((8, 8, 1), layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "channels first": one((4, 9, 9), layers.Conv2D(4, 3, data_format="channels_first")),
    "series": one(SERIES, layers.Conv1D(4, 3, padding="causal", dilation_rate=2), layers.SeparableConv1D(4, 3)),
    "transposed": one(IMAGE, layers.Conv2DTranspose(4, 3, strides=2, output_padding=1), layers.Conv2DTranspose(4, 2)),
    "transposed series": one(SERIES, layers.Conv1DTranspose(4, 3, strides=2)),
    "transposed volume": one((4, 5, 6, 3), layers.Conv3DTranspose(4, 3, strides=2, padding="same")),
    "volume": one((8, 9, 8, 4), layers.Conv3D(4, 3, strides=2, padding="same"), layers.AveragePooling3D(2)),
    "pools": one(
        IMAGE, layers.MaxPooling2D(3, 2), layers.AveragePooling2D(2, padding="same"), layers.GlobalMaxPool2D()
    ),
    "pools of series": one(SERIES, layers.MaxPooling1D(3, 2), layers.AveragePooling1D(2), layers.Softmax(axis=1)),
    "resized": one(IMAGE, layers.UpSampling2D(2, interpolation="bilinear"), layers.Resizing(7, 9), layers.Dense(3)),
    "normalized": one(IMAGE, layers.GroupNormalization(2), layers.UnitNormalization(), layers.RMSNormalization()),
    "normalized by constants": one((5,), layers.Normalization(mean=3.0, variance=2.0)),
    "rectified": one(IMAGE, layers.PReLU(), layers.ReLU(3.0, negative_slope=0.1, threshold=0.2), layers.Dense(3)),
    "activations": one((6, 4), *map(layers.Activation, ("gelu", "silu", "celu", "mish", "hard_silu", "log_softmax"))),
    "products": one((5, 8), layers.EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="de"), layers.Dense(3)),
    "in time": one((3, 8, 8, 2), layers.TimeDistributed(layers.Conv2D(4, 3))),
    "attention": attention,
}
"""Layers of which the conversion rewrites more."""


def application(name: str) -> Case:
    """Return a model of keras.applications at its own size."""
    return Case(name, lambda: getattr(keras.applications, name)(weights=None))


LABS = {
    name: Case(f"Lab {name}", build, (1, 784) if build is lab8 else None)
    for name, build in enumerate((lab1, lab2, lab3, lab4, lab5, lab6, lab7, lab8, lab9, lab10), start=1)
    if build not in (lab6, lab7)
}
"""By their numbers, those that are not recurrent: of these the profiler's count says nothing."""

APPLICATIONS = {
    name.lower(): application(name)
    for name in (
        "VGG16", "MobileNet", "MobileNetV2", "ResNet50", "InceptionV3", "DenseNet121", "EfficientNetB0", "ConvNeXtTiny",
    )
}  # fmt: skip

CASES = {f"lab{number}": case for number, case in LABS.items()} | APPLICATIONS
