"""A Keras model, a tf.Module or a function -> a TensorFlow graph, and which part of it each layer call made."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from graphcost.errors import SourceError
from graphcost.load.keras import layers, recurrent
from graphcost.load.keras.lift import lift
from graphcost.load.keras.signature import first_line, name_of, signature
from graphcost.load.origin import BATCH
from graphcost.types import DType, TensorType, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from graphcost.load.keras.lift import Lifted
    from graphcost.load.keras.signature import Shapes


@dataclass(frozen=True, slots=True, eq=False)
class LayerCall:
    """One call of a layer while the model was traced."""

    layer: Any
    """The layer."""
    graph: Any
    """What it was traced into: the body of a loop, or a try of Keras', is another graph than the model's."""
    scope: str
    """Its name scope: what it makes has names that begin with it."""
    caller: LayerCall | None
    """The call of another layer that it is part of."""
    outputs: list[Value] = field(default_factory=list)
    """What it returned."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What a source does, as TensorFlow sees it, its variables being inputs."""

    source: Any
    """What was traced."""
    lifted: Lifted
    """The graph."""
    inputs: Mapping[str, str]
    """By the tensor that is given, what the input is called."""
    outputs: Mapping[str, str]
    """By the tensor that is asked for, what the output is called; empty where nobody says."""
    calls: tuple[LayerCall, ...] = ()
    """The layer calls, in the order in which they began."""
    returned: Mapping[str, str] = field(default_factory=dict)
    """By the tensor that stands behind an output, what that is called."""


def trace(source: Any, shapes: Shapes) -> Trace:
    """Return the graph of a source in inference.

    `shapes` gives the inputs of a model that was not built yet. Raises UsageError where it is needed and missing,
    SourceError where the source can't be traced.
    """
    called = signature(source, shapes)
    with ExitStack() as stack:
        calls = stack.enter_context(_recording(source))
        stack.enter_context(recurrent.marking())
        stack.enter_context(_inline())
        try:
            function = tf.function(called.call, autograph=False).get_concrete_function(*called.specs)
        except Exception as fault:
            raise SourceError(f"{name_of(source)}: can't be traced: {first_line(fault)}") from fault
    given = [one.name for one in function.inputs][: len(called.specs)]
    inputs = dict(zip(given, (spec.name for spec in called.specs), strict=True))
    names = _output_names(source, function) or [""] * len(function.outputs)
    outputs = dict(zip((one.name for one in function.outputs), names, strict=True))
    its_own = tuple(one for one in calls if one.graph is function.graph)
    returned = {one.op.inputs[0].name: outputs[one.name] for one in function.outputs if one.op.type == "Identity"}
    return Trace(source, lift(function), inputs, outputs, its_own, returned)


@contextmanager
def _recording(source: Any) -> Iterator[list[LayerCall]]:
    """Let each layer call of a trace run in a name scope of its own, and record it.

    Keras' own scope does not do: it opens when inputs have been cast, closes before a mask is made, and wrappers that
    run the `call` of their layer open none. It is left out, else names would hold each layer twice.
    """
    recorder = _Recorder()
    kind = keras.layers.Layer
    plain_call, plain_scope = kind.__call__, kind._open_name_scope

    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        return recorder.run(self, partial(plain_call, self), *args, **kwargs)

    def scope(self: Any) -> Any:
        found = plain_scope(self)
        found._tf_name_scope = nullcontext()
        return found

    inner = [one for one in layers.tree(source).layers if isinstance(one, kind)]
    own = {id(layer): vars(layer)["call"] for layer in inner if "call" in vars(layer)}
    try:
        kind.__call__, kind._open_name_scope = called, scope
        for layer in inner:
            vars(layer)["call"] = recorder.listening(layer)
        yield recorder.calls
    finally:
        kind.__call__, kind._open_name_scope = plain_call, plain_scope
        for layer in inner:
            vars(layer).pop("call", None)
            vars(layer).update({"call": own[id(layer)]} if id(layer) in own else {})


class _Recorder:
    """Records layer calls."""

    def __init__(self) -> None:
        self.calls: list[LayerCall] = []
        self.running: list[LayerCall] = []

    def run(self, layer: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Return what a function of a layer returns, run in a name scope of its own."""
        if tf.executing_eagerly():
            return function(*args, **kwargs)
        with tf.name_scope(layer.name):
            graph = tf.compat.v1.get_default_graph()
            call = LayerCall(layer, graph, graph.get_name_scope(), self.running[-1] if self.running else None)
            self.calls.append(call)
            self.running.append(call)
            try:
                found = function(*args, **kwargs)
            finally:
                self.running.pop()
        keeps_batch = type(layer).__module__.startswith("keras.")
        tensors = (one for one in tf.nest.flatten(found) if isinstance(one, tf.Tensor))
        call.outputs.extend(Value(one.name, "computed", _type(one, keeps_batch=keeps_batch)) for one in tensors)
        return found

    def listening(self, layer: Any) -> Callable[..., Any]:
        """Return the `call` of a layer, recorded where somebody else runs it than the layer itself."""
        plain = layer.call

        @wraps(plain)
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.running and self.running[-1].layer is layer:
                return plain(*args, **kwargs)
            return self.run(layer, plain, *args, **kwargs)

        return call


@contextmanager
def _inline() -> Iterator[None]:
    """Keep nested functions out of the graph: a grouped convolution hides in one."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _type(tensor: Any, *, keeps_batch: bool) -> TensorType:
    """Return a tensor's type; its first dimension, where it is free, is the batch, if the layer keeps that there."""
    if tensor.shape.rank is None:
        return TensorType(DType(tensor.dtype.name), None)
    dims = tensor.shape.as_list()
    if dims[:1] == [None] and keeps_batch:
        dims[0] = BATCH
    return TensorType(DType(tensor.dtype.name), tuple(dims))


def _output_names(source: Any, function: Any) -> tuple[str, ...]:
    found = tuple(getattr(source, "output_names", None) or ())
    return found if len(found) == len(function.outputs) == len(set(found)) else ()
