"""How large the layers are that a configuration asks for, as far as it says: enough to refuse what is absurd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphcost.load.keras.config import entries, settings
from graphcost.load.keras.own import words
from graphcost.load.quote import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LARGEST_SIZE = 1 << 40
MOST_PARAMETERS = 10**12
"""Parameters of one layer; the largest that have been trained hold some 10**10."""
MOST_LAYERS = 200_000

_SIZES = words("""
    batch_input_shape batch_shape batch_size cropping depth_multiplier dilation_rate dims fft_length filters groups
    head_dim height input_dim input_length input_shape key_dim kernel_size max_tokens n num_bins num_heads
    num_key_value_heads num_mel_bins num_query_heads num_tokens output_dim output_padding output_sequence_length
    output_shape padding pool_size sequence_length sequence_stride shape size strides target_shape units value_dim
    width
""")
"""The settings that are sizes."""


def absurdity(config: Mapping[str, Any]) -> str | None:
    """Return what is absurd about the sizes in a configuration, None where nothing is."""
    layers = 0
    for entry, layer in entries(config):
        inner = settings(entry)
        layers += len(inner["layers"]) if isinstance(inner.get("layers"), list) else 0
        if layers > MOST_LAYERS:
            return f"has more than {MOST_LAYERS} layers"
        problem = _absurdity(entry)
        if problem:
            return f"{entry['class_name']} {shown(layer)} {problem}"
    return None


def parameters_at_least(config: Mapping[str, Any]) -> int:
    """Return how many parameters the layers have together; what a configuration does not say counts as 1."""
    return sum(_parameters(entry) for entry, _ in entries(config))


def _absurdity(entry: Mapping[str, Any]) -> str | None:
    for key, value in _sizes(entry):
        if value > LARGEST_SIZE:
            return f"has {key} = {value}, a size of at most {LARGEST_SIZE} is taken"
    parameters = _parameters(entry)
    if parameters > MOST_PARAMETERS:
        return f"has at least {parameters} parameters, a layer of at most {MOST_PARAMETERS} is taken"
    return None


def _sizes(entry: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in settings(entry).items():
        if key in _SIZES:
            yield from ((key, number) for number in _numbers(value))
    yield from (("build_config", number) for number in _numbers(entry.get("build_config")))


def _numbers(value: object) -> Iterator[float]:
    """Yield the numbers in lists inside of lists."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, int | float):
            yield one
        elif isinstance(one, list | dict):
            left.extend(one.values() if isinstance(one, dict) else one)


def _parameters(entry: Mapping[str, Any]) -> int:
    rule = _PARAMETERS.get(entry["class_name"])
    return rule(_Layer(entry)) if rule else 0


class _Layer:
    """The sizes of one layer: the product of what each setting holds, 1 where it is not known."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.settings = settings(entry)
        self.build = entry.get("build_config")

    def __getitem__(self, setting: str) -> int:
        return _product(self.settings.get(setting))

    @property
    def channels(self) -> int:
        """The input's channels."""
        shape = self._input_shape()
        axis = 1 if self.settings.get("data_format") == "channels_first" else -1
        return _product(shape[axis]) if len(shape) > 1 else 1

    def _input_shape(self) -> list[Any]:
        found = self.build if isinstance(self.build, dict) else {}
        shapes = found.get("shapes_dict")
        shape = found.get("input_shape") or (next(iter(shapes.values()), None) if isinstance(shapes, dict) else None)
        return shape if isinstance(shape, list) else []


def _product(value: object) -> int:
    """Return the product of the whole numbers in it, or of as many as are absurd already."""
    product = 1
    for number in _numbers(value):
        if isinstance(number, int) and number > 0 and product <= MOST_PARAMETERS:
            product *= number
    return product


def _dense(layer: _Layer) -> int:
    return layer.channels * layer["units"]


def _embedding(layer: _Layer) -> int:
    return layer["input_dim"] * layer["output_dim"]


def _conv(layer: _Layer) -> int:
    return layer["kernel_size"] * layer.channels * layer["filters"] // layer["groups"]


def _depthwise(layer: _Layer) -> int:
    return layer["kernel_size"] * layer.channels * layer["depth_multiplier"]


def _separable(layer: _Layer) -> int:
    return (layer["kernel_size"] + layer["filters"]) * layer.channels * layer["depth_multiplier"]


def _recurrent(gates: int) -> Callable[[_Layer], int]:
    return lambda layer: gates * layer["units"] * (layer.channels + layer["units"])


def _conv_lstm(layer: _Layer) -> int:
    return 4 * layer["kernel_size"] * layer["filters"] * (layer.channels + layer["filters"])


def _attention(layer: _Layer) -> int:
    """Of its projections the query's, whose shape is sure."""
    return layer.channels * layer["num_heads"] * layer["key_dim"]


_PARAMETERS: dict[str, Callable[[_Layer], int]] = {
    "Dense": _dense,
    "Embedding": _embedding,
    "ReversibleEmbedding": _embedding,
    "MultiHeadAttention": _attention,
    **{f"Conv{rank}D": _conv for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": _conv for rank in (1, 2, 3)},
    **{f"ConvLSTM{rank}D": _conv_lstm for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": _depthwise for rank in (1, 2)},
    **{f"SeparableConv{rank}D": _separable for rank in (1, 2)},
    **{
        name + cell: _recurrent(gates)
        for name, gates in (("SimpleRNN", 1), ("GRU", 3), ("LSTM", 4))
        for cell in ("", "Cell")
    },
}
"""How many parameters a layer has at least: biases are left out."""
