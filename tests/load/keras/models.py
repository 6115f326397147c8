"""Small Keras models of all kinds, one function each: it returns a model that was built, and inputs for it.

Every weight is random, biases and statistics too, so that the values tell the layers apart.
"""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras")
layers, ops = keras.layers, keras.ops

BATCH = 2

MODELS = {}
"""The functions by their names."""


def model(build):
    """Give a model random weights and inputs, and its layers the names that they have in a fresh session."""

    def fresh():
        keras.utils.clear_session()
        built, *shapes = build()
        random = np.random.default_rng(0)
        inputs = [drawn(random, shape) for shape in shapes]
        built(inputs if len(inputs) > 1 else inputs[0])
        for variable in built.variables:
            if variable.dtype.startswith(("float", "bfloat")):
                variable.assign(weight(random, variable))
        return built, inputs

    MODELS[build.__name__] = fresh
    return fresh


def drawn(random, shape):
    """Return an input of a batch: random floats; of ("ids", length), integers for 7 embeddings that end with zeros.

    Those below zero count from the end, and those are how one tells indices that were mended from those that came.
    """
    if shape[0] != "ids":
        return random.normal(size=(BATCH, *shape)).astype(np.float32)
    ids = random.integers(1, 7, (BATCH, *shape[1:])).astype(np.int32)
    ids[:, 0] -= 7
    ids[:, -1] = 0
    return ids


def weight(random, variable):
    """Return random elements that neither blow values up nor let them fade."""
    if "variance" in variable.name:
        return random.uniform(0.5, 1.5, variable.shape)
    spread = 1.2 / np.sqrt(np.prod(variable.shape[:-1])) if len(variable.shape) > 1 else 0.4
    return random.normal(0, spread, variable.shape) + ("gamma" in variable.name)


# Sequential and functional models


@model
def sequential():
    return keras.Sequential([
        layers.Input((8, 8, 3)), layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(),
        layers.Dense(6, activation="tanh"), layers.Dense(5, activation="softmax"),
    ]), (8, 8, 3)  # fmt: skip


@model
def residual():
    x = given = layers.Input((6, 6, 4))
    for _ in range(2):
        y = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
        y = layers.BatchNormalization()(y)
        y = layers.ReLU()(y)
        y = layers.Conv2D(4, 3, padding="same")(y)
        x = layers.Activation("relu")(layers.add([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(given, layers.Dense(3)(x)), (6, 6, 4)


def perceptron(size, name, widths=(5, 4)):
    given = layers.Input((size,))
    x = layers.Dense(widths[0], activation="tanh", name="dense")(given)
    x = layers.Dense(widths[1], activation="sigmoid", name="dense_1")(x)
    return keras.Model(given, x, name=name)


@model
def nested():
    """A model in a model in a model, with layers of the same names at each level."""
    given = layers.Input((6,))
    inner = perceptron(5, "inner")
    middle_given = layers.Input((6,))
    x = layers.Dense(5, activation="tanh", name="dense")(middle_given)
    middle = keras.Model(middle_given, layers.Dense(3, name="dense_1")(inner(x)), name="middle")
    x = layers.Dense(6, name="dense")(given)
    x = layers.Dense(2, name="dense_1")(middle(x))
    return keras.Model(given, x), (6,)


@model
def sequential_in_functional():
    given = layers.Input((6,))
    block = keras.Sequential([layers.Dense(5, activation="elu"), layers.LayerNormalization(), layers.Dense(4)])
    x = layers.Concatenate()([block(given), layers.Dense(3, activation="tanh")(given)])
    return keras.Model(given, layers.Dense(2)(x)), (6,)


@model
def functional_in_sequential():
    return keras.Sequential([
        layers.Input((6,)), layers.Dense(6), perceptron(6, "head"), layers.Dense(3), perceptron(3, "tail"),
    ]), (6,)  # fmt: skip


@model
def same_names_in_sub_models():
    given = layers.Input((6,))
    one, other = perceptron(6, "left"), perceptron(6, "right")
    x = layers.Subtract(name="dense")([one(given), other(given)])
    return keras.Model(given, layers.Dense(2, name="left_1")(x)), (6,)


@model
def confusing_names():
    """Names that look like those that TensorFlow makes of others."""
    x = given = layers.Input((4,))
    for name in ("dense_1", "dense", "dense_1_1", "dense_2", "dense_1_2"):
        x = layers.Dense(4, activation="tanh", name=name)(x)
    return keras.Model(given, x), (4,)


@model
def several_inputs_and_outputs():
    picture, vector = layers.Input((6, 6, 2), name="picture"), layers.Input((5,), name="vector")
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3, activation="relu")(picture))
    y = layers.Dense(4, activation="tanh")(vector)
    both = layers.Multiply()([x, y])
    joined = layers.Concatenate()([x, y, both])
    outputs = [layers.Dense(3, name="classes", activation="softmax")(joined), layers.Dense(1, name="score")(both)]
    return keras.Model([picture, vector], outputs), (6, 6, 2), (5,)


@model
def operations_between_layers():
    """Operations that are no layers: they belong to the model."""
    given = layers.Input((6,))
    x = layers.Dense(5)(given)
    x = ops.exp(-x) * 0.5 + ops.mean(x, axis=-1, keepdims=True)
    inner_given = layers.Input((5,))
    inner = keras.Model(inner_given, ops.sqrt(ops.abs(layers.Dense(5)(inner_given)) + 1.0), name="inner")
    x = ops.concatenate([inner(x), ops.sin(x)], axis=-1)
    return keras.Model(given, ops.log(1.0 + ops.square(layers.Dense(3)(x)))), (6,)


@model
def lambdas():
    given = layers.Input((6,))
    x = layers.Lambda(lambda x: ops.cos(x) * 2.0)(layers.Dense(5)(given))
    x = layers.Lambda(lambda x: ops.softmax(x - ops.max(x, axis=-1, keepdims=True)), name="soft")(x)
    return keras.Model(given, layers.Dense(2)(x)), (6,)


@model
def activations_as_layers():
    x = given = layers.Input((7,))
    for one in (layers.LeakyReLU(), layers.PReLU(), layers.ELU(), layers.Softmax()):
        x = one(layers.Dropout(0.5)(layers.Dense(7)(x)))
        x = layers.GaussianNoise(0.1)(layers.Rescaling(3.0, 0.5)(x))
    x = layers.Activation("gelu")(layers.ActivityRegularization(0.1)(layers.UnitNormalization()(x)))
    return keras.Model(given, layers.Activation("silu")(layers.Reshape((7, 1))(x))), (7,)


# Layers that are called more than once


@model
def shared_twice():
    one, other = layers.Input((5,)), layers.Input((5,))
    shared = layers.Dense(4, activation="tanh")
    x = layers.Concatenate()([shared(one), shared(other)])
    return keras.Model([one, other], layers.Dense(3)(x)), (5,), (5,)


@model
def shared_three_times():
    """Called in a row, with others between."""
    given = layers.Input((5,))
    shared, norm = layers.Dense(5, activation="sigmoid", name="shared"), layers.LayerNormalization(name="norm")
    x = shared(norm(shared(given)))
    x = layers.Dense(5, name="shared_1")(x)
    return keras.Model(given, shared(norm(x))), (5,)


@model
def shared_model():
    """A model that is called twice, with a layer inside that it calls twice itself."""
    given = layers.Input((5,))
    shared = layers.Dense(5, activation="tanh", name="twice")
    tower = keras.Model(given, layers.Dense(4, name="once")(shared(shared(given))), name="tower")
    one, other = layers.Input((5,)), layers.Input((5,))
    distance = ops.sqrt(ops.sum(ops.square(tower(one) - tower(other)), axis=-1, keepdims=True))
    return keras.Model([one, other], layers.Dense(1)(distance)), (5,), (5,)


# Subclasses


class Blocks(keras.Model):
    """Layers in lists and dicts, and operations between them."""

    def __init__(self):
        super().__init__(name="blocks")
        self.stem = layers.Dense(6)
        self.blocks = [layers.Dense(6, activation="tanh") for _ in range(3)]
        self.heads = {"one": layers.Dense(2), "other": layers.Dense(3)}
        self.pairs = [(layers.LayerNormalization(), layers.Dense(6)) for _ in range(2)]

    def call(self, inputs):
        x = self.stem(inputs) * 0.5
        for block in self.blocks:
            x = x + block(x)
        for norm, dense in self.pairs:
            x = ops.tanh(dense(norm(x))) + x
        return {name: head(x / 2.0) for name, head in self.heads.items()}


@model
def subclassed():
    return Blocks(), (6,)


class Excite(layers.Layer):
    """A layer with layers, weights and operations of its own."""

    def __init__(self, channels, **options):
        super().__init__(**options)
        self.pool = layers.GlobalAveragePooling2D(keepdims=True)
        self.squeeze = layers.Dense(2, activation="relu")
        self.widen = layers.Dense(channels)

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")
        super().build(shape)

    def call(self, inputs):
        gate = ops.sigmoid(self.widen(self.squeeze(self.pool(inputs))))
        return inputs * gate * self.scale


@model
def layers_with_layers():
    x = given = layers.Input((6, 6, 3))
    for _ in range(2):
        x = Excite(4)(layers.Conv2D(4, 3, activation="relu")(x))
    return keras.Model(given, x), (6, 6, 3)


class Tied(keras.Model):
    """The embeddings that ids are looked up in are also what the last product multiplies by."""

    def __init__(self):
        super().__init__()
        self.embed = layers.Embedding(7, 5)
        self.pool = layers.GlobalAveragePooling1D()
        self.dense = layers.Dense(5, activation="tanh")

    def call(self, ids):
        x = self.dense(self.pool(self.embed(ids)))
        return ops.softmax(ops.matmul(x, ops.transpose(self.embed.embeddings)))


@model
def tied_weights():
    return Tied(), ("ids", 4)


class Direct(layers.Layer):
    """Runs another layer by its `call`, as wrappers do."""

    def __init__(self, inner, **options):
        super().__init__(**options)
        self.inner = inner

    def build(self, shape):
        self.inner.build(shape)

    def call(self, inputs):
        return ops.exp(self.inner.call(ops.sin(inputs))) + self.inner.call(inputs)


@model
def layers_run_without_being_called():
    given = layers.Input((5,))
    x = Direct(layers.Dense(5, activation="tanh"))(given)
    x = Direct(keras.Sequential([layers.Dense(4), layers.LayerNormalization()]))(x)
    return keras.Model(given, x), (5,)


class Deep(keras.Model):
    """Three levels of layers, created in one order and called in another, one of them never."""

    def __init__(self):
        super().__init__()
        self.last, self.first = perceptron(5, "mlp"), perceptron(6, "mlp")
        self.unused = layers.Dense(3)

    def call(self, inputs):
        return self.last(ops.concatenate([self.first(inputs), ops.sum(inputs, axis=-1, keepdims=True)], axis=-1))


@model
def same_names_in_a_subclass():
    return Deep(), (6,)


# Wrappers


@model
def distributed_dense():
    given = layers.Input((4, 5))
    x = layers.TimeDistributed(layers.Dense(3, activation="tanh"))(given)
    return keras.Model(given, layers.TimeDistributed(layers.Dense(2))(x)), (4, 5)


@model
def distributed_conv():
    given = layers.Input((3, 6, 6, 2))
    x = layers.TimeDistributed(layers.Conv2D(3, 3, activation="relu"))(given)
    x = layers.TimeDistributed(layers.BatchNormalization())(x)
    block = keras.Sequential([layers.Conv2D(2, 3), layers.ReLU(), layers.GlobalAveragePooling2D()])
    x = layers.TimeDistributed(block)(x)
    return keras.Model(given, layers.Dense(2)(layers.Flatten()(x))), (3, 6, 6, 2)


@model
def spectral():
    given = layers.Input((5,))
    x = layers.SpectralNormalization(layers.Dense(4, activation="tanh"))(given)
    return keras.Model(given, layers.Dense(2)(x)), (5,)


# Recurrent layers


@model
def recurrent():
    given = layers.Input((5, 3))
    x = layers.LSTM(4, return_sequences=True)(given)
    x = layers.GRU(4, return_sequences=True)(x)
    x = layers.Dense(4, activation="tanh")(x)
    return keras.Model(given, layers.SimpleRNN(3)(x)), (5, 3)


@model
def bidirectional():
    given = layers.Input((5, 3))
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(given)
    x = layers.Bidirectional(layers.GRU(3), merge_mode="sum")(x)
    return keras.Model(given, layers.Dense(2)(x)), (5, 3)


@model
def masked():
    """A mask that Embedding makes runs through layers beside the values."""
    given = layers.Input((5,), dtype="int32")
    x = layers.Embedding(7, 4, mask_zero=True)(given)
    x = layers.Dense(4, activation="tanh")(x)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    x = layers.Dense(4)(x)
    return keras.Model(given, layers.Dense(2)(layers.GlobalAveragePooling1D()(x))), ("ids", 5)


class Decay(layers.Layer):
    """A cell that no operator of ONNX is."""

    def __init__(self):
        super().__init__()
        self.state_size = self.output_size = 4
        self.dense = layers.Dense(4)

    def build(self, shape):
        self.dense.build((shape[0], shape[-1]))
        super().build(shape)

    def call(self, inputs, states):
        found = ops.tanh(self.dense(inputs)) + ops.cos(states[0])
        return found, [found]


@model
def loops():
    """Layers that become loops, one after the other and unrolled."""
    given = layers.Input((5, 3))
    x = layers.RNN(Decay(), return_sequences=True)(given)
    x = layers.LayerNormalization()(x)
    x = layers.RNN([Decay(), layers.GRUCell(3)], return_sequences=True)(x)
    x = layers.RNN(Decay(), unroll=True)(x)
    return keras.Model(given, layers.Dense(2)(x)), (5, 3)


@model
def recurrent_convolution():
    given = layers.Input((3, 5, 5, 2))
    return keras.Model(given, layers.Conv2D(2, 3)(layers.ConvLSTM2D(2, 3)(given))), (3, 5, 5, 2)


# Attention


def encoder(x, size):
    y = layers.MultiHeadAttention(2, size // 2)(x, x)
    x = layers.LayerNormalization()(x + layers.Dropout(0.1)(y))
    y = layers.Dense(size)(layers.Dense(2 * size, activation="gelu")(x))
    return layers.LayerNormalization()(layers.Add()([x, y]))


@model
def transformer():
    given = layers.Input((5,), dtype="int32")
    x = layers.Embedding(7, 6)(given)
    for _ in range(2):
        x = encoder(x, 6)
    return keras.Model(given, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(x))), ("ids", 5)


@model
def attention():
    one, other = layers.Input((4, 6)), layers.Input((5, 6))
    x, scores = layers.MultiHeadAttention(2, 3)(one, other, return_attention_scores=True)
    x = layers.GroupQueryAttention(3, 4, 2)(x, other, use_causal_mask=True)
    x = layers.Attention(use_scale=True)([x, other])
    x = layers.AdditiveAttention()([x, other])
    return keras.Model([one, other], [x, scores]), (4, 6), (5, 6)


@model
def masked_attention():
    given = layers.Input((5,), dtype="int32")
    x = layers.Embedding(7, 6, mask_zero=True)(given)
    x = layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)
    return keras.Model(given, layers.Dense(2)(x)), ("ids", 5)


# Pictures


@model
def convolutions():
    """Each followed by a normalization, which conversions like to fuse into it."""
    x = given = layers.Input((9, 9, 4))
    for one in (
        layers.Conv2D(6, 3, padding="same", activation="relu"), layers.DepthwiseConv2D(3),
        layers.SeparableConv2D(4, 3, padding="same"), layers.Conv2D(4, 3, groups=2),
    ):  # fmt: skip
        x = layers.BatchNormalization()(one(x))
    x = layers.GroupNormalization(2)(layers.ZeroPadding2D(1)(x))
    x = layers.AveragePooling2D(2)(layers.SpatialDropout2D(0.1)(x))
    return keras.Model(given, layers.UpSampling2D(2, interpolation="bilinear")(x)), (9, 9, 4)


@model
def padded():
    """A padding becomes part of the convolution behind it, so that its own output is no value of the graph."""
    given = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, strides=2)(layers.ZeroPadding2D(2)(given))
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(4, 3, use_bias=False)(layers.ZeroPadding2D(((1, 0), (0, 1)))(x))
    return keras.Model(given, layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(x))), (8, 8, 3)


@model
def u_net():
    given = layers.Input((8, 8, 2))
    skips, x = [], given
    for width in (3, 4):
        x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(5, 3, padding="same", activation="relu")(x)
    for skip in reversed(skips):
        x = layers.Conv2DTranspose(skip.shape[-1], 2, strides=2)(x)
        x = layers.Conv2D(skip.shape[-1], 3, padding="same", activation="relu")(layers.Concatenate()([skip, x]))
    return keras.Model(given, layers.Conv2D(1, 1, activation="sigmoid")(x)), (8, 8, 2)


@model
def mobile_net():
    x = given = layers.Input((12, 12, 3))
    x = layers.Rescaling(1 / 2, offset=-1.0)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(4, 3, strides=2, padding="same")(x)))
    for stride in (1, 2, 1):
        y = layers.Conv2D(8, 1, use_bias=False)(x)
        y = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.999)(y))
        if stride == 2:
            y = layers.ZeroPadding2D(((0, 1), (0, 1)))(y)
        y = layers.DepthwiseConv2D(
            3, strides=stride, use_bias=False, padding="same" if stride == 1 else "valid"
        )(y)  # fmt: skip
        y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(4, 1, use_bias=False)(y))
        x = layers.Add()([x, y]) if stride == 1 else y
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(given, layers.Dense(3, activation="softmax")(x)), (12, 12, 3)


@model
def other_ranks():
    signal, volume = layers.Input((8, 3)), layers.Input((4, 4, 4, 2))
    x = layers.MaxPooling1D(2)(layers.Conv1D(4, 3, activation="relu", padding="causal")(signal))
    x = layers.BatchNormalization()(layers.Conv1DTranspose(3, 2, strides=2)(x))
    y = layers.Conv3D(3, 2, activation="relu")(volume)
    y = layers.Flatten()(layers.AveragePooling3D(2)(y))
    return keras.Model([signal, volume], layers.Dense(2)(layers.Concatenate()([layers.Flatten()(x), y]))), (
        8, 3), (4, 4, 4, 2)  # fmt: skip


# Types


def half(build):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return build()
    finally:
        keras.config.set_dtype_policy(before)


@model
def mixed_dense():
    def build():
        given = layers.Input((6,))
        x = layers.Dense(5, activation="tanh")(given)
        x = layers.LayerNormalization(dtype="float32")(x)
        x = layers.Dense(5)(x)
        return keras.Model(given, layers.Dense(3, activation="softmax", dtype="float32")(x))

    return half(build), (6,)


@model
def mixed_conv():
    def build():
        given = layers.Input((8, 8, 2))
        x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(given))
        x = layers.add([x, layers.Conv2D(4, 1)(x)])
        return keras.Model(given, layers.Dense(2, dtype="float32")(layers.Flatten()(x)))

    return half(build), (8, 8, 2)
