"""A Keras model on its way through graphcost, and what onnxruntime computes with the graph that it became."""

from __future__ import annotations

from dataclasses import dataclass
from unittest import mock

import numpy as np
import onnx
from onnx import numpy_helper
from runtime import session_of

from graphcost.analysis import analyze
from graphcost.load.keras import convert
from graphcost.load.origin import VARIABLE, entry

WIDE = {onnx.TensorProto.BFLOAT16: onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE: onnx.TensorProto.FLOAT}
"""The types for which onnxruntime lacks many kernels, and what stands in for them."""


@dataclass(frozen=True)
class Converted:
    """What a model became."""

    report: object
    """What graphcost says of it."""
    proto: object
    """Its graph."""
    values: dict
    """By the names of the graph's inputs, the elements of the variables that they stand for."""

    def output_shapes(self):
        """Return the shapes of the graph's outputs, as graphcost knows them."""
        shapes = {}
        for row in self.report.rows:
            pairs = zip(row.cost.node.outputs, row.cost.call.outputs, strict=False)
            shapes |= {name: type_.shape for name, type_ in pairs if name and type_ is not None}
        return [shapes[one.name] for one in self.proto.graph.output]


def analyzed(model, dims):
    """Return a model's report with these dimensions, and the graph that it was made from."""
    kept = {}

    def remembering(name):
        original = getattr(convert, name)

        def called(*arguments):
            kept[name] = original(*arguments)
            return kept[name]

        return mock.patch.object(convert, name, called)

    with remembering("renamed"), remembering("structure"):
        report = analyze(model, dims=dims)
    values = {name: np.asarray(one.numpy()) for name, one in kept["renamed"].variables.items()}
    return Converted(report, kept["structure"], values)


def run(converted, arrays):
    """Return what onnxruntime computes, given the elements of the model's own inputs in order.

    Weights that no node reads are zeros.
    """
    proto = widened(converted.proto)
    own = [one.name for one in proto.graph.input if entry(one.metadata_props, VARIABLE) is None]
    known = dict(zip(own, arrays, strict=True)) | converted.values
    session = session_of(proto)
    return session.run(None, {one.name: fed(one, known.get(one.name)) for one in proto.graph.input})


def fed(declared, array):
    """Return elements in the type in which an input wants them."""
    tensor = declared.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    found = np.zeros([dim.dim_value for dim in tensor.shape.dim]) if array is None else array
    return found if found.dtype == object else found.astype(dtype)


def widened(proto):
    """Return a graph that computes in float32 what it computed in types that onnxruntime hardly knows."""
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    widen(result.graph)
    return result


def widen(graph):
    for one in (*graph.input, *graph.output, *graph.value_info):
        tensor = one.type.tensor_type
        tensor.elem_type = WIDE.get(tensor.elem_type, tensor.elem_type)
    tensors = [*graph.initializer]
    for attribute in (one for node in graph.node for one in node.attribute):
        if attribute.name == "to":
            attribute.i = WIDE.get(attribute.i, attribute.i)
        tensors += [attribute.t] if attribute.HasField("t") else []
        if attribute.HasField("g"):
            widen(attribute.g)
    for tensor in (one for one in tensors if one.data_type in WIDE):
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
