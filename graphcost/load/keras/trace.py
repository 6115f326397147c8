"""A Keras model, a tf.Module or a function -> a TensorFlow graph, and which part of it each layer call made."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from keras.src.ops.operation import Operation

from graphcost.errors import SourceError
from graphcost.load.keras import recurrent
from graphcost.load.keras.signature import first_line, name_of, signature
from graphcost.load.origin import BATCH
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.load.keras.signature import Shapes


@dataclass(frozen=True, slots=True, eq=False)
class LayerCall:
    """One call of a layer while the model was traced."""

    layer: Any
    """The layer."""
    scope: str
    """The name scope that TensorFlow opened for it: nodes of the call have names that begin with it."""
    caller: LayerCall | None
    """The call of another layer that it is part of."""
    outputs: list[TensorType] = field(default_factory=list)
    """The types of what it returned."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What a source does, as TensorFlow sees it."""

    source: Any
    """What was traced."""
    function: Any
    """The concrete function: variables are captured, batches are symbolic."""
    names: tuple[str, ...]
    """What the inputs are called."""
    outputs: tuple[str, ...]
    """What the outputs are called; empty where nobody says."""
    calls: tuple[LayerCall, ...]
    """The layer calls, in the order in which they began."""


def trace(source: Any, shapes: Shapes) -> Trace:
    """Return the graph of a source in inference.

    `shapes` gives the inputs of a model that was not built yet. Raises UsageError where it is needed and missing,
    SourceError where the source can't be traced.
    """
    if hasattr(source, "structured_input_signature"):
        return Trace(source, source, _given(source), (), ())
    called = signature(source, shapes)
    with ExitStack() as stack:
        calls = stack.enter_context(_recording())
        stack.enter_context(recurrent.marking())
        stack.enter_context(_inline())
        try:
            function = tf.function(called.call, autograph=False).get_concrete_function(*called.specs)
        except Exception as fault:
            raise SourceError(f"{name_of(source)}: can't be traced: {first_line(fault)}") from fault
    names = tuple(spec.name for spec in called.specs)
    return Trace(source, function, names, _output_names(source, function), tuple(calls))


def _given(function: Any) -> tuple[str, ...]:
    """Return the names of what a concrete function is given, its variables left out."""
    return tuple(one.op.name for one in function.inputs[: len(function.inputs) - len(function.graph.captures)])


@contextmanager
def _recording() -> Iterator[list[LayerCall]]:
    """Record the name scope of each layer call; it is what tells nodes of `dense` from those of `dense_1`."""
    calls: list[LayerCall] = []
    open_calls: list[LayerCall] = []
    original = Operation.__call__

    def recorded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(self, keras.layers.Layer) or tf.executing_eagerly():
            return original(self, *args, **kwargs)
        scope = tf.compat.v1.get_default_graph().get_name_scope()
        call = LayerCall(self, scope, open_calls[-1] if open_calls else None)
        calls.append(call)
        open_calls.append(call)
        try:
            found = original(self, *args, **kwargs)
        finally:
            open_calls.pop()
        call.outputs.extend(_type(one) for one in tf.nest.flatten(found) if isinstance(one, tf.Tensor))
        return found

    Operation.__call__ = recorded
    try:
        yield calls
    finally:
        Operation.__call__ = original


@contextmanager
def _inline() -> Iterator[None]:
    """Keep nested functions out of the graph: a grouped convolution hides in one."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _type(tensor: Any) -> TensorType:
    """Return a tensor's type, its first dimension the batch where that is free."""
    if tensor.shape.rank is None:
        return TensorType(DType(tensor.dtype.name), None)
    dims = tensor.shape.as_list()
    return TensorType(
        DType(tensor.dtype.name), tuple(BATCH if at == 0 and one is None else one for at, one in enumerate(dims))
    )


def _output_names(source: Any, function: Any) -> tuple[str, ...]:
    found = tuple(getattr(source, "output_names", None) or ())
    return found if len(found) == len(function.outputs) == len(set(found)) else ()
