"""Dense layers take a product per input, output and row; an embedding looks its rows up."""

# A lambda makes its layer when the row is run, under the row's policy:
# ruff: noqa: PLW0108

from __future__ import annotations

from tempfile import TemporaryDirectory

import keras

from sweep.rows import Given, N, row, words

L = keras.layers


def low_rank(layer, x):
    """Give a layer weights of low rank beside its own."""
    layer.build(x.shape)
    layer.enable_lora(2)
    return layer(x)


def quantized(layer, x, mode):
    layer.build(x.shape)
    layer.quantize(mode)
    return layer(x)


DENSE = [
    row("Dense", lambda x: L.Dense(5)(x), (3,), macs=N * 3 * 5, quick=True),
    row("Dense no bias", lambda x: L.Dense(5, use_bias=False)(x), (3,), macs=N * 3 * 5),
    row("Dense activation", lambda x: L.Dense(5, activation="relu")(x), (3,), macs=N * 3 * 5),
    row("Dense of a sequence", lambda x: L.Dense(5)(x), (4, 3), macs=N * 4 * 3 * 5, quick=True),
    row("Dense of an image", lambda x: L.Dense(5)(x), (6, 4, 3), macs=N * 6 * 4 * 3 * 5),
    row("Dense frozen", lambda x: L.Dense(5, trainable=False)(x), (3,), macs=N * 3 * 5, quick=True),
    # kernel + A @ B depends on weights alone, so that a run takes one product
    row("Dense low rank", lambda x: low_rank(L.Dense(5), x), (3,), macs=N * 3 * 5),
    row("Dense int8", lambda x: quantized(L.Dense(5), x, "int8"), (3,), macs=N * 3 * 5),
    row("Dense int4", lambda x: quantized(L.Dense(5), x, "int4"), (4,), macs=N * 4 * 5),
]

EINSUM = [
    row("EinsumDense", lambda x: L.EinsumDense("ab,bc->ac", 5, bias_axes="c")(x), (3,), macs=N * 3 * 5, quick=True),
    row(
        "EinsumDense sequence",
        lambda x: L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")(x),
        (4, 3),
        macs=N * 4 * 3 * 5,
    ),
    row("EinsumDense ellipsis", lambda x: L.EinsumDense("...x,xy->...y", 5)(x), (4, 3), macs=N * 4 * 3 * 5),
    row(
        "EinsumDense heads",
        lambda x: L.EinsumDense("abc,cde->abde", (4, 2, 5), bias_axes="de")(x),
        (4, 3),
        macs=N * 4 * 3 * 2 * 5,
        quick=True,
    ),
    row("EinsumDense contracts two", lambda x: L.EinsumDense("abc,bcd->ad", 5)(x), (4, 3), macs=N * 4 * 3 * 5),
    row("EinsumDense kept axis", lambda x: L.EinsumDense("abc,bcd->abd", (4, 5))(x), (4, 3), macs=N * 4 * 3 * 5),
    row(
        "EinsumDense turned",
        lambda x: L.EinsumDense("abc,bd->acd", (3, 5), activation="relu")(x),
        (4, 3),
        macs=N * 3 * 4 * 5,
    ),
    row("EinsumDense low rank", lambda x: low_rank(L.EinsumDense("ab,bc->ac", 5), x), (3,), macs=N * 3 * 5),
    row("EinsumDense int8", lambda x: quantized(L.EinsumDense("ab,bc->ac", 5), x, "int8"), (3,), macs=N * 3 * 5),
]


def there_and_back(layer, x):
    return layer(layer(x), reverse=True)


EMBEDDING = [
    row("Embedding", lambda x: L.Embedding(7, 5)(x), words(4, below=7), quick=True),
    row("Embedding of one", lambda x: L.Embedding(7, 5)(x), words(below=7)),
    row("Embedding mask zero", lambda x: L.Embedding(7, 5, mask_zero=True)(x), words(4, below=7)),
    # the table + A @ B depends on weights alone
    row("Embedding low rank", lambda x: low_rank(L.Embedding(7, 5), x), words(4, below=7)),
    row("Embedding int8", lambda x: quantized(L.Embedding(7, 5), x, "int8"), words(4, below=7)),
    row("ReversibleEmbedding", lambda x: L.ReversibleEmbedding(7, 5)(x), words(4, below=7)),
    row(
        "ReversibleEmbedding there and back",
        lambda x: there_and_back(L.ReversibleEmbedding(7, 5), x),
        words(4, below=7),
        macs=N * 4 * 5 * 7,
        quick=True,
    ),
    row(
        "ReversibleEmbedding untied, soft cap",
        lambda x: there_and_back(L.ReversibleEmbedding(7, 5, tie_weights=False, logit_soft_cap=0.5), x),
        words(4, below=7),
        macs=N * 4 * 5 * 7,
    ),
]


class Passing(L.Wrapper):
    """The plainest wrapper."""

    def call(self, x):
        return self.layer(x)


def stored(x):
    """Return what TFSMLayer makes of a Dense layer that was exported."""
    inner = keras.Sequential([keras.Input((3,)), L.Dense(5)])
    with TemporaryDirectory() as folder:
        inner.export(folder, verbose=False)
        return L.TFSMLayer(folder, call_endpoint="serve")(x)


OTHERS = [
    row("Identity", lambda x: L.Identity()(x), (4, 3), quick=True),
    row("Lambda", lambda x: L.Lambda(lambda y: y * 2 + 1)(x), (4, 3)),
    row(
        "Lambda product",
        lambda x: L.Lambda(lambda y: keras.ops.matmul(y, keras.ops.transpose(y, (0, 2, 1))))(x),
        (4, 3),
        macs=N * 4 * 4 * 3,
    ),
    row("Masking", lambda x: L.Masking(mask_value=0.5)(x), (4, 3)),
    row("Wrapper", lambda x: Passing(L.Dense(5))(x), (3,), macs=N * 3 * 5),
    row("Identity of integers", lambda x: L.Identity()(x), Given((3,), "int32", 0, 9)),
    row("SavedModel as a layer", stored, (3,), macs=N * 3 * 5),
]

ROWS = DENSE + EINSUM + EMBEDDING + OTHERS
