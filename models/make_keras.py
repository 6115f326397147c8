"""Writes the Keras example model beside itself (needs the extra `keras`): python models/make_keras.py."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

L = keras.layers


def residual_cnn() -> keras.Model:
    """Return a classifier of 28x28 images: two convolutions with a way around the second, 10 classes."""
    image = L.Input((28, 28, 1), name="image")
    x = L.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(image)
    x = L.BatchNormalization(name="norm")(x)
    x = L.ReLU(name="relu")(x)
    y = L.SeparableConv2D(8, 3, padding="same", activation="relu", name="block")(x)
    y = L.Dropout(0.2, name="dropout")(y)
    x = L.Add(name="around")([x, y])
    x = L.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, L.Dense(10, activation="softmax", name="classes")(x), name="residual_cnn")


def main() -> None:
    """Write the model with weights that look trained: nothing is zero, one or equal."""
    model, drawn = residual_cnn(), np.random.default_rng(0)
    model.set_weights([drawn.uniform(0.1, 1.0, one.shape).astype(one.dtype) for one in model.get_weights()])
    path = Path(__file__).parent / "residual_cnn.keras"
    model.save(path)
    print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
