"""What TensorFlow's profiler counts of a Keras model, what graphcost counts, and what the conversion rewrote.

TensorFlow's own registry prices both graphs: the one that TensorFlow traced, and the ONNX graph, each node of which is
put in TensorFlow's words with the shapes that onnx infers. Nodes of both are related by name; an operation that is gone
went where its readers are. One operation that became one of the same kind is unchanged, whatever it counts; all else is
a rewrite, and its price on both sides follows from the two graphs. graphcost's own prices have no part in that. They
are right if TensorFlow's count less graphcost's is what the rewrites make it, kind by kind.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from unittest import mock

import onnx
import tensorflow as tf
from onnx import helper
from tensorflow.python.framework import ops  # its registry has no public name

from graphcost.analysis import analyze
from graphcost.load.keras import convert

RAW = tf.raw_ops


@dataclass
class Region:
    """Operations of TensorFlow's, and the ONNX nodes that do their work."""

    kinds: list = field(default_factory=list)
    "the kinds of those operations that TensorFlow counts"
    theirs: Counter = field(default_factory=Counter)
    "what it counts, by kind"
    nodes: list = field(default_factory=list)
    "the operators of the ONNX nodes that compute something"
    worded: Counter = field(default_factory=Counter)
    "what TensorFlow would count of them, by kind"

    @property
    def is_rewritten(self):
        """Whether it is more than one operation that became one of the same kind, and counts at all."""
        is_same = len(self.nodes) == len(self.kinds) == 1 and self.kinds == list(self.worded)
        return bool(self.kinds or self.worded) and not is_same


@dataclass(frozen=True)
class Compared:
    """A model on both sides."""

    profiled: int
    "TensorFlow's total_float_ops"
    total: int
    "graphcost's total"
    theirs: Counter
    "TensorFlow's count, by kind of operation"
    ours: Counter
    "graphcost's, by the kinds that ONNX's operators are for TensorFlow"
    rewrites: dict
    "the regions that the conversion rewrote, by what it made of what"

    @property
    def difference(self):
        """TensorFlow's count less graphcost's, by kind."""
        return less(self.theirs, self.ours)

    @property
    def explained(self):
        """What the rewritten operations count less what the nodes do that replaced them, by kind."""
        regions = [one for listed in self.rewrites.values() for one in listed]
        return less(summed(one.theirs for one in regions), summed(one.worded for one in regions))


def compared(model, **options):
    """Return what both count of a built Keras model at batch 1; `options` are those of graphcost.analyze."""
    function = concrete(model)
    operations = function.graph.get_operations()
    report, proto = analyzed(model, **options)
    worded = {node.outputs: in_words(node) for node in with_shapes(proto)}
    computing = {row.cost.node.outputs for row in report.rows if row.cost.terms}
    regions = paired(operations, proto.graph, worded, computing)
    rewrites = defaultdict(list)
    for one in regions:
        if one.is_rewritten:
            rewrites[" + ".join(sorted(one.kinds)), " + ".join(one.nodes)].append(one)
    return Compared(
        profiled(function),
        report.total.value.best,
        summed(Counter({one.type: registered(one)}) for one in operations),
        summed(attributed(row, worded[row.cost.node.outputs]) for row in report.rows if row.parent is None),
        dict(rewrites),
    )


def summed(counters):
    found = Counter()
    for one in counters:
        found.update(one)
    return found


def less(one, other):
    found = {kind: one[kind] - other[kind] for kind in one | other}
    return {kind: count for kind, count in found.items() if count}


# What TensorFlow counts


def concrete(model):
    """Return a Keras model as TensorFlow traces it for a batch of 1."""
    specs = [tf.TensorSpec((1, *one.shape[1:]), one.dtype, name=one.name) for one in model.inputs]

    def call(*given):
        return model(list(given) if len(given) > 1 else given[0], training=False)

    return tf.function(call, autograph=False).get_concrete_function(*specs)


def profiled(function):
    """Return the total that TensorFlow's profiler gives."""
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    return tf.compat.v1.profiler.profile(function.graph, options=options).total_float_ops


def registered(operation):
    """Return what the profiler's registry says of an operation; 0 where it has no rule or misses a shape."""
    try:
        return int(ops.get_stats_for_node_def(operation.graph, operation.node_def, "flops").value or 0)
    except ValueError:
        return 0


# What graphcost counts


def analyzed(model, **options):
    """Return graphcost's report, and the ONNX graph that it made on the way."""
    kept, structure = [], convert.structure

    def keeping(*given):
        kept.append(structure(*given))
        return kept[0]

    with mock.patch.object(convert, "structure", keeping):
        report = analyze(model, convention="tf-profiler", dims={"batch": 1}, **options)
    return report, kept[0]


def attributed(row, words):
    """Return graphcost's count of a node by kind; by its operator, where TensorFlow's words count otherwise."""
    is_left_out = row.value is None or row.cost.status.name == "SHAPE"
    counted = 0 if is_left_out else row.value.best
    return words if words.total() == counted else Counter({f"ONNX {row.cost.node.op_type}": counted})


# The ONNX graph in TensorFlow's words


@dataclass(frozen=True)
class Node:
    """A node of the ONNX graph with its shapes."""

    proto: onnx.NodeProto
    inputs: list
    "shapes"
    output: tuple
    "shape"
    is_of_shapes: bool
    "whether it follows from shapes alone"
    is_of_root: bool
    "whether it reads a square root"

    @property
    def outputs(self):
        return tuple(self.proto.output)

    def attribute(self, name, default=None):
        return next((helper.get_attribute_value(one) for one in self.proto.attribute if one.name == name), default)


def with_shapes(model):
    """Return the nodes of a model with what onnx infers of them at batch 1."""
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    for dim in (one for value in bound.graph.input for one in value.type.tensor_type.shape.dim):
        if dim.dim_param == "batch":
            dim.dim_value = 1
    graph = onnx.shape_inference.infer_shapes(bound, strict_mode=True, data_prop=True).graph
    shapes = {one.name: tuple(one.dims) for one in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        shapes[value.name] = tuple(one.dim_value if one.HasField("dim_value") else None for one in dims)
    writers = {name: node for node in graph.node for name in node.output}
    of_shapes, constants = set(), {one.name for one in graph.initializer}
    for node in graph.node:
        if node.op_type in ("Shape", "Size") or (of_shapes & {*node.input} and {*node.input} <= of_shapes | constants):
            of_shapes.update(node.output)
    return [
        Node(
            node,
            [shapes.get(name) for name in node.input],
            shapes.get(node.output[0]),
            node.output[0] in of_shapes,
            node.op_type == "Reciprocal" and node.input[0] in writers and writers[node.input[0]].op_type == "Sqrt",
        )
        for node in graph.node
    ]


def in_words(node):
    """Return what TensorFlow's registry counts of an ONNX node, by kind: nothing, where TensorFlow has no rule for it.

    The convention's two choices are here: what follows from shapes alone is no work of a run, and a Reciprocal of a
    square root is an Rsqrt.
    """
    if node.is_of_shapes:
        return Counter()
    said = unary(RAW.Rsqrt) if node.is_of_root else WORDS.get(node.proto.op_type, lambda _: ())
    found = Counter()
    with tf.Graph().as_default():
        for tensor, shape in said(node):
            tensor.set_shape(shape)
            found[tensor.op.type] += registered(tensor.op)
    return found


def given(shape, dtype=tf.float32):
    return tf.compat.v1.placeholder(dtype, shape)


def binary(operation):
    """Once per input after the first: ONNX's Max and Sum take any number."""
    return lambda node: [(operation(x=given(node.inputs[0]), y=given(y)), node.output) for y in node.inputs[1:]]


def unary(operation, name="x"):
    return lambda node: [(operation(**{name: given(node.inputs[0])}), node.output)]


def reduction(operation, axes="axis"):
    return lambda node: [(operation(input=given(node.inputs[0]), **{axes: given(None, tf.int32)}), node.output)]


def product(node):
    x, y = map(given, node.inputs)
    is_plain = x.shape.rank == y.shape.rank == 2
    yield RAW.MatMul(a=x, b=y) if is_plain else RAW.BatchMatMulV2(x=x, y=y), node.output


def convolution(node):
    x, w, group = node.inputs[0], node.inputs[1], node.attribute("group", 1)
    assert x[1] == w[1] * group, "channels do not fit"
    operation = {4: RAW.Conv2D, 5: RAW.Conv3D}[len(x)]
    dilations = channels_last((1, 1, *node.attribute("dilations", ())))
    y = operation(input=around(node), filter=given((*w[2:], w[1], w[0])), dilations=dilations, **moving(node))
    yield y, channels_last(node.output)
    yield from bias(node)


def transposed_convolution(node):
    w, y = node.inputs[1], channels_last(node.output)
    if len(y) == 4:
        filters = given((*w[2:], w[1], w[0]))
        x = RAW.Conv2DBackpropInput(input_sizes=y, filter=filters, out_backprop=given([None] * 4), **moving(node))
        yield x, y
    yield from bias(node)


def bias(node):
    if len(node.inputs) > 2:
        y = channels_last(node.output)
        yield RAW.BiasAdd(value=given(y), bias=given(y[-1:])), y


def pool(operation, name):
    def said(node):
        if len(node.output) == 4:
            window = [1, *node.attribute("kernel_shape"), 1]
            yield operation(**{name: around(node)}, ksize=window, **moving(node)), channels_last(node.output)

    return said


def moving(node):
    """Return the strides and the padding of a window: none where the node names it, for it is part of the input."""
    strides = channels_last((1, 1, *node.attribute("strides", ())))
    return {"strides": strides, "padding": "SAME" if is_same(node) else "VALID"}


def around(node):
    """Return the input of a window, together with the padding that the node names."""
    n, c, *spatial = node.inputs[0]
    none = [0] * 2 * len(spatial)
    pads = none if is_same(node) else node.attribute("pads", none)
    return given((n, *map(sum, zip(spatial, pads, pads[len(spatial) :], strict=False)), c))


def is_same(node):
    return node.attribute("auto_pad", b"").startswith(b"SAME")


def channels_last(shape):
    n, c, *spatial = shape
    return [n, *spatial, c]


WORDS = {
    **{name: binary(getattr(RAW, name)) for name in ("Equal", "Greater", "Less", "Mul", "Pow", "Sub")},
    "Add": binary(RAW.AddV2),
    "Div": binary(RAW.RealDiv),
    "GreaterOrEqual": binary(RAW.GreaterEqual),
    "LessOrEqual": binary(RAW.LessEqual),
    "Max": binary(RAW.Maximum),
    "Min": binary(RAW.Minimum),
    "Sum": binary(RAW.AddV2),
    **{name: unary(getattr(RAW, name)) for name in ("Log", "Neg", "Reciprocal")},
    "Softmax": unary(RAW.Softmax, "logits"),
    "GlobalAveragePool": reduction(RAW.Mean),
    "ReduceMean": reduction(RAW.Mean),
    "ReduceSum": reduction(RAW.Sum),
    "ArgMax": reduction(RAW.ArgMax, "dimension"),
    "ArgMin": reduction(RAW.ArgMin, "dimension"),
    "MatMul": product,
    "Conv": convolution,
    "ConvTranspose": transposed_convolution,
    "AveragePool": pool(RAW.AvgPool, "value"),
    "MaxPool": pool(RAW.MaxPool, "input"),
}
"""By operator of ONNX, the operations that TensorFlow has for it, each with the shape of its output."""


# Both graphs, node by node


def paired(operations, graph, worded, computing):
    """Return the regions of both graphs: each operation and each ONNX node is part of one."""
    homes = _Homes(operations, graph)
    regions = defaultdict(Region)
    for one in operations:
        count = registered(one)
        if count:
            region = regions[homes.of_operation(one)]
            region.kinds.append(one.type)
            region.theirs[one.type] += count
    for node in graph.node:
        region = regions[homes.of_node(node)]
        region.worded.update(worded[tuple(node.output)])
        if tuple(node.output) in computing:
            region.nodes.append(node.op_type)
    return list(regions.values())


class _Homes:
    """Says which region an operation or a node belongs to: that of an operation whose name an ONNX node has."""

    def __init__(self, operations, graph):
        self.operations = {one.name: one for one in operations}
        self.kept = {name for node in graph.node for name in _names(node) if name in self.operations}
        self.readers = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self.readers[name].append(node)

    def of_operation(self, operation):
        """Itself, if an ONNX node has its name or it works on constants alone; else where its readers are."""
        seen, waiting = set(), [] if _is_constant(operation) else [operation]
        for one in waiting:
            if one.name in self.kept:
                return one.name
            after = [reader for tensor in one.outputs for reader in tensor.consumers() if reader not in seen]
            seen.update(after)
            waiting += after
        return operation.name

    def of_node(self, node):
        """The operation whose name it has, be it with a number that tf2onnx added; else where its readers are."""
        for name in (*_names(node), *(_COUNTED.sub("", one) for one in _names(node))):
            if name in self.operations:
                return self.of_operation(self.operations[name])
        readers = [reader for name in node.output for reader in self.readers[name]]
        return self.of_node(readers[0]) if readers else node.output[0]


def _is_constant(operation):
    """Return whether all that an operation depends on are constants."""
    seen = [operation]
    for one in seen:
        seen += [tensor.op for tensor in one.inputs if tensor.op not in seen]
    return all(one.inputs or one.type == "Const" for one in seen)


_COUNTED = re.compile(r"__\d+$")


def _names(node):
    return node.name, *(one.partition(":")[0] for one in node.output)
