"""A TensorFlow GraphDef -> ModelProto, by tf2onnx: with our handlers, and without its copying of the whole graph."""

from __future__ import annotations

import logging
import re
import warnings
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import onnx
import tensorflow as tf
from onnx import helper
from tf2onnx import optimizer, tf_loader, tfonnx

from graphcost.errors import SourceError
from graphcost.load.keras import handlers, recurrent
from graphcost.load.origin import BATCH

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

OPSET = 18
"""The newest that tf2onnx writes."""

PASSES = (
    "optimize_transpose",
    "fold_constants",
    "loop_optimizer",
    "global_pool_optimizer",
    "remove_identity",
    "remove_back_to_back",
)
"""The clean-ups of tf2onnx that change how nodes are connected, and merge none."""


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What to convert."""

    graph: Any
    """A GraphDef."""
    inputs: tuple[str, ...]
    """The tensors that are given."""
    outputs: tuple[str, ...]
    """The tensors that are asked for."""
    names: Mapping[str, str]
    """What inputs and outputs are called in ONNX."""


def convert(wanted: Wanted) -> onnx.ModelProto:
    """Return the ONNX model. Raises SourceError where tf2onnx gives up.

    What tf2onnx can't convert stays as it is, in the domain `tensorflow`.
    """
    graph_def = wanted.graph
    if graph_def.library.function:
        with tf.Graph().as_default():
            graph_def = tf_loader.tf_optimize(list(wanted.inputs), list(wanted.outputs), graph_def)
    with tf.Graph().as_default() as graph, handlers.bfloat16():
        tf.import_graph_def(graph_def, name="")
        try:
            proto: onnx.ModelProto = _cleaned(_converted(graph, wanted)).make_model("graphcost")
        except Exception as fault:
            raise SourceError(f"tf2onnx can't convert it: {fault}") from fault
    recurrent.leave_out_unread(proto.graph)
    _mark_unconverted(proto)
    _keep_used_imports(proto)
    functions = {one.signature.name for one in graph_def.library.function}
    for node in nodes(proto.graph):
        node.name = _plain_name(node.name, functions)
    del proto.graph.value_info[:]
    return proto


_CALLS = re.compile(r"(Stateful)?PartitionedCall(_\d+)?/")
"""What a function that was inlined leaves in names."""


def _plain_name(name: str, functions: Collection[str]) -> str:
    """Return a node's name without what it has from the functions, such as a loop's condition, that it stood in."""
    of = next((one for one in functions if name.startswith(f"{one}_")), None)
    return _CALLS.sub("", name.removeprefix(f"{of}_"))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what TensorFlow and tf2onnx log, and their warnings, from the user."""
    logger = logging.getLogger("tf2onnx")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _converted(graph: Any, wanted: Wanted) -> Any:
    return tfonnx.process_tf_graph(
        graph,
        continue_on_error=True,
        opset=OPSET,
        input_names=list(wanted.inputs),
        output_names=list(wanted.outputs),
        tensors_to_rename=dict(wanted.names),
        custom_op_handlers={**recurrent.HANDLERS, **handlers.HANDLERS},
        extra_opset=handlers.EXTRA,
    )


def _cleaned(graph: Any) -> Any:
    """Run clean-ups of tf2onnx without the copy of everything that it makes before each."""
    known = optimizer._get_optimizers()
    chosen = OrderedDict((name, known[name]) for name in PASSES)
    return optimizer.optimize_graph(graph, catch_errors=False, optimizers=chosen)


def name_dimensions(graph: onnx.GraphProto, inputs: Collection[str]) -> None:
    """Name the free dimensions of some inputs, the first one `batch`."""
    for one in graph.input:
        dims = one.type.tensor_type.shape.dim if one.name in inputs else ()
        for axis, dim in enumerate(dims):
            if dim.WhichOneof("value") != "dim_value" or dim.dim_value < 0:
                dim.dim_param = BATCH if axis == 0 else _free_axis(one.name, axis, len(dims), is_alone=len(inputs) == 1)


def _free_axis(name: str, axis: int, rank: int, *, is_alone: bool) -> str:
    """Return what a free axis of an input is called; those of several inputs need not be of one length."""
    found = _AXES.get(rank, {}).get(axis)
    return found if found and is_alone else f"{name}_{found or axis}"


_AXES = {
    2: {1: "sequence"},
    3: {1: "sequence"},
    4: {1: "height", 2: "width"},
    5: {1: "frames", 2: "height", 3: "width"},
}
"""By rank, what a free axis of channels-last data is called."""


def _mark_unconverted(proto: onnx.ModelProto) -> None:
    """Move the operators that tf2onnx left as they were to a domain of their own, where they have no price."""
    left = [node for node in nodes(proto.graph) if not node.domain and not onnx.defs.has(node.op_type)]
    for node in left:
        node.domain = "tensorflow"
    if left:
        proto.opset_import.append(helper.make_opsetid("tensorflow", 1))


def _keep_used_imports(proto: onnx.ModelProto) -> None:
    used = {"", *(node.domain for node in nodes(proto.graph))}
    kept = [one for one in proto.opset_import if one.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of all bodies in it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from nodes(attribute.g)
