"""Merging and reshaping: only Dot multiplies to sum up."""

# A lambda makes its layer when the row is run, under the row's policy:
# ruff: noqa: PLW0108

from __future__ import annotations

import keras

from sweep.rows import N, row

L = keras.layers
PAIR = ((4, 3), (4, 3))
TRIPLE = ((4, 3), (4, 3), (4, 3))

MERGING = [
    *(
        row(kind, lambda *x, kind=kind: getattr(L, kind)()(list(x)), *PAIR, quick=kind == "Add")
        for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    ),
    *(
        row(f"{kind} of three", lambda *x, kind=kind: getattr(L, kind)()(list(x)), *TRIPLE)
        for kind in ("Add", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    ),
    row("Add broadcasts", lambda *x: L.Add()(list(x)), (4, 3), (1, 3)),
    row("Concatenate axis", lambda *x: L.Concatenate(axis=1)(list(x)), (4, 3), (2, 3)),
    row("Dot", lambda *x: L.Dot(axes=1)(list(x)), (5,), (5,), macs=N * 5, quick=True),
    row("Dot of sequences", lambda *x: L.Dot(axes=(1, 2))(list(x)), (4, 3), (5, 4), macs=N * 3 * 5 * 4),
    row("Dot last axes", lambda *x: L.Dot(axes=2)(list(x)), (4, 3), (5, 3), macs=N * 4 * 5 * 3),
    row("Dot normalized", lambda *x: L.Dot(axes=1, normalize=True)(list(x)), (5,), (5,), macs=N * 5),
    *(
        row(f"{name} as a function", lambda *x, name=name: getattr(L, name)(list(x)), *PAIR)
        for name in ("add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate")
    ),
    row("dot as a function", lambda *x: L.dot(list(x), axes=1), (5,), (5,), macs=N * 5),
]

RESHAPING = [
    row("Cropping1D", lambda x: L.Cropping1D((1, 2))(x), (8, 3)),
    row("Cropping2D", lambda x: L.Cropping2D(((1, 0), (2, 1)))(x), (8, 7, 3)),
    row("Cropping2D channels first", lambda x: L.Cropping2D(1, data_format="channels_first")(x), (3, 8, 7)),
    row("Cropping3D", lambda x: L.Cropping3D(1)(x), (5, 6, 4, 3)),
    row("Flatten", lambda x: L.Flatten()(x), (4, 3), quick=True),
    row("Flatten channels first", lambda x: L.Flatten(data_format="channels_first")(x), (3, 4, 5)),
    row("Permute", lambda x: L.Permute((2, 1))(x), (4, 3)),
    row("RepeatVector", lambda x: L.RepeatVector(5)(x), (3,)),
    row("Reshape", lambda x: L.Reshape((2, 6))(x), (4, 3)),
    row("Reshape free", lambda x: L.Reshape((-1, 2))(x), (4, 3), quick=True),
    row("UpSampling1D", lambda x: L.UpSampling1D(3)(x), (4, 3)),
    *(
        row(
            f"UpSampling2D {mode}",
            lambda x, mode=mode: L.UpSampling2D((2, 3), interpolation=mode)(x),
            (4, 5, 3),
            unpriced="ScaleAndTranslate" * mode.startswith("lanczos"),  # ONNX knows no such kernel
            quick=mode in ("nearest", "bilinear", "lanczos3"),
        )
        for mode in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
    ),
    row("UpSampling2D channels first", lambda x: L.UpSampling2D(data_format="channels_first")(x), (3, 4, 5)),
    row("UpSampling3D", lambda x: L.UpSampling3D(2)(x), (2, 3, 4, 3)),
    row("ZeroPadding1D", lambda x: L.ZeroPadding1D((1, 2))(x), (4, 3)),
    row("ZeroPadding2D", lambda x: L.ZeroPadding2D(((1, 0), (2, 1)))(x), (4, 5, 3), quick=True),
    row("ZeroPadding2D channels first", lambda x: L.ZeroPadding2D(1, data_format="channels_first")(x), (3, 4, 5)),
    row("ZeroPadding3D", lambda x: L.ZeroPadding3D(1)(x), (2, 3, 4, 3)),
]

ROWS = MERGING + RESHAPING
