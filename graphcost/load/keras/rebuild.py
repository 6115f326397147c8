"""A Keras file -> the model that it describes, without its weights: variables have shapes and no elements."""

from __future__ import annotations

import copy
import json
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from keras.src.backend.tensorflow.core import Variable
from keras.src.legacy.saving import json_utils
from keras.src.legacy.saving.saving_options import keras_option_scope
from keras.src.legacy.saving.saving_utils import model_from_config
from keras.src.saving.serialization_lib import SafeModeScope
from tensorflow.python.ops.resource_variable_ops import UninitializedVariable

from graphcost.errors import SourceError
from graphcost.load.keras.saved import chosen
from graphcost.load.keras.signature import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SMALL = 4_096
"""A variable of at most so many elements gets its initial values: some layers read theirs while they are built."""


def from_config(path: Path, config: Mapping[str, Any], *, trust: bool) -> Any:
    """Return the model of a .keras or .h5 file, from its configuration alone."""
    wanted = copy.deepcopy({key: value for key, value in config.items() if key != "compile_config"})
    try:
        with _weightless():
            return _modern(wanted, trust=trust) if "module" in wanted else _legacy(wanted, trust=trust)
    except Exception as fault:
        hint = "; classes of your own are known where they are defined: give the model itself" if trust else ""
        raise SourceError(f"{path}: Keras can't build it: {first_line(_root(fault))}{hint}") from fault


def _root(fault: BaseException) -> BaseException:
    """Return the error that began it all: Keras says around it only that something did not work."""
    inner = fault.__cause__ or fault.__context__
    return fault if inner is None else _root(inner)


def _modern(config: Mapping[str, Any], *, trust: bool) -> Any:
    return keras.saving.deserialize_keras_object(config, safe_mode=not trust)


def _legacy(config: Mapping[str, Any], *, trust: bool) -> Any:
    """Return the model of a configuration as .h5 files have it."""
    with keras_option_scope(use_legacy_config=True), SafeModeScope(not trust):
        return model_from_config(json_utils.decode(json.dumps(config)))


def with_weights(path: Path, *, trust: bool) -> Any:
    """Return the model of a .keras or .h5 file as Keras loads it."""
    try:
        return keras.models.load_model(path, compile=False, safe_mode=not trust)
    except Exception as fault:
        raise SourceError(f"{path}: Keras can't load it: {first_line(fault)}") from fault


def loaded(path: Path) -> Any:
    """Return the function that a SavedModel serves, with its variables. What the SavedModel does first is done."""
    try:
        found = tf.saved_model.load(str(path))
    except Exception as fault:
        raise SourceError(f"{path}: TensorFlow can't load it: {first_line(fault)}") from fault
    signatures = dict(found.signatures)
    served = signatures[chosen(path, signatures)]
    served.loaded = found  # what a function captures lives as long as this does
    return served


@contextmanager
def _weightless() -> Iterator[None]:
    """Make variables that know their shape and have no elements, unless these are few."""
    original = Variable._initialize_with_initializer

    def shaped(self: Any, initializer: Any) -> None:
        if prod(self._shape) <= SMALL:  # `shape` asks for the value that is not there yet
            original(self, initializer)
        else:
            self._initialize(_without_elements(self._shape, self._dtype, self.name))  # as above

    Variable._initialize_with_initializer = shaped
    try:
        yield
    finally:
        Variable._initialize_with_initializer = original


def _without_elements(shape: Any, dtype: str, name: str) -> Any:
    return UninitializedVariable(shape=shape, dtype=tf.as_dtype(dtype), name=name)
