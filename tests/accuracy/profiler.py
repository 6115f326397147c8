"""What TensorFlow's profiler counts: in a model as TensorFlow traces it, in a graph, in one operation."""

from __future__ import annotations

from collections import Counter

import tensorflow as tf
from tensorflow.python.framework import ops  # the profiler's registry has no public name


def concrete(model, shape=None):
    """Return a Keras model as TensorFlow traces it for a batch of 1; `shape` is its input's, where none was built."""
    inputs = [(shape, tf.float32)] if shape else [((1, *one.shape[1:]), one.dtype) for one in model.inputs]

    def call(*given):
        return model(list(given) if len(given) > 1 else given[0], training=False)

    specs = [tf.TensorSpec(*one) for one in inputs]
    return tf.function(call, autograph=False).get_concrete_function(*specs).graph


def total(graph):
    """Return the profiler's own total."""
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


def by_kind(graph):
    """Return what the profiler's registry says of the operations of a graph, by their kind."""
    found = Counter()
    for one in graph.get_operations():
        found[one.type] += count(one)
    return found


def count(operation):
    """Return what the registry says of an operation; 0 where it has no rule or misses a shape, as in the profiler."""
    return int(_asked(operation) or 0)


def has_rule(operation):
    """Return whether the registry knows a kind of operation."""
    return _asked(operation) is not None


def kinds():
    """Return the kinds of operations that the registry knows."""
    return {name.removesuffix(",flops") for name in ops._stats_registry.list()}  # noqa: SLF001  # nothing else lists them


def _asked(operation):
    try:
        return ops.get_stats_for_node_def(operation.graph, operation.node_def, "flops").value
    except ValueError:
        return 0


def has_functions(graph):
    """Return whether a graph calls functions, into which the profiler doesn't look."""
    return any(one.type.endswith("PartitionedCall") for one in graph.get_operations())


def at_batch_1(graph_def):
    """Return the graph of a GraphDef, with sizes that it leaves open taken as 1."""
    bound = tf.compat.v1.GraphDef()
    bound.CopyFrom(graph_def)
    for dim in (one for node in bound.node if node.op == "Placeholder" for one in node.attr["shape"].shape.dim):
        dim.size = abs(dim.size)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(bound, name="")
    return graph
