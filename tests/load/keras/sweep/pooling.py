"""Pooling: sums and comparisons of windows, and no product."""

# A lambda makes its layer when the row is run, under the row's policy:
# ruff: noqa: PLW0108

from __future__ import annotations

import keras

from sweep.rows import row

L = keras.layers

IMAGES = {1: (8, 3), 2: (8, 6, 3), 3: (6, 4, 4, 3)}


def first(shape):
    """Return a shape with its channels first."""
    return (shape[-1], *shape[:-1])


ROWS = [
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
