"""What in a configuration is Keras' own, and what would run code that somebody else wrote."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from graphcost.load.keras.config import entries, settings
from graphcost.load.quote import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


DATA = words("__bytes__ __ellipsis__ __keras_tensor__ __numpy__ __slice__ __tensor__")
"""Entries that hold data: Keras takes these names before it asks for their module."""

UNSAFE = words("FlaxLayer JaxLayer Lambda TFSMLayer TorchModuleWrapper __lambda__")
"""What is Keras' own and runs code that the file brings or names."""

ACTIVATIONS = words("""
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear
    log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus
    sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
""")
"""Functions that configurations name; the others, losses and metrics, are for training."""

CLASSES = words("""
    Functional Model Sequential Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention
    AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D
    BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate
    ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D
    Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D CutMix Dense DepthwiseConv1D
    DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Equalization Flatten GRU GRUCell
    GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention
    GroupedQueryAttention HashedCrossing Hashing Identity IndexLookup InputLayer InputSpec IntegerLookup LSTM
    LSTMCell Layer LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes MaxPooling1D MaxPooling2D MaxPooling3D
    Maximum MelSpectrogram Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute Pipeline
    RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast
    RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue
    RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear
    RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram
    SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D
    SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup Subtract TextVectorization TimeDistributed
    UnitNormalization UpSampling1D UpSampling2D UpSampling3D Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D
    Constant GlorotNormal GlorotUniform HeNormal HeUniform IdentityInitializer LecunNormal LecunUniform Ones
    Orthogonal OrthogonalInitializer RandomNormal RandomUniform STFT STFTInitializer TruncatedNormal VarianceScaling
    Zeros L1 L1L2 L2 OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg UnitNorm DTypePolicy FloatDTypePolicy Policy
    PolicyV1 QuantizedDTypePolicy SeedGenerator CompositeTensor TensorShape TypeSpec __tuple__
""")
"""Layers, initializers, regularizers, constraints, policies and data; .h5 files name them without a module."""

GONE = words("""
    CuDNNGRU CuDNNLSTM DenseFeatures LocallyConnected1D LocallyConnected2D RandomFourierFeatures RandomHeight
    RandomWidth SlicingOpLambda SyncBatchNormalization TFOpLambda TensorFlowOpLayer ThresholdedReLU
""")
"""Layers of older versions that .h5 files name and Keras 3 does not know."""

_OURS = "activations|constraints|dtype_policies|initializers|layers|models|ops|quantizers|random|regularizers"
_MODULE = re.compile(rf"keras|keras\.(src\.)?({_OURS})(\.\w+)*")
_GONE_MODULE = re.compile(r"(tf_)?keras\.(src\.)?engine\.\w+")
_ACTIVATION_MODULE = re.compile(r"builtins|keras\.(src\.)?activations(\.\w+)*")
_LAYER_OF_AN_APPLICATION = re.compile(r"keras\.src\.applications\.\w+\.(CustomScaleLayer|LayerScale|StochasticDepth)")
"""Layers that are defined beside the model that has them."""


def custom(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is not Keras' own, or would run code of its own: quoted names, each with its layer's."""
    found = dict.fromkeys((name, layer) for entry, layer in entries(config) for name in _foreign(entry))
    lambdas = {layer for name, layer in found if name == "Lambda"}
    return tuple(_quoted(name, layer) for name, layer in found if name == "Lambda" or layer not in lambdas)


def gone(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what only older versions of Keras know, as `custom` does."""
    found = (_quoted(_qualified(entry), layer) for entry, layer in entries(config) if _is_gone(entry))
    return tuple(dict.fromkeys(found))


def _quoted(name: str, layer: str) -> str:
    return f"{shown(name)} (layer {shown(layer)})" if layer else shown(name)


def _qualified(entry: Mapping[str, Any]) -> str:
    module, name = entry.get("module"), entry["class_name"]
    return f"{module}.{name}" if module and name not in UNSAFE else name


def _is_gone(entry: Mapping[str, Any]) -> bool:
    module = entry.get("module")
    return bool(_GONE_MODULE.fullmatch(module)) if isinstance(module, str) else entry["class_name"] in GONE


def _foreign(entry: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of what is foreign in one entry, without those inside it."""
    name, module, registered = entry["class_name"], str(entry.get("module") or ""), entry.get("registered_name")
    inner = entry.get("config")
    if name == "function":
        if str(inner) not in ACTIVATIONS or not _ACTIVATION_MODULE.fullmatch(module):
            yield str(inner)
    elif registered not in (None, name):
        yield str(registered)
    elif not _is_own(name, module):
        yield _qualified(entry)
    for key, value in settings(entry).items():
        if isinstance(value, str) and key.endswith("activation") and value not in ACTIVATIONS:
            yield value
        elif isinstance(value, str) and key == "vocabulary":
            yield f"file {value}"


def _is_own(name: str, module: str) -> bool:
    """Return whether Keras takes a class from its own code, whatever else the configuration says.

    Versions before 3.9 import any module that they are told, and take whatever has the name there.
    """
    if name == "__typespec__":
        return module.startswith("tensorflow.")
    if name in UNSAFE or not module:
        return name in CLASSES or name in DATA
    is_class = name[:1].isupper() and name != "Input" and _MODULE.fullmatch(module) is not None
    return is_class or name in DATA or _LAYER_OF_AN_APPLICATION.fullmatch(f"{module}.{name}") is not None
