"""Hypothesis strategies for ModelProtos with payloads of every kind, and what is left of them."""

from __future__ import annotations

import math
import random

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

from graphcost.load.wire import LARGEST_KEPT as MOST

COUNTS = st.sampled_from([0, 1, 7, 600, MOST, MOST + 1, 3 * MOST])
DATA_TYPES = st.sampled_from([number for name, number in TensorProto.DataType.items() if name != "UNDEFINED"])
INTEGERS = (0, 1, 127, 128, 70_000, -1)
SEEDS = st.integers(0, 1 << 32).map(random.Random)


def without_large(message):
    """Clear the payloads of more than 4,096 elements in place, by the dims and the lengths of the lists."""
    for field, value in message.ListFields():
        for one in (value if field.is_repeated else [value]) if field.message_type else ():
            without_large(one)
    if isinstance(message, TensorProto) and math.prod(message.dims) > MOST:
        for field in message.DESCRIPTOR.fields:
            if field.name.endswith("_data") and field.name != "external_data":
                message.ClearField(field.name)
    if isinstance(message, AttributeProto):
        for name in ("floats", "ints", "strings"):
            if len(getattr(message, name)) > MOST:
                message.i = len(getattr(message, name))
                message.ClearField(name)
    return message


@st.composite
def tensors(draw, name="w"):
    data_type, count, choose = draw(DATA_TYPES), draw(COUNTS), draw(SEEDS)
    form = draw(st.sampled_from(["raw", "typed", "weightless", "external"]))
    tensor = helper.make_tensor(name, data_type, [1, count], [b"" if data_type == TensorProto.STRING else 0] * count)
    field = helper.tensor_dtype_to_field(data_type)
    entries = getattr(tensor, field)
    if form == "typed" and "int" in field:
        entries[:] = [abs(choose.choice(INTEGERS)) for _ in entries]
    elif form == "typed" and field == "string_data":
        entries[:] = [choose.randbytes(choose.choice([0, 1, 20, 127, 128])) for _ in entries]
    elif form != "typed":
        del entries[:]
    if form == "raw" and data_type != TensorProto.STRING:
        zeros = np.zeros(count, helper.tensor_dtype_to_np_dtype(data_type))
        tensor.raw_data = choose.randbytes(len(numpy_helper.from_array(zeros).raw_data))
    if form == "external":
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")
    return tensor


@st.composite
def sparse_tensors(draw):
    return onnx.SparseTensorProto(values=draw(tensors()), indices=draw(tensors()), dims=[3, 4])


@st.composite
def attributes(draw, depth):
    count, choose = draw(COUNTS), draw(SEEDS)
    kinds = ["floats", "ints", "strings", "t", "tensors", "sparse_tensor", "sparse_tensors", "s", "tp"]
    kind = draw(st.sampled_from(kinds + ["g", "graphs"] * (depth > 0)))
    values = {
        "floats": lambda: [choose.random() for _ in range(count)],
        "ints": lambda: [choose.choice(INTEGERS) for _ in range(count)],
        "strings": lambda: [choose.choice([b"BRANCH_LEQ", b"LEAF", b"", b"long" * 40]) for _ in range(count)],
        "t": lambda: draw(tensors()),
        "tensors": lambda: [draw(tensors()), draw(tensors())],
        "sparse_tensor": lambda: draw(sparse_tensors()),
        "sparse_tensors": lambda: [draw(sparse_tensors())],
        "g": lambda: draw(graphs(depth - 1)),
        "graphs": lambda: [draw(graphs(depth - 1)) for _ in range(2)],
        "s": lambda: b"s" * count,
        "tp": lambda: helper.make_tensor_type_proto(1, ["batch", 3]),
    }
    return AttributeProto(name=kind, doc_string="d" * choose.choice([0, 2000]), **{kind: values[kind]()})


@st.composite
def nodes(draw, depth):
    name = draw(st.sampled_from(["", "a node", "n" * 2000]))
    inner = draw(st.lists(attributes(depth), max_size=2))
    return onnx.NodeProto(name=name, input=["x", ""], output=["y"], op_type="Relu", attribute=inner)


@st.composite
def graphs(draw, depth=1):
    return onnx.GraphProto(
        name="g",
        node=draw(st.lists(nodes(depth), max_size=2)),
        initializer=draw(st.lists(tensors(), max_size=2)),
        sparse_initializer=draw(st.lists(sparse_tensors(), max_size=1)),
        value_info=[helper.make_tensor_value_info("v" * 2000, 1, ["batch", 3])],
    )


@st.composite
def models(draw):
    return ModelProto(
        ir_version=10,
        opset_import=[helper.make_opsetid("", 22)],
        graph=draw(graphs()),
        functions=[onnx.FunctionProto(name="f", node=[one]) for one in draw(st.lists(nodes(0), max_size=1))],
        training_info=[onnx.TrainingInfoProto(algorithm=one) for one in draw(st.lists(graphs(0), max_size=1))],
    )
