"""The students' labs as they write them in Keras: 1 to 13 as models, 14 as classes of their own over tf.Variable."""

from __future__ import annotations

from itertools import pairwise

import keras
import tensorflow as tf
from keras import layers


def sequential(shape, *stack):
    return keras.Sequential([keras.Input(shape), *stack])


def lab1():
    return sequential(
        (784,),
        layers.Dense(512, activation="relu"),
        layers.Dense(256, activation="relu"),
        layers.Dense(128, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    )


def lab2():
    return sequential(
        (784,),
        layers.Dense(512, activation="relu"),
        layers.Dense(256, activation="relu"),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    )


def lab3():
    return sequential(
        (28, 28, 1),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    )


def lab4():
    return sequential(
        (32, 32, 3),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(128, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    )


def lab5():
    return sequential(
        (16, 64, 64, 1),
        layers.Conv3D(32, 3, activation="relu"),
        layers.MaxPooling3D(2),
        layers.Conv3D(64, 3, activation="relu"),
        layers.MaxPooling3D(2),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(5, activation="softmax"),
    )


def lab6(steps=5):
    return sequential((steps, 4), layers.SimpleRNN(3), layers.Dense(2, activation="sigmoid"))


def lab6_one_step():
    return lab6(steps=1)


def lab7():
    return sequential((1, 4), layers.LSTM(3))


def lab8():
    """Return a model without an input shape: it has no weights until it is called."""
    return keras.Sequential([layers.Dense(512, activation="relu"), layers.Dense(10, activation="softmax")])


def lab9():
    return sequential(
        (200, 300, 3),
        layers.Conv2D(100, 3, strides=2, padding="same"),
        layers.Conv2D(200, 3, strides=2, padding="same"),
        layers.Conv2D(400, 3, strides=2, padding="same"),
    )


def lab10():
    return sequential(
        (47, 47, 3),
        layers.Conv2D(32, 5),
        layers.Conv2D(32, 3, strides=2),
        layers.Conv2D(32, 3),
        layers.Conv2D(32, 3, strides=2),
        layers.Conv2D(32, 3),
        layers.Flatten(),
        layers.Dense(128),
        layers.Dense(10),
    )


@keras.saving.register_keras_serializable("labs")
class Normalize(layers.Layer):
    """Normalizes over height and width, then scales and shifts: each channel by its own pair, or all by the same."""

    def __init__(self, *, is_shared=False, **options):
        super().__init__(**options)
        self.is_shared = is_shared

    def build(self, shape):
        size = () if self.is_shared else (shape[-1],)
        self.gamma = self.add_weight(shape=size, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=size, initializer="zeros", name="beta")

    def call(self, x):
        mean = keras.ops.mean(x, axis=(1, 2), keepdims=True)
        variance = keras.ops.mean(keras.ops.square(x - mean), axis=(1, 2), keepdims=True)
        return self.gamma * (x - mean) / keras.ops.sqrt(variance + 1e-3) + self.beta

    def get_config(self):
        return {**super().get_config(), "is_shared": self.is_shared}


def lab11(blocks=3, convolutions=20, *, is_shared=False):
    image = x = keras.Input((28, 28, 1))
    for _ in range(blocks):
        for _ in range(convolutions):
            x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
            x = Normalize(is_shared=is_shared)(x)
        x = layers.MaxPooling2D(3)(x)
    x = layers.GlobalMaxPooling2D()(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def lab12(filters=(32, 64, 128), pairs=2):
    """Return a model with a residual addition every two convolutions; a block's first has other channels to match."""
    image = x = keras.Input((28, 28, 1))
    for before, after in pairwise((1, *filters)):
        for pair in range(pairs):
            shortcut = layers.Conv2D(after, 1)(x) if pair == 0 and before != after else x
            x = Normalize()(layers.Conv2D(after, 3, padding="same", activation="relu")(x))
            x = Normalize()(layers.Conv2D(after, 3, padding="same", activation="relu")(x))
            x = layers.Add()([x, shortcut])
        x = layers.MaxPooling2D(3)(x)
    x = layers.GlobalMaxPooling2D()(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def lab13(application, side, rate=0.2):
    """Return a frozen network without its top, and two classes to learn."""
    base = application(include_top=False, weights=None, input_shape=(side, side, 3))
    base.trainable = False
    dropout = [layers.Dropout(rate)] if rate else []
    return sequential((side, side, 3), base, layers.GlobalAveragePooling2D(), *dropout, layers.Dense(2))


class HandDense:
    """A Dense layer over variables: no layer of Keras, no tf.Module."""

    def __init__(self, inputs, outputs, activation):
        self.activation = activation
        self.kernel = tf.Variable(tf.random.uniform((inputs, outputs), maxval=0.1))
        self.bias = tf.Variable(tf.zeros((outputs,)))

    def __call__(self, x):
        return self.activation(tf.matmul(x, self.kernel) + self.bias)

    @property
    def weights(self):
        return [self.kernel, self.bias]


class HandSequential:
    """Layers one after the other."""

    def __init__(self, stack):
        self.layers = stack

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    @property
    def weights(self):
        return [weight for layer in self.layers for weight in layer.weights]


class BrokenSequential(HandSequential):
    """Returns inside its loop, as one student's did: only the first layer ever runs."""

    def __call__(self, x):  # noqa: RET503  # the fault, as it was written
        for layer in self.layers:
            x = layer(x)
            return x  # noqa: RET504  # as above


def lab14(kind=HandSequential):
    return kind([HandDense(784, 512, tf.nn.relu), HandDense(512, 10, tf.nn.softmax)])
