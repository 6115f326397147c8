"""What onnx itself says: the opsets that know an operator, and what its reference implementation computes."""

from __future__ import annotations

from functools import cache

import onnx
from onnx import defs, helper
from onnx.reference import ReferenceEvaluator

FLOAT = onnx.TensorProto.FLOAT


@cache
def opsets(op_type, first=7, last=28):
    """Return the opsets that know an operator, the deprecated ones left out."""
    return [opset for opset in range(first, last + 1) if _is_known(op_type, opset)]


def _is_known(op_type, opset):
    try:
        return not defs.get_schema(op_type, opset, "").deprecated
    except defs.SchemaError:
        return False


def computed(op_type, inputs, opset, outputs=1, **attributes):
    """Return the operator's outputs for arrays; an input that is None is left out."""
    names = ["" if one is None else f"x{i}" for i, one in enumerate(inputs)]
    results = [f"y{i}" for i in range(outputs)]
    values = {name: one for name, one in zip(names, inputs, strict=True) if name}
    graph = helper.make_graph(
        [helper.make_node(op_type, names, results, **attributes)],
        "one",
        [helper.make_empty_tensor_value_info(name) for name in values],
        [helper.make_empty_tensor_value_info(name) for name in results],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    return ReferenceEvaluator(model).run(None, values)


def computed_by_body(op_type, inputs, opset, **attributes):
    """Return the outputs of the function body that the specification gives an operator for these float inputs."""
    names = [f"x{i}" for i in range(len(inputs))]
    node = helper.make_node(op_type, names, ["y"], **attributes)
    types = [helper.make_tensor_type_proto(FLOAT, one.shape).SerializeToString() for one in inputs]
    schema = defs.get_schema(op_type, opset, "")
    body = onnx.FunctionProto.FromString(schema.get_context_dependent_function(node.SerializeToString(), types))
    feeds = dict(zip(body.input, inputs, strict=True))
    return ReferenceEvaluator(body).run(None, feeds, attributes=attributes)
