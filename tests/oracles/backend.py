"""The cases of onnx's own backend tests: models, inputs, and the outputs that they must give."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, defs, helper, numpy_helper
from onnx.backend.test import loader
from onnx.backend.test.case import node as backend

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")

MOST_DECIDING = 4_096
"""An input of more elements decides nothing."""


class Case(NamedTuple):
    """A model with its inputs, None for those that are initializers, and its outputs; lists are sequences."""

    name: str
    model: onnx.ModelProto
    inputs: list[Any]
    outputs: list[Any]


@cache
def all_cases():
    """Return all cases of all kinds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, about what the cases compute
        return [_read(case) for kind in KINDS for case in loader.load_model_tests(kind=kind)]


def _read(case):
    if case.model is not None:
        inputs, outputs = case.data_sets[0]
        return Case(case.name, case.model, [*inputs], [*outputs])
    folder = Path(case.model_dir)
    model, data = onnx.load(folder / "model.onnx"), folder / "test_data_set_0"
    inputs = [_tensor(data / f"input_{place}.pb") for place in range(len(model.graph.input))]
    return Case(
        case.name, model, inputs, [_tensor(data / f"output_{place}.pb") for place in range(len(model.graph.output))]
    )


def _tensor(path):
    return TensorProto.FromString(path.read_bytes()) if path.exists() else None


def cases(op_type):
    """Return an operator's cases: name, inputs, outputs, attributes."""
    import_module(f"{backend.__name__}.{op_type.lower()}")  # a case registers itself when it is imported
    registered = backend._NodeTestCases  # noqa: SLF001  # the public collect_testcases imports all operators' cases
    alone = [case for case in registered if len(case.model.graph.node) == 1]
    return [
        (case.name, *case.data_sets[0], _attributes(case.model.graph.node[0]))
        for case in alone
        if case.model.graph.node[0].op_type == op_type
    ]


def _attributes(node):
    found = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def shape_of(value):
    """Return the shape of a tensor; those of the entries of a list."""
    if isinstance(value, list):
        return [shape_of(one) for one in value]
    return tuple(value.dims) if isinstance(value, TensorProto) else np.shape(value)


def sizes(case):
    """Return the shapes of a case's inputs that are tensors."""
    given = zip(case.model.graph.input, case.inputs, strict=False)
    return {one.name: shape_of(value) for one, value in given if value is not None and one.type.HasField("tensor_type")}


DECIDING = {
    "AffineGrid": "size",
    "BlackmanWindow": "size",
    "CenterCropPad": "shape",
    "Col2Im": "image_shape block_shape",
    "Compress": "condition",
    "ConstantOfShape": "input",
    "CumProd": "axis",
    "CumSum": "axis",
    "DFT": "dft_length axis",
    "Dropout": "training_mode",
    "Expand": "shape",
    "HammingWindow": "size",
    "HannWindow": "size",
    "If": "cond",
    "Loop": "M cond",
    "MaxUnpool": "output_shape",
    "MelWeightMatrix": "num_mel_bins dft_length",
    "OneHot": "depth",
    "Pad": "pads axes",
    "Range": "start limit delta",
    "ReduceL1": "axes",
    "ReduceL2": "axes",
    "ReduceLogSum": "axes",
    "ReduceLogSumExp": "axes",
    "ReduceMax": "axes",
    "ReduceMean": "axes",
    "ReduceMin": "axes",
    "ReduceProd": "axes",
    "ReduceSum": "axes",
    "ReduceSumSquare": "axes",
    "Reshape": "shape",
    "Resize": "roi scales sizes",
    "STFT": "frame_step frame_length",
    "SequenceAt": "position",
    "SequenceErase": "position",
    "SequenceInsert": "position",
    "Slice": "starts ends axes steps",
    "Split": "split",
    "SplitToSequence": "split",
    "Squeeze": "axes",
    "Tile": "repeats",
    "TopK": "K",
    "Unsqueeze": "axes",
    "Upsample": "scales",
}
"""By operator, its inputs whose elements decide what shape comes out, or what work it takes: models hold them as
constants."""


def deciding(model):
    """Return the names of the values whose elements decide: those in DECIDING, and what these follow from."""
    opset = max((one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), default=1)
    sources, stack, found = {}, [], set()
    for node in _nodes(model.graph):
        given = [] if node.op_type in {"Shape", "Size"} else list(node.input)
        for body in _bodies(node):
            sources |= {one.name: given for one in body.input}
            given = [*given, *(one.name for one in body.output)]
        sources |= dict.fromkeys(node.output, given)
        if node.op_type in DECIDING and not node.domain:
            names = [one.name for one in defs.get_schema(node.op_type, opset).inputs]
            pairs = zip(names, node.input, strict=False)
            stack += [value for name, value in pairs if name in DECIDING[node.op_type].split()]
    while stack:
        name = stack.pop()
        if name and name not in found:
            found.add(name)
            stack += sources.get(name, ())
    return found


def _nodes(graph):
    """Yield the nodes of a graph and of the bodies in it."""
    for node in graph.node:
        yield node
        for body in _bodies(node):
            yield from _nodes(body)


def _bodies(node):
    return [one.g for one in node.attribute if one.type == AttributeProto.GRAPH]


def bound(case):
    """Return a case's model with its inputs as they are, and the shapes of those that are still inputs.

    An input that decides becomes an initializer, a list is gathered from its entries, an optional value is
    there or not.
    """
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    names = deciding(model)
    stored = {one.name for one in model.graph.initializer}
    given = [*case.inputs, *[None] * len(model.graph.input)]
    inputs, nodes, shapes = [], [], {}
    for declared, value in zip(case.model.graph.input, given, strict=False):
        kind = declared.type.WhichOneof("value")
        if declared.name in stored:
            inputs.append(declared)
        elif kind == "tensor_type" and declared.name in names and np.prod(shape_of(value)) <= MOST_DECIDING:
            model.graph.initializer.append(_named(value, declared.name))
        else:
            nodes += _makers(declared.name, declared.type, value, inputs)
    shapes = {one.name: _dims(one) for one in inputs if one.name not in stored}
    made = [*nodes, *case.model.graph.node]
    del model.graph.input[:], model.graph.node[:]
    model.graph.input.extend(inputs)
    model.graph.node.extend(made)
    return model, shapes


def _named(value, name):
    stored = TensorProto()
    stored.CopyFrom(value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value)))
    stored.name = name
    return stored


def _makers(name, declared, value, inputs):
    """Return the nodes that make a value of a type, and add the tensors of which they make it to the inputs."""
    match declared.WhichOneof("value"):
        case "optional_type" if value is None:
            return [helper.make_node("Optional", [], [name], type=declared.optional_type.elem_type)]
        case "optional_type":
            nodes = _makers(f"{name} there", declared.optional_type.elem_type, value, inputs)
            return [*nodes, helper.make_node("Optional", [f"{name} there"], [name])]
        case "sequence_type":
            entries = [f"{name} {place}" for place in range(len(value))]
            for entry, one in zip(entries, value, strict=True):
                _makers(entry, declared.sequence_type.elem_type, one, inputs)
            dtype = declared.sequence_type.elem_type.tensor_type.elem_type
            return [
                helper.make_node("SequenceConstruct", entries, [name])
                if entries
                else helper.make_node("SequenceEmpty", [], [name], dtype=dtype)
            ]
        case _:
            elem_type = declared.tensor_type.elem_type
            inputs.append(helper.make_tensor_value_info(name, elem_type, shape_of(value)))
            return []


def _dims(declared):
    return tuple(one.dim_value for one in declared.type.tensor_type.shape.dim)
