"""How a source is called: the names, shapes and types of what it takes."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from graphcost.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Shapes = Mapping[str, Sequence[int]]


_PAINT = re.compile(r"\x1b\[[0-9;]*m")
_WRAPPED = "Exception encountered when calling"
"""How the line begins that Keras puts before an error of a layer."""
LONGEST = 300
"""Characters of an error of someone else's that are told."""


@dataclass(frozen=True, slots=True)
class Signature:
    """How a source is called, with one tensor per input."""

    call: Callable[..., Any]
    """Takes one tensor per input."""
    specs: tuple[Any, ...]
    """Their TensorSpecs, by name."""


def signature(source: Any, shapes: Shapes) -> Signature:
    """Return how a source is called: by its own inputs, else by `shapes`, else by those that it was built with."""
    if hasattr(source, "structured_input_signature"):
        return _concrete(source)
    model = getattr(source, "_functional", None) or source
    if getattr(model, "_inputs_struct", None) is not None:
        return _functional(source, model, shapes)
    declared = _declared(source)
    given = declared or (_given(source, shapes) if shapes else _built(source)) or _given(source, shapes)
    names = list(given)

    def call(*tensors: Any) -> Any:
        if declared or len(tensors) == 1:
            return source(*tensors, **_inference(source))
        return source(**dict(zip(names, tensors, strict=True)), **_inference(source))

    return Signature(call, tuple(given.values()))


def _inference(source: Any) -> dict[str, bool]:
    """Return what tells a Keras layer that it isn't trained: some that augment data take the contrary for granted."""
    return {"training": False} if isinstance(source, keras.layers.Layer) else {}


def _concrete(function: Any) -> Signature:
    """Return how a function of a SavedModel is called: by the names of its inputs."""
    given = function.structured_input_signature[1]
    specs = tuple(tf.TensorSpec(one.shape, one.dtype, name=name) for name, one in given.items())

    def call(*tensors: Any) -> Any:
        return function(**{name: tf.convert_to_tensor(one) for name, one in zip(given, tensors, strict=True)})

    return Signature(call, specs)


def _functional(source: Any, model: Any, shapes: Shapes) -> Signature:
    """Return how a model with inputs is called; a single one may be called as `shapes` calls it."""
    inputs = keras.tree.flatten(model._inputs_struct)
    names = list(shapes) if len(inputs) == len(shapes) == 1 else [one.name for one in inputs]
    pairs = zip(inputs, names, strict=True)
    specs = tuple(tf.TensorSpec(_free_batch(one.shape), one.dtype, name=name) for one, name in pairs)

    def call(*tensors: Any) -> Any:
        return source(keras.tree.pack_sequence_as(model._inputs_struct, list(tensors)), **_inference(source))

    return Signature(call, specs)


def _declared(source: Any) -> dict[str, Any]:
    """Return the input signature that a tf.function has."""
    function = source if hasattr(source, "input_signature") else getattr(source, "__call__", None)  # noqa: B004
    declared = getattr(function, "input_signature", None) or ()
    return {one.name or f"input_{place}": one for place, one in enumerate(declared)}


def _built(source: Any) -> dict[str, Any]:
    """Return the shapes with which a subclassed Keras model was built."""
    shapes = getattr(source, "_build_shapes_dict", None) or {}
    found = {}
    for name, shape in shapes.items():
        if not _is_shape(shape):
            return {}
        short = name.removesuffix("_shape")
        found[short] = tf.TensorSpec(_free_batch(shape), _input_dtype(source), name=short)
    return found


def _given(source: Any, shapes: Shapes) -> dict[str, Any]:
    if not shapes:
        raise UsageError(
            f"{name_of(source)} was never built: say its input's shape with --shape {_parameter(source)}=..."
        )
    return {name: tf.TensorSpec(_free_batch(shape), _input_dtype(source), name=name) for name, shape in shapes.items()}


def _parameter(source: Any) -> str:
    """Return the name of the first parameter of a source's call."""
    call = source.call if hasattr(source, "call") else source
    try:
        return next(iter(inspect.signature(call).parameters), "inputs")
    except (TypeError, ValueError):
        return "inputs"


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list | tuple) and all(one is None or isinstance(one, int) for one in shape)


def _free_batch(shape: Sequence[int | None]) -> list[int | None]:
    """Return a shape whose first dimension is free: a batch of 1 changes the graph that tf2onnx makes."""
    return [None, *shape[1:]] if len(shape) else []


def _input_dtype(source: Any) -> Any:
    return getattr(source, "input_dtype", None) or tf.float32


def name_of(source: Any) -> str:
    """Return what a source is called: its name, or its class."""
    return getattr(source, "name", None) or type(source).__name__


def first_line(fault: BaseException) -> str:
    """Return the first line of what an error says, or what it is called."""
    lines = (_PAINT.sub("", line) for line in str(fault).splitlines())
    line = next((line for line in lines if line.strip() and not line.startswith(_WRAPPED)), type(fault).__name__)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"
