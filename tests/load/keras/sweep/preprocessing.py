"""What prepares data, and what only changes it while training."""

# A lambda makes its layer when the row is run, under the row's policy:
# ruff: noqa: PLW0108

from __future__ import annotations

import keras
import numpy as np

from sweep.core import Passing
from sweep.rows import Given, N, pixels, row, words

L = keras.layers
IMAGE = pixels(8, 6, 3)
WORD = Given((4,), "string")

REGULARIZATION = [
    row("Dropout", lambda x: L.Dropout(0.5)(x), (4, 3), quick=True),
    row("Dropout noise shape", lambda x: L.Dropout(0.5, noise_shape=(None, 1, 3))(x), (4, 3)),
    row("AlphaDropout", lambda x: L.AlphaDropout(0.5)(x), (4, 3)),
    row("GaussianDropout", lambda x: L.GaussianDropout(0.5)(x), (4, 3)),
    row("GaussianNoise", lambda x: L.GaussianNoise(0.5)(x), (4, 3)),
    row("SpatialDropout1D", lambda x: L.SpatialDropout1D(0.5)(x), (4, 3)),
    row("SpatialDropout2D", lambda x: L.SpatialDropout2D(0.5)(x), (4, 5, 3)),
    row("SpatialDropout3D", lambda x: L.SpatialDropout3D(0.5)(x), (4, 5, 2, 3)),
    row("ActivityRegularization", lambda x: L.ActivityRegularization(l1=0.1, l2=0.1)(x), (4, 3)),
]


def adapted(layer, data):
    layer.adapt(data)
    return layer


NUMBERS = [
    row(
        "Normalization",
        lambda x: L.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0])(x),
        (4, 3),
        quick=True,
    ),
    row("Normalization inverted", lambda x: L.Normalization(mean=1.0, variance=4.0, invert=True, axis=None)(x), (4, 3)),
    row("Normalization no axis", lambda x: L.Normalization(mean=1.0, variance=4.0, axis=None)(x), (4, 3)),
    row(
        "Normalization adapted",
        lambda x: adapted(L.Normalization(), np.arange(24, dtype="float32").reshape(2, 4, 3))(x),
        (4, 3),
        quick=True,
    ),
    row(
        "Normalization adapted axes",
        lambda x: adapted(L.Normalization(axis=(1, 2)), np.arange(24, dtype="float32").reshape(2, 4, 3))(x),
        (4, 3),
    ),
    row("Rescaling", lambda x: L.Rescaling(1 / 255, offset=-0.5)(x), pixels(4, 3), quick=True),
    row("Rescaling per channel", lambda x: L.Rescaling([0.1, 0.2, 0.3], offset=[1.0, 2.0, 3.0])(x), pixels(4, 3)),
    *(
        row(
            f"Discretization {mode}",
            lambda x, mode=mode: L.Discretization(bin_boundaries=[-0.5, 0.0, 0.5], output_mode=mode)(x),
            shape,
            unpriced="Bucketize",  # a search among boundaries
            quick=mode == "int",
        )
        for mode, shape in (("int", (4,)), ("one_hot", (1,)), ("multi_hot", (4,)), ("count", (4,)))
    ),
    *(
        row(
            f"CategoryEncoding {mode}",
            lambda x, mode=mode: L.CategoryEncoding(num_tokens=7, output_mode=mode)(x),
            words(*shape, below=7),
            quick=mode == "multi_hot",
        )
        for mode, shape in (("multi_hot", (4,)), ("one_hot", (1,)), ("count", (4,)))
    ),
    row(
        "CategoryEncoding weighted",
        lambda x, w: L.CategoryEncoding(num_tokens=7, output_mode="count")(x, count_weights=w),
        words(4, below=7),
        (4,),
    ),
    # ONNX has no hash functions
    row(
        "Hashing", lambda x: L.Hashing(num_bins=5)(x), words(4, below=99), unpriced="StringToHashBucketFast", quick=True
    ),
    row(
        "Hashing salt",
        lambda x: L.Hashing(num_bins=5, salt=133)(x),
        words(4, below=99),
        unpriced="StringToHashBucketStrong",
    ),
    row("Hashing words", lambda x: L.Hashing(num_bins=5)(x), WORD, unpriced="StringToHashBucketFast"),
    row(
        "HashedCrossing",
        lambda x, y: L.HashedCrossing(num_bins=5)((x, y)),
        words(1, below=9),
        words(1, below=9),
        unpriced="SparseCross",
    ),
    row("IntegerLookup", lambda x: L.IntegerLookup(vocabulary=[3, 5, 7])(x), Given((4,), "int64", 0, 9), quick=True),
    row(
        "IntegerLookup multi hot",
        lambda x: L.IntegerLookup(vocabulary=[3, 5, 7], output_mode="multi_hot")(x),
        Given((4,), "int64", 0, 9),
    ),
    row("StringLookup", lambda x: L.StringLookup(vocabulary=["a", "b", "c"])(x), WORD, quick=True),
    row("StringLookup count", lambda x: L.StringLookup(vocabulary=["a", "b", "c"], output_mode="count")(x), WORD),
    row(
        "StringLookup then Embedding, Dense",
        lambda x: L.Dense(5)(L.Embedding(4, 3)(L.StringLookup(vocabulary=["a", "b", "c"])(x))),
        WORD,
        macs=N * 4 * 3 * 5,
    ),
    row(
        "TextVectorization",
        lambda x: L.TextVectorization(vocabulary=["a", "b", "c"], output_sequence_length=4)(x),
        Given((), "string"),
        unpriced="StringRegexReplace StringSplit StringEqual",  # ONNX has none of them at this opset
    ),
]

SOUND = [
    *(
        row(
            f"STFTSpectrogram {mode}",
            lambda x, mode=mode: L.STFTSpectrogram(
                mode=mode, frame_length=16, frame_step=8, fft_length=16, window=None
            )(x),
            (64, 1),
            macs=N * products * 7 * 16 * 9,
            quick=mode == "log",
        )
        for mode, products in (
            ("log", 2),
            ("magnitude", 2),
            ("psd", 2),
            ("real", 1),
            ("imag", 1),
            ("angle", 2),
            ("stft", 2),
        )
    ),
    row(
        "STFTSpectrogram two channels, same",
        lambda x: L.STFTSpectrogram(
            mode="magnitude", frame_length=16, frame_step=8, fft_length=16, window=None, padding="same"
        )(x),
        (64, 2),
        macs=N * 2 * 2 * 8 * 16 * 9,
    ),
    row(
        "MelSpectrogram",
        lambda x: L.MelSpectrogram(fft_length=16, sequence_stride=8, num_mel_bins=5, sampling_rate=100, min_freq=1)(x),
        (64,),
        macs=N * 9 * 9 * 5,
    ),
]


IMAGES = [
    *(
        row(
            f"Resizing {mode}",
            lambda x, mode=mode: L.Resizing(4, 9, interpolation=mode)(x),
            IMAGE,
            unpriced={"area": "ResizeArea"}.get(mode, "ScaleAndTranslate" * mode.startswith("lanczos")),
            quick=mode in ("bilinear", "area"),
        )
        for mode in ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5")
    ),
    row("Resizing antialias", lambda x: L.Resizing(4, 3, antialias=True)(x), IMAGE),
    row("Resizing bicubic antialias", lambda x: L.Resizing(4, 3, interpolation="bicubic", antialias=True)(x), IMAGE),
    row("Resizing to a size that scales round away", lambda x: L.Resizing(31, 13)(x), pixels(7, 11, 3)),
    row("Resizing crop", lambda x: L.Resizing(4, 4, crop_to_aspect_ratio=True)(x), IMAGE),
    row("Resizing pad", lambda x: L.Resizing(4, 4, pad_to_aspect_ratio=True)(x), IMAGE),
    row("Resizing channels first", lambda x: L.Resizing(4, 9, data_format="channels_first")(x), pixels(3, 8, 6)),
    row("CenterCrop", lambda x: L.CenterCrop(4, 5)(x), IMAGE, quick=True),
    row("CenterCrop larger", lambda x: L.CenterCrop(10, 12)(x), IMAGE),
    # Keras can't make a functional model of the layer itself
    row("Equalization", lambda x: Passing(L.Equalization())(x), IMAGE),
    row(
        "ContrastLimitedAdaptiveHistogramEqualization",
        lambda x: L.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))(x),
        IMAGE,
    ),
    row("AutoContrast", lambda x: L.AutoContrast()(x), IMAGE),
    row("Solarization", lambda x: L.Solarization(addition_factor=0.1, threshold_factor=0.5)(x), IMAGE),
]

AUGMENTATION = {
    "AugMix": {},
    "CutMix": {},
    "MixUp": {},
    "RandAugment": {},
    "RandomBrightness": {"factor": 0.2},
    "RandomColorDegeneration": {"factor": 0.2},
    "RandomColorJitter": {"brightness_factor": 0.2},
    "RandomContrast": {"factor": 0.2},
    "RandomElasticTransform": {},
    "RandomErasing": {},
    "RandomFlip": {},
    "RandomGaussianBlur": {},
    "RandomGrayscale": {},
    "RandomHue": {"factor": 0.2},
    "RandomInvert": {},
    "RandomPerspective": {},
    "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.2},
    "RandomSaturation": {"factor": 0.2},
    "RandomSharpness": {"factor": 0.2},
    "RandomShear": {"x_factor": 0.2},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomZoom": {"height_factor": 0.2},
}
"""What does nothing in inference."""

RANDOM = [
    *(
        row(
            name,
            lambda x, name=name, options=options: getattr(L, name)(**options)(x),
            IMAGE,
            quick=name == "RandomFlip",
        )
        for name, options in AUGMENTATION.items()
    ),
    row("RandomCrop", lambda x: L.RandomCrop(4, 5)(x), IMAGE, quick=True),
    row("MaxNumBoundingBoxes", lambda x: L.MaxNumBoundingBoxes(3)(x), IMAGE),
    row("Pipeline", lambda x: L.Pipeline([L.RandomFlip(), L.Rescaling(0.1)])(x), IMAGE),
]

ROWS = REGULARIZATION + NUMBERS + SOUND + IMAGES + RANDOM
