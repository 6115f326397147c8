"""ONNX nodes in TensorFlow's words: what its profiler would count of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
from accuracy import profiler
from onnx import helper

RAW = tf.raw_ops


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


def nodes_of(proto):
    """Return the nodes of a graph with the shapes that its values have when onnxruntime runs it."""
    shapes, constants = ran(proto), {one.name for one in proto.graph.initializer}
    roots, of_shapes, found = set(), set(), []
    for node in proto.graph.node:
        given = {*node.input} - constants
        if node.op_type == "Shape" or (given and given <= of_shapes):
            of_shapes.update(node.output)
        if node.op_type == "Sqrt":
            roots.update(node.output)
        inputs = [shapes.get(name) for name in node.input]
        is_of_root = node.op_type == "Reciprocal" and node.input[0] in roots
        found.append(Node(node, inputs, shapes.get(node.output[0]), of_shapes >= {*node.output}, is_of_root))
    return found


def ran(proto):
    """Return the shapes of all values of a graph at batch 1, all weights and inputs 0."""
    model, options = onnx.ModelProto(), onnxruntime.SessionOptions()
    model.CopyFrom(proto)
    known = {one.name for one in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    feeds = {one.name: zeros(one) for one in session.get_inputs()}
    shapes = {one.name: tuple(one.dims) for one in model.graph.initializer}
    shapes |= {name: array.shape for name, array in feeds.items()}
    return shapes | {name: array.shape for name, array in zip(names, session.run(names, feeds), strict=True)}


def zeros(value):
    dtype = value.type.removeprefix("tensor(").removesuffix(")")
    return np.zeros([1 if dim == "batch" else dim for dim in value.shape], {"float": "float32"}.get(dtype, dtype))


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
            found[tensor.op.type] += profiler.count(tensor.op)
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
