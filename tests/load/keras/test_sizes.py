"""Parameters that a configuration promises are never more than Keras makes, and absurd ones are refused."""

from __future__ import annotations

import json
from math import prod

import pytest

from graphcost.load.keras import config, sizes

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras and TensorFlow warn of their own insides


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


def described(keras, layer, shape):
    """Return what a file says of a layer that was called."""
    x = keras.Input(shape)
    layer(x, x) if isinstance(layer, keras.layers.MultiHeadAttention) else layer(x)
    return config.parsed(json.dumps(keras.saving.serialize_keras_object(layer)).encode(), "x")


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("Dense", {"units": 3}, (5, 7)),
        ("Embedding", {"input_dim": 9, "output_dim": 4}, (5,)),
        ("Conv1D", {"filters": 4, "kernel_size": 3}, (9, 5)),
        ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "groups": 2}, (9, 9, 6)),
        ("Conv2D", {"filters": 4, "kernel_size": 3, "data_format": "channels_first"}, (5, 9, 8)),
        ("Conv3D", {"filters": 4, "kernel_size": 2}, (9, 9, 9, 2)),
        ("Conv2DTranspose", {"filters": 4, "kernel_size": 3}, (9, 9, 5)),
        ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}, (9, 9, 5)),
        ("SeparableConv2D", {"filters": 4, "kernel_size": 3, "depth_multiplier": 2}, (9, 9, 5)),
        ("ConvLSTM2D", {"filters": 4, "kernel_size": 3}, (2, 9, 9, 5)),
        ("SimpleRNN", {"units": 3}, (5, 7)),
        ("GRU", {"units": 3}, (5, 7)),
        ("LSTM", {"units": 3}, (5, 7)),
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, (5, 7)),
        ("BatchNormalization", {}, (5, 7)),
    ],
)
def test_a_layer_has_at_least_the_weights_that_its_configuration_tells(keras, name, arguments, shape):
    layer = getattr(keras.layers, name)(**arguments)
    there = sizes.parameters_at_least(described(keras, layer, shape))
    kernels = sum(prod(one.shape) for one in layer.weights if "bias" not in one.name)
    exact = {"MultiHeadAttention": kernels // 4, "BatchNormalization": 0}
    assert there == exact.get(name, kernels)


def test_layers_inside_of_others_count_too(keras):
    inner = keras.layers.Bidirectional(keras.layers.LSTM(4))
    found = described(keras, inner, (5, 7))
    assert sizes.parameters_at_least(found) == 2 * 4 * 4 * (7 + 4)


def test_what_a_configuration_does_not_say_counts_as_one():
    assert sizes.parameters_at_least({"class_name": "Dense", "config": {"units": 5}}) == 5
    assert sizes.parameters_at_least({"class_name": "Dense", "config": None}) == 1
    assert sizes.parameters_at_least({"class_name": "Dense", "config": {"units": "five"}, "build_config": [1]}) == 1
    shape = {"input_shape": [None, None]}
    assert sizes.parameters_at_least({"class_name": "Dense", "config": {"units": 5}, "build_config": shape}) == 5


def absurd(name="Dense", build=None, **settings):
    return sizes.absurdity({"class_name": name, "config": {"name": "n"} | settings, "build_config": build})


@pytest.mark.parametrize("key", ["units", "filters", "kernel_size", "input_dim", "batch_shape", "target_shape", "n"])
def test_no_size_is_larger_than_a_model_has(key):
    largest = sizes.LARGEST_SIZE
    assert absurd("Reshape", **{key: [None, [largest]]}) is None
    assert absurd("Reshape", **{key: [None, [largest + 1]]}) == (
        f"Reshape 'n' has {key} = {largest + 1}, a size of at most {largest} is taken"
    )
    assert absurd("Reshape", **{key: 1e300})
    assert absurd("Reshape", **{key: float("inf")})


def test_sizes_that_a_layer_was_built_for_count_too():
    assert "build_config" in absurd("Reshape", build={"shapes_dict": {"query_shape": [None, 2**41]}})


def test_a_number_that_is_no_size_may_be_large():
    assert absurd(seed=2**63, shared_object_id=2**47, mask_value=1e300) is None


def test_a_layer_has_at_most_so_many_parameters():
    build = {"input_shape": [None, 10**6]}
    assert absurd(units=10**6, build=build) is None
    assert absurd(units=10**6 + 1, build=build) == (
        "Dense 'n' has at least 1000001000000 parameters, a layer of at most 1000000000000 is taken"
    )
    assert absurd("Conv1D", filters=1, kernel_size=[2**40] * 500_000)


def test_a_model_has_at_most_so_many_layers():
    half = {"class_name": "Sequential", "config": {"layers": [0] * (sizes.MOST_LAYERS // 2 - 1)}}
    model = {"class_name": "Functional", "config": {"layers": [half, half]}}
    assert sizes.absurdity(model) is None
    half["config"]["layers"].append(0)
    assert sizes.absurdity(model) == "has more than 200000 layers"
