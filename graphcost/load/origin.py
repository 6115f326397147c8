"""What a graph says about the layers it was made of, in metadata: which each node comes from, and their tree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from graphcost.types import DType, Layer, TensorType, Value, Weight

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx

    from graphcost.types import Dim, Type

CALL = "graphcost.layer"
"""A node's layer by its path, `#2` behind it for the layer's second call."""
VARIABLE = "graphcost.variable"
"""Says of an input that it is a weight, and which layer owns it."""
BATCH = "batch"
"""What the free first dimension of an input is called."""
LAYERS = "graphcost.layers"
"""The model's layers, as JSON."""


def entry(entries: Iterable[onnx.StringStringEntryProto], key: str) -> str | None:
    """Return the value of a key; None where there is none."""
    return next((one.value for one in entries if one.key == key), None)


def say_layers(proto: onnx.ModelProto, layers: Iterable[Layer]) -> None:
    """Write the layers of a model into its metadata, in the place of what it says of them."""
    kept = [one for one in proto.metadata_props if one.key != LAYERS]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    records = [_record(one) for one in layers]
    proto.metadata_props.add(key=LAYERS, value=json.dumps(records))


def _record(layer: Layer) -> dict[str, Any]:
    return {
        "path": layer.path,
        "class_name": layer.class_name,
        "weights": _weights(layer),
        "outputs": _outputs(layer),
        "is_built": layer.is_built,
    }


def _weights(layer: Layer) -> list[list[Any]] | None:
    return None if layer.weights is None else [[one.name, one.elements, one.is_trainable] for one in layer.weights]


def _outputs(layer: Layer) -> list[Any]:
    return [[[one.name, *_written(one.type)] for one in call] for call in layer.outputs]


def _written(type_: Type) -> list[Any]:
    if not isinstance(type_, TensorType):
        return [None, None]
    return [type_.dtype and type_.dtype.value, type_.shape]


def layers(proto: onnx.ModelProto) -> tuple[Layer, ...]:
    """Return the layers that a model names; none where it names none, or says so in a way that can't be read."""
    text = entry(proto.metadata_props, LAYERS)
    try:
        return tuple(map(_layer, json.loads(text))) if text else ()
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()


def _layer(record: dict[str, Any]) -> Layer:
    calls = tuple(tuple(Value(name, "computed", _type(*type_)) for name, *type_ in call) for call in record["outputs"])
    return Layer(
        path=str(record["path"]),
        class_name=str(record["class_name"]),
        weights=None if record["weights"] is None else tuple(_weight(*one) for one in record["weights"]),
        outputs=calls,
        is_built=bool(record["is_built"]),
    )


def _weight(name: str, elements: int, is_trainable: bool) -> Weight:  # noqa: FBT001  # a record as it is written
    if not isinstance(elements, int) or elements < 0:
        raise ValueError(f"{elements} is no number of elements")
    return Weight(str(name), elements, bool(is_trainable))


def _type(dtype: str | None, shape: list[Dim] | None) -> TensorType:
    if shape is not None and not all(dim is None or isinstance(dim, int | str) for dim in shape):
        raise ValueError(f"{shape} is no shape")
    return TensorType(DType(dtype) if dtype else None, None if shape is None else tuple(shape))
