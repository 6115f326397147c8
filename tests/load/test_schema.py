"""Names, defaults and bodies are those of onnx.defs at the model's opset."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import defs

from graphcost.call import NO_SCHEMA, Call
from graphcost.load import schema
from graphcost.types import DType, TensorType

EVERY = {f"{one.domain}.{one.name}-{one.since_version}": one for one in defs.get_all_schemas_with_history()}


def test_names_of_every_operator_at_every_version():
    for one in EVERY.values():
        if not one.deprecated:
            found = schema.find(one.name, one.domain, one.since_version)
            assert found.since == one.since_version
            assert found.inputs == tuple(it.name for it in one.inputs)
            assert found.outputs == tuple(it.name for it in one.outputs)
            assert found.defaults.keys() <= one.attributes.keys()


@pytest.mark.parametrize(
    ("op_type", "opset", "name", "expected"),
    [
        ("Conv", 22, "group", 1),
        ("Gemm", 13, "alpha", 1.0),
        ("Softmax", 11, "axis", 1),
        ("Softmax", 13, "axis", -1),
        ("LSTM", 14, "direction", "forward"),
        ("ConstantOfShape", 9, "value", None),
        ("Conv", 22, "strides", None),
    ],
)
def test_defaults(op_type, opset, name, expected):
    assert schema.names_of(op_type, "", opset).defaults.get(name) == expected


def test_an_operator_that_nobody_knows_has_no_names():
    assert schema.find("Unheard", "", 22) is None
    assert schema.find("Relu", "nowhere", 1) is None
    assert schema.names_of("Unheard", "", 22) is NO_SCHEMA


@pytest.mark.parametrize(("op_type", "opset"), [("Gelu", 19), ("Relu", 0), ("Relu", -5)])
def test_an_operator_before_its_time_is_not_known(op_type, opset):
    assert schema.find(op_type, "", opset) is None


def test_an_opset_from_the_future_is_read_as_the_newest():
    newest = defs.onnx_opset_version()
    assert schema.newest("") == newest
    assert schema.find("Relu", "", 1 << 40) == schema.find("Relu", "", newest)


def test_optional_outputs():
    assert schema.names_of("Dropout", "", 22).optional_outputs == {1}
    assert schema.names_of("LSTM", "", 22).optional_outputs == {0, 1, 2}
    assert schema.names_of("Split", "", 22).optional_outputs == frozenset()


def call(op_type, *inputs, opset=22, domain="", **attributes):
    return Call(op_type, domain, opset, schema.names_of(op_type, domain, opset), attributes, inputs, (inputs[0],))


X = TensorType(DType.FLOAT32, (2, 3))


@pytest.mark.parametrize(
    ("op_type", "opset", "nodes"),
    [
        ("HardSwish", 22, {"HardSigmoid", "Mul"}),
        ("Gelu", 20, {"Erf"}),
        ("Clip", 13, {"Identity"}),
        ("Relu", 22, None),
    ],
)
def test_the_body_of_an_operator(op_type, opset, nodes):
    found = schema.body(call(op_type, X, opset=opset))
    has_body = schema.names_of(op_type, "", opset).has_body
    assert has_body is (found is not None)
    if nodes:
        assert nodes <= {node.op_type for node in found.node}


def test_a_body_that_depends_on_an_attribute():
    exact, rough = (schema.body(call("Gelu", X, approximate=one)) for one in ("none", "tanh"))
    assert "Erf" in {node.op_type for node in exact.node}
    assert "Tanh" in {node.op_type for node in rough.node}


def test_no_body_where_an_attribute_was_not_read():
    assert schema.body(call("Gelu", X, approximate=None)) is None
    assert schema.body(call("Gelu", X, approximate=TensorType(DType.STRING, (5000,)))) is None


def test_no_body_for_an_operator_that_takes_a_graph():
    assert schema.names_of("SequenceMap", "", 22).has_body
    assert schema.body(call("SequenceMap", X)) is None


def test_attributes_come_with_the_defaults_and_with_empty_lists():
    found = {one.name: one for one in schema.attributes(call("Conv", X, X, kernel_shape=(), pads=(1, 1)))}
    assert list(found["pads"].ints) == [1, 1]
    assert found["kernel_shape"].type == onnx.AttributeProto.INTS
    assert (found["group"].i, found["auto_pad"].s) == (1, b"NOTSET")


def test_a_tensor_attribute_is_handed_on():
    (found,) = schema.attributes(call("ConstantOfShape", X, value=np.ones(1, np.int32)))
    assert found.t.data_type == onnx.TensorProto.INT32
