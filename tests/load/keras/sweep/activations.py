"""Activations: functions of each element, or along an axis; none multiplies to sum up."""

# A lambda makes its layer when the row is run, under the row's policy:
# ruff: noqa: PLW0108

from __future__ import annotations

import keras

from sweep.rows import Given, row

L = keras.layers
A = keras.activations

NAMES = """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid
    sparsemax squareplus swish tanh tanh_shrink
"""
"""Every function of keras.activations that a name alone describes."""

NAMED = [row(f"Activation {name}", lambda x, name=name: L.Activation(name)(x), (3, 4)) for name in NAMES.split()]

FUNCTIONS = [
    row("gelu exact", lambda x: L.Activation(lambda y: A.gelu(y, approximate=False))(x), (3, 4), quick=True),
    row("gelu approximate", lambda x: L.Activation(lambda y: A.gelu(y, approximate=True))(x), (3, 4), quick=True),
    row("celu alpha", lambda x: L.Activation(lambda y: A.celu(y, alpha=0.5))(x), (3, 4), quick=True),
    row("elu alpha", lambda x: L.Activation(lambda y: A.elu(y, alpha=0.5))(x), (3, 4)),
    row("glu axis", lambda x: L.Activation(lambda y: A.glu(y, axis=1))(x), (4, 3)),
    row("leaky_relu slope", lambda x: L.Activation(lambda y: A.leaky_relu(y, negative_slope=0.3))(x), (3, 4)),
    row(
        "relu all options",
        lambda x: L.Activation(lambda y: A.relu(y, negative_slope=0.1, max_value=0.6, threshold=0.2))(x),
        (3, 4),
    ),
    row("softmax axis", lambda x: L.Activation(lambda y: A.softmax(y, axis=1))(x), (3, 4)),
    row("log_softmax axis", lambda x: L.Activation(lambda y: A.log_softmax(y, axis=1))(x), (3, 4)),
    row("sparsemax axis", lambda x: L.Activation(lambda y: A.sparsemax(y, axis=1))(x), (3, 4)),
    row("squareplus b", lambda x: L.Activation(lambda y: A.squareplus(y, b=2))(x), (3, 4)),
    row("threshold", lambda x: L.Activation(lambda y: A.threshold(y, 0.2, 0.1))(x), (3, 4)),
    row("hard_shrink threshold", lambda x: L.Activation(lambda y: A.hard_shrink(y, threshold=0.3))(x), (3, 4)),
    row("soft_shrink threshold", lambda x: L.Activation(lambda y: A.soft_shrink(y, threshold=0.3))(x), (3, 4)),
]

LAYERS = [
    row("ReLU", lambda x: L.ReLU()(x), (3, 4), quick=True),
    row("ReLU max_value", lambda x: L.ReLU(max_value=0.5)(x), (3, 4)),
    row("ReLU negative_slope threshold", lambda x: L.ReLU(negative_slope=0.1, threshold=0.2)(x), (3, 4)),
    row("LeakyReLU", lambda x: L.LeakyReLU(negative_slope=0.1)(x), (3, 4)),
    row("ELU", lambda x: L.ELU(alpha=0.5)(x), (3, 4)),
    row("PReLU", lambda x: L.PReLU()(x), (3, 4), quick=True),
    row("PReLU shared axes", lambda x: L.PReLU(shared_axes=[1, 2])(x), (5, 4, 3)),
    row("Softmax", lambda x: L.Softmax()(x), (3, 4), quick=True),
    row("Softmax axis", lambda x: L.Softmax(axis=1)(x), (3, 4)),
    row("Softmax mask", lambda x, mask: L.Softmax()(x, mask=mask), (3, 4), Given((3, 4), "bool")),
    row("Softmax two axes mask", lambda x, mask: L.Softmax(axis=(1, 2))(x, mask=mask), (3, 4), Given((3, 4), "bool")),
    row("Activation inside Dense gelu", lambda x: L.Dense(5, activation="gelu")(x), (3,), macs=2 * 3 * 5, quick=True),
]

ROWS = NAMED + FUNCTIONS + LAYERS
