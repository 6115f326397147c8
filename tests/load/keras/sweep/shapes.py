"""Merging, reshaping, pooling and normalization."""

from __future__ import annotations

import keras
from sweep.rows import N, Given, row

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
            quick=mode in ("nearest", "bilinear"),
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

IMAGES = {1: (8, 3), 2: (8, 6, 3), 3: (6, 4, 4, 3)}


def first(shape):
    """Return a shape with its channels first."""
    return (shape[-1], *shape[:-1])


POOLING = [
    *(
        row(
            f"{kind}Pooling{rank}D",
            lambda x, kind=kind, rank=rank: getattr(L, f"{kind}Pooling{rank}D")(2)(x),
            shape,
            quick=rank == 2,
        )
        for kind in ("Max", "Average")
        for rank, shape in IMAGES.items()
    ),
    *(
        row(
            f"{kind}Pooling{rank}D same strides",
            lambda x, kind=kind, rank=rank: getattr(L, f"{kind}Pooling{rank}D")(3, strides=2, padding="same")(x),
            shape,
        )
        for kind in ("Max", "Average")
        for rank, shape in IMAGES.items()
    ),
    *(
        row(
            f"{kind}Pooling{rank}D channels first",
            lambda x, kind=kind, rank=rank: getattr(L, f"{kind}Pooling{rank}D")(2, data_format="channels_first")(x),
            first(shape),
        )
        for kind in ("Max", "Average")
        for rank, shape in IMAGES.items()
    ),
    row("MaxPooling2D overlapping", lambda x: L.MaxPooling2D((3, 2), strides=(1, 2))(x), (8, 7, 3)),
    row("AveragePooling2D same", lambda x: L.AveragePooling2D((3, 2), strides=(1, 2), padding="same")(x), (8, 7, 3)),
    *(
        row(
            f"Global{kind}Pooling{rank}D",
            lambda x, kind=kind, rank=rank: getattr(L, f"Global{kind}Pooling{rank}D")()(x),
            shape,
            quick=rank == 2,
        )
        for kind in ("Max", "Average")
        for rank, shape in IMAGES.items()
    ),
    *(
        row(
            f"Global{kind}Pooling{rank}D keepdims channels first",
            lambda x, kind=kind, rank=rank: getattr(L, f"Global{kind}Pooling{rank}D")(
                keepdims=True, data_format="channels_first"
            )(x),
            first(shape),
        )
        for kind in ("Max", "Average")
        for rank, shape in IMAGES.items()
    ),
    row("GlobalAveragePooling2D keepdims", lambda x: L.GlobalAveragePooling2D(keepdims=True)(x), (8, 6, 3)),
    row("GlobalAveragePooling1D masked", lambda x: L.GlobalAveragePooling1D()(L.Masking(0.0)(x)), (8, 3)),
    *(
        row(
            f"Adaptive{kind}Pooling{rank}D",
            lambda x, kind=kind, rank=rank: getattr(L, f"Adaptive{kind}Pooling{rank}D")(2)(x),
            shape,
        )
        for kind in ("Max", "Average")
        for rank, shape in IMAGES.items()
    ),
    row("AdaptiveAveragePooling2D uneven", lambda x: L.AdaptiveAveragePooling2D((3, 4))(x), (8, 7, 3)),
    row("AdaptiveMaxPooling2D uneven", lambda x: L.AdaptiveMaxPooling2D((3, 4))(x), (8, 7, 3)),
    row(
        "AdaptiveAveragePooling2D channels first",
        lambda x: L.AdaptiveAveragePooling2D(2, data_format="channels_first")(x),
        (3, 8, 6),
    ),
]

NORMALIZATION = [
    row("BatchNormalization", lambda x: L.BatchNormalization()(x), (6, 5, 3), quick=True),
    row("BatchNormalization of vectors", lambda x: L.BatchNormalization()(x), (3,)),
    row("BatchNormalization axis", lambda x: L.BatchNormalization(axis=1)(x), (3, 6, 5)),
    row("BatchNormalization not scaled", lambda x: L.BatchNormalization(scale=False)(x), (6, 5, 3)),
    row("BatchNormalization not centred", lambda x: L.BatchNormalization(center=False)(x), (6, 5, 3)),
    row("BatchNormalization bare", lambda x: L.BatchNormalization(scale=False, center=False)(x), (6, 5, 3)),
    row("BatchNormalization renorm", lambda x: L.BatchNormalization(renorm=True)(x), (6, 5, 3)),
    row("BatchNormalization frozen", lambda x: L.BatchNormalization(trainable=False)(x), (6, 5, 3), quick=True),
    row("LayerNormalization", lambda x: L.LayerNormalization()(x), (4, 3), quick=True),
    row("LayerNormalization axes", lambda x: L.LayerNormalization(axis=(1, 2))(x), (4, 3)),
    row("LayerNormalization first axis", lambda x: L.LayerNormalization(axis=1)(x), (4, 3)),
    row("LayerNormalization bare", lambda x: L.LayerNormalization(scale=False, center=False)(x), (4, 3)),
    row("GroupNormalization", lambda x: L.GroupNormalization(groups=2)(x), (5, 6, 4), quick=True),
    row("GroupNormalization instance", lambda x: L.GroupNormalization(groups=-1)(x), (5, 6, 4)),
    row("GroupNormalization one", lambda x: L.GroupNormalization(groups=1, scale=False, center=False)(x), (5, 6, 4)),
    row("GroupNormalization axis", lambda x: L.GroupNormalization(groups=2, axis=1)(x), (4, 5, 6)),
    row("RMSNormalization", lambda x: L.RMSNormalization()(x), (4, 3), quick=True),
    row("RMSNormalization axis", lambda x: L.RMSNormalization(axis=1)(x), (4, 3)),
    row("UnitNormalization", lambda x: L.UnitNormalization()(x), (4, 3), quick=True),
    row("UnitNormalization axes", lambda x: L.UnitNormalization(axis=(1, 2))(x), (4, 3)),
    row(
        "SpectralNormalization Dense",
        lambda x: L.SpectralNormalization(L.Dense(5))(x),
        (3,),
        macs=N * 3 * 5,
        quick=True,
    ),
    row(
        "SpectralNormalization Conv2D",
        lambda x: L.SpectralNormalization(L.Conv2D(4, 3), power_iterations=2)(x),
        (8, 7, 3),
        macs=N * 6 * 5 * 9 * 3 * 4,
    ),
]

ROWS = MERGING + RESHAPING + POOLING + NORMALIZATION
