"""Where an object that is no Keras model keeps its variables: `layers/1/kernel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLOSED = (str, bytes, int, float, type(None), type, tf.Tensor, keras.layers.Layer)
"""What is not looked into: it holds no variables, or says itself what they are called."""


_TRACKING = "_self_"
"""How the attributes begin in which a tf.Module keeps its books."""


def variable_paths(source: Any) -> dict[int, str]:
    """Return by a variable's id through which attributes, places in lists and keys it is reached, the first way."""
    found: dict[int, str] = {}
    seen: set[int] = set()
    left = [("", source)]
    while left:
        path, one = left.pop()
        if isinstance(one, tf.Variable):
            found.setdefault(id(one), path)
        elif id(one) not in seen and not isinstance(one, _CLOSED):
            seen.add(id(one))
            left.extend((f"{path}/{name}".lstrip("/"), inner) for name, inner in reversed(list(_parts(one))))
    return found


def _parts(one: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(one, list | tuple):
        return enumerate(one)
    if isinstance(one, dict):
        return one.items()
    is_theirs = type(one).__module__.partition(".")[0] in {"builtins", "keras", "numpy", "tensorflow"}
    held = {} if is_theirs else getattr(one, "__dict__", {})
    return ((name, inner) for name, inner in held.items() if not name.startswith(_TRACKING))
