"""Recurrent layers: per step, gates * units * (features + units) products; ConvLSTM the same with kernels."""

# A lambda makes its layer when the row is run, under the row's policy:
# ruff: noqa: PLW0108

from __future__ import annotations

import keras

from sweep.rows import Given, N, row

L = keras.layers
X = (5, 3)
"""Five steps of three features."""


def recurrent(gates, steps=5, features=3, units=4):
    return N * steps * gates * units * (features + units)


class Decay(keras.layers.Layer):
    """A cell of one's own: the state fades, and a projection of the input is added."""

    def __init__(self, units):
        super().__init__()
        self.units = self.state_size = self.output_size = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.fade = self.add_weight(shape=(self.units,), name="fade")

    def call(self, inputs, states):
        state = states[0] * self.fade + keras.ops.matmul(inputs, self.kernel)
        return state, [state]


PLAIN = [
    *(
        row(name, lambda x, name=name: getattr(L, name)(4)(x), X, macs=recurrent(gates), quick=True)
        for name, gates in (("SimpleRNN", 1), ("GRU", 3), ("LSTM", 4))
    ),
    *(
        row(
            f"{name} sequences backwards, no bias",
            lambda x, name=name: getattr(L, name)(4, return_sequences=True, go_backwards=True, use_bias=False)(x),
            X,
            macs=recurrent(gates),
        )
        for name, gates in (("SimpleRNN", 1), ("GRU", 3), ("LSTM", 4))
    ),
    row("GRU reset before", lambda x: L.GRU(4, reset_after=False)(x), X, macs=recurrent(3)),
    row("LSTM states", lambda x: L.LSTM(4, return_state=True)(x), X, macs=recurrent(4)),
    row("LSTM given states", lambda x, h, c: L.LSTM(4)(x, initial_state=[h, c]), X, (4,), (4,), macs=recurrent(4)),
    row("LSTM unrolled", lambda x: L.LSTM(4, unroll=True)(x), X, macs=recurrent(4)),
    row("LSTM hard sigmoid", lambda x: L.LSTM(4, recurrent_activation="hard_sigmoid")(x), X, macs=recurrent(4)),
    row("LSTM stateful", lambda x: L.LSTM(4, stateful=True)(x), Given(X, batch=N), macs=recurrent(4)),
    row("LSTM gelu", lambda x: L.LSTM(4, activation="gelu")(x), X, macs=recurrent(4)),
    row("GRU dropout", lambda x: L.GRU(4, dropout=0.2, recurrent_dropout=0.2)(x), X, macs=recurrent(3)),
    row("LSTM masked", lambda x: L.LSTM(4)(L.Masking(0.0)(x)), X, macs=recurrent(4)),
    row(
        "Stacked LSTM",
        lambda x: L.LSTM(4)(L.LSTM(4, return_sequences=True)(x)),
        X,
        macs=recurrent(4) + recurrent(4, features=4),
    ),
]

WRAPPED = [
    row("Bidirectional LSTM", lambda x: L.Bidirectional(L.LSTM(4))(x), X, macs=2 * recurrent(4), quick=True),
    *(
        row(
            f"Bidirectional GRU {mode}",
            lambda x, mode=mode: L.Bidirectional(L.GRU(4, return_sequences=True), merge_mode=mode)(x),
            X,
            macs=2 * recurrent(3),
        )
        for mode in ("sum", "mul", "ave", "concat", None)
    ),
    row(
        "Bidirectional of two kinds",
        lambda x: L.Bidirectional(L.LSTM(4), backward_layer=L.GRU(4, go_backwards=True))(x),
        X,
        macs=recurrent(4) + recurrent(3),
    ),
    row("TimeDistributed Dense", lambda x: L.TimeDistributed(L.Dense(4))(x), X, macs=N * 5 * 3 * 4, quick=True),
    row(
        "TimeDistributed Conv2D",
        lambda x: L.TimeDistributed(L.Conv2D(4, 3))(x),
        (2, 6, 5, 3),
        macs=N * 2 * 4 * 3 * 9 * 3 * 4,
    ),
    row("TimeDistributed LSTM", lambda x: L.TimeDistributed(L.LSTM(4))(x), (2, *X), macs=2 * recurrent(4)),
]

CELLS = [
    *(
        row(
            f"RNN {cell}",
            lambda x, cell=cell: L.RNN(getattr(L, cell)(4))(x),
            X,
            macs=recurrent(gates),
            quick=gates == 4,
        )
        for cell, gates in (("SimpleRNNCell", 1), ("GRUCell", 3), ("LSTMCell", 4))
    ),
    row("RNN own cell", lambda x: L.RNN(Decay(4))(x), X, macs=N * 5 * 3 * 4, quick=True),
    row(
        "RNN own cell sequences",
        lambda x: L.RNN(Decay(4), return_sequences=True, return_state=True)(x),
        X,
        macs=N * 5 * 3 * 4,
    ),
    row(
        "RNN own cell backwards",
        lambda x: L.RNN(Decay(4), return_sequences=True, go_backwards=True)(x),
        X,
        macs=N * 5 * 3 * 4,
    ),
    row(
        "RNN own cell masked",
        lambda x: L.RNN(Decay(4), return_sequences=True)(L.Masking(0.0)(x)),
        X,
        macs=N * (5 + 1) * 3 * 4,  # Keras takes a step before the first, whose outputs show it the shape of zeros
    ),
    row("RNN own cell unrolled", lambda x: L.RNN(Decay(4), unroll=True)(x), X, macs=N * 5 * 3 * 4),
    row(
        "StackedRNNCells",
        lambda x: L.RNN(L.StackedRNNCells([L.LSTMCell(4), L.LSTMCell(4)]))(x),
        X,
        macs=recurrent(4) + recurrent(4, features=4),
        quick=True,
    ),
    row(
        "RNN list of cells sequences",
        lambda x: L.RNN([L.GRUCell(4), L.SimpleRNNCell(4)], return_sequences=True)(x),
        X,
        macs=recurrent(3) + recurrent(1, features=4),
    ),
    *(
        row(
            f"{cell} by itself",
            lambda x, h, cell=cell: getattr(L, cell)(4)(x, [h] * (2 if cell == "LSTMCell" else 1))[0],
            (3,),
            (4,),
            macs=recurrent(gates, steps=1),
        )
        for cell, gates in (("SimpleRNNCell", 1), ("GRUCell", 3), ("LSTMCell", 4))
    ),
]


def convolved(steps, places, kernel, features, filters):
    """Return the products of a ConvLSTM: four gates, each a convolution of the input and one of the state."""
    return N * steps * places * 4 * filters * kernel * (features + filters)


CONVOLVED = [
    row("ConvLSTM1D", lambda x: L.ConvLSTM1D(4, 3)(x), (5, 6, 3), macs=convolved(5, 4, 3, 3, 4), quick=True),
    row(
        "ConvLSTM1D same sequences",
        lambda x: L.ConvLSTM1D(4, 3, padding="same", return_sequences=True)(x),
        (5, 6, 3),
        macs=convolved(5, 6, 3, 3, 4),
    ),
    row("ConvLSTM2D", lambda x: L.ConvLSTM2D(4, 3)(x), (3, 6, 5, 2), macs=convolved(3, 4 * 3, 9, 2, 4), quick=True),
    row(
        "ConvLSTM2D same sequences states",
        lambda x: L.ConvLSTM2D(4, 3, padding="same", return_sequences=True, return_state=True)(x),
        (3, 6, 5, 2),
        macs=convolved(3, 6 * 5, 9, 2, 4),
    ),
    row(
        "ConvLSTM2D backwards, no bias",
        lambda x: L.ConvLSTM2D(4, 3, go_backwards=True, use_bias=False)(x),
        (3, 6, 5, 2),
        macs=convolved(3, 4 * 3, 9, 2, 4),
    ),
    row(
        "ConvLSTM2D hard sigmoid",
        lambda x: L.ConvLSTM2D(4, 3, recurrent_activation="hard_sigmoid", strides=2)(x),
        (3, 6, 5, 2),
        macs=convolved(3, 2 * 2, 9, 2, 4),
    ),
    row(
        "ConvLSTM2D channels first",
        lambda x: L.ConvLSTM2D(4, 3, data_format="channels_first")(x),
        (3, 2, 6, 5),
        macs=convolved(3, 4 * 3, 9, 2, 4),
    ),
    row("ConvLSTM3D", lambda x: L.ConvLSTM3D(4, 2)(x), (3, 4, 3, 3, 2), macs=convolved(3, 3 * 2 * 2, 8, 2, 4)),
    row(
        "Bidirectional ConvLSTM2D",
        lambda x: L.Bidirectional(L.ConvLSTM2D(4, 3))(x),
        (3, 6, 5, 2),
        macs=2 * convolved(3, 4 * 3, 9, 2, 4),
    ),
]

ROWS = PLAIN + WRAPPED + CELLS + CONVOLVED
