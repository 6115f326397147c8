"""A Keras model on its way through graphcost, and what onnxruntime computes with the graph that it became."""

from __future__ import annotations

from dataclasses import dataclass
from unittest import mock

import numpy as np
import onnx
import onnxruntime

from graphcost.analysis import analyze
from graphcost.load.keras import convert
from graphcost.load.origin import VARIABLE, entry


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
            node = row.cost.node
            pairs = zip(node.outputs, row.cost.call.outputs, strict=False)
            shapes |= {name: type_.shape for name, type_ in pairs if name and type_ is not None}
        return [shapes[one.name] for one in self.proto.graph.output]


def analyzed(model, batch):
    """Return a model's report at a batch size, and the graph that it was made from."""
    kept = {}

    def remembering(name):
        original = getattr(convert, name)

        def called(*arguments):
            kept[name] = original(*arguments)
            return kept[name]

        return mock.patch.object(convert, name, called)

    with remembering("renamed"), remembering("structure"):
        report = analyze(model, dims={"batch": batch})
    values = {name: one.numpy() for name, one in kept["renamed"].variables.items()}
    return Converted(report, kept["structure"], values)


def run(converted, arrays):
    """Return what onnxruntime computes, given the elements of the model's own inputs in order."""
    graph = converted.proto.graph
    own = [one.name for one in graph.input if entry(one.metadata_props, VARIABLE) is None]
    feeds = dict(zip(own, arrays, strict=True)) | converted.values
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(converted.proto.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, {one.name: feeds[one.name] for one in session.get_inputs()})
