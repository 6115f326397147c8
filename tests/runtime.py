"""What onnxruntime computes: the real type of every value of a model's main graph."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from graphcost.load import protos

FEEDS = {"sr": 16_000}
"""The inputs that can't be just any number: silero's sampling rate is 8,000 or 16,000."""


def real_types(model, dims):
    """Run a model once and return the type of each value that its nodes compute, bodies left out.

    `dims` gives the size of each free dimension, by its name or its place.
    """
    names = [name for node in model.graph.node for name in node.output if name]
    session = session_of(with_outputs(model, names))
    feeds = {
        one.name: onnxruntime.OrtValue.ortvalue_from_numpy(feed(one, shape_of(one, dims)))
        for one in session.get_inputs()
    }
    values = session.run_with_ort_values(names, feeds)
    return {name: type_of(value) for name, value in zip(names, values, strict=True)}


def with_outputs(model, names):
    """Return the model with each of these values as an output; one that is declared nowhere needs no type."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    there = {one.name for one in model.graph.output}
    result.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in there)
    return result


def session_of(model):
    """Load a model as it is, nothing fused and nothing folded; errors come as exceptions alone."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def shape_of(one, dims):
    """Return an input's shape; `dims` goes before what is declared."""
    places = [f"{one.name}[{axis}]" for axis in range(len(one.shape))]
    return [dims.get(dim, dims.get(place, dim)) for dim, place in zip(one.shape, places, strict=True)]


def feed(one, shape):
    """Return plausible elements: reals from 0 to 1; integers that are 0 or 1, a word of any vocabulary."""
    dtype = np.dtype(NUMPY.get(one.type, one.type.removeprefix("tensor(").removesuffix(")")))
    if one.name in FEEDS:
        return np.full(shape, FEEDS[one.name], dtype)
    dice = np.random.default_rng(seed=0)
    return (dice.random(shape) if dtype.kind == "f" else dice.integers(0, 2, shape)).astype(dtype)


NUMPY = {"tensor(float)": "float32", "tensor(double)": "float64"}
"""onnxruntime's names of types, where numpy has others."""


def type_of(value):
    return protos.type_of(helper.make_tensor_type_proto(value.element_type(), value.shape()))
