"""One-line constructors of calls: what onnx itself infers for one node, without any of graphcost's pipeline."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from graphcost.call import NO_SCHEMA, Call, Stage
from graphcost.load import protos, schema
from graphcost.rules import registry
from graphcost.types import UNKNOWN, DType, TensorType


def ts(*shape: int, dtype: DType = DType.FLOAT32) -> TensorType:
    """Return a tensor type: ts(1, 3, 224, 224)."""
    return TensorType(dtype, shape)


def make_call(op_type, *inputs, outputs=1, opset=22, domain="", **attributes) -> Call:
    """Return a call of an operator. An input is a TensorType, an array whose elements are known, or None.

    The outputs' types are onnx's own; of an operator that onnx does not know, those of its type rule.
    `outputs` says how many there are, or which: "Y - saved" leaves out the second.
    """
    names = ["" if one is None else f"x{i}" for i, one in enumerate(inputs)]
    places = (
        [f"y{i}" for i in range(outputs)]
        if isinstance(outputs, int)
        else ["" if one == "-" else one for one in outputs.split()]
    )
    node = helper.make_node(op_type, names, places, domain=domain, **attributes)
    call = Call(
        op_type=op_type,
        domain=domain,
        opset=opset,
        schema=schema.find(op_type, domain, opset) or registry.signature_of(op_type, domain) or NO_SCHEMA,
        attributes={one.name: protos.attribute(one) for one in node.attribute},
        inputs=tuple(None if one is None else _tensor_type(_type_proto(one)) for one in inputs),
        outputs=tuple(UNKNOWN if name else None for name in places),
        constants=tuple(one if _is_array(one) else None for one in inputs),
        stages=tuple(Stage.PREPARATION if _is_array(one) else Stage.RUN for one in inputs),
    )
    found = _ruled(call) if registry.types_of(op_type, domain) else _inferred(node, inputs, opset)
    return replace(call, outputs=tuple(found[i] if name else None for i, name in enumerate(places)))


def _ruled(call: Call) -> list:
    found = list(registry.types_of(call.op_type, call.domain)(call))
    return found + [None] * (len(call.outputs) - len(found))


def _inferred(node, inputs, opset) -> list:
    types = {n: _type_proto(one) for n, one in zip(node.input, inputs, strict=True) if n}
    known = {n: numpy_helper.from_array(one, n) for n, one in zip(node.input, inputs, strict=True) if _is_array(one)}
    found = onnx.shape_inference.infer_node_outputs(
        onnx.defs.get_schema(node.op_type, opset, node.domain),
        node,
        types,
        known,
        opset_imports=[helper.make_opsetid(node.domain, opset)],
    )
    return [_tensor_type(found[name]) if name in found else None for name in node.output]


def terms(call: Call):
    """Return the terms that the call's rule yields."""
    entry = registry.find(call.op_type, call.domain, call.opset)
    assert entry is not None, f"no rule for {call.op_type}"
    return () if entry.terms is None else tuple(entry.terms(call))


def counts(call: Call):
    """Return what the call's rule counts, by kind of scalar work, as a Tally gives it."""
    total = Counter()
    for term in terms(call):
        total[term.arith] += term.count
    return {arith: count for arith, count in total.items() if count}


def _is_array(one) -> bool:
    return isinstance(one, np.ndarray)


def _type_proto(one) -> onnx.TypeProto:
    if _is_array(one):
        return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(one.dtype), one.shape)
    return protos.proto_of(one)


def _tensor_type(proto: onnx.TypeProto) -> TensorType:
    found = protos.type_of(proto)
    return TensorType(found.dtype, found.shape and tuple(dim if isinstance(dim, int) else None for dim in found.shape))
