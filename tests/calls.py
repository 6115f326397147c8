"""One-line constructors of calls: what onnx itself infers for one node, without any of graphcost's pipeline."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from onnx import helper, numpy_helper

from graphcost.call import Call, Stage
from graphcost.load import protos, schema
from graphcost.rules import registry
from graphcost.types import DType, TensorType


def ts(*shape: int, dtype: DType = DType.FLOAT32) -> TensorType:
    """Return a tensor type: ts(1, 3, 224, 224)."""
    return TensorType(dtype, shape)


def make_call(op_type, *inputs, outputs=1, opset=22, domain="", **attributes) -> Call:
    """Return a call of an operator. An input is a TensorType, an array whose elements are known, or None."""
    names = ["" if one is None else f"x{i}" for i, one in enumerate(inputs)]
    node = helper.make_node(op_type, names, [f"y{i}" for i in range(outputs)], domain=domain, **attributes)
    types = {n: _type_proto(one) for n, one in zip(names, inputs, strict=True) if n}
    known = {n: numpy_helper.from_array(one, n) for n, one in zip(names, inputs, strict=True) if _is_array(one)}
    inferred = onnx.shape_inference.infer_node_outputs(
        onnx.defs.get_schema(op_type, opset, domain), node, types, known, opset_imports=[helper.make_opsetid("", opset)]
    )
    return Call(
        op_type=op_type,
        domain=domain,
        opset=opset,
        schema=schema.names_of(op_type, domain, opset),
        attributes={one.name: protos.attribute(one) for one in node.attribute},
        inputs=tuple(None if one is None else _tensor_type(_type_proto(one)) for one in inputs),
        outputs=tuple(_tensor_type(inferred[f"y{i}"]) if f"y{i}" in inferred else None for i in range(outputs)),
        constants=tuple(one if _is_array(one) else None for one in inputs),
        stages=tuple(Stage.PREPARATION if _is_array(one) else Stage.RUN for one in inputs),
    )


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
    return helper.make_tensor_type_proto(_ELEMENT[one.dtype], one.shape)


def _tensor_type(proto: onnx.TypeProto) -> TensorType:
    dims = tuple(d.dim_value if d.HasField("dim_value") else None for d in proto.tensor_type.shape.dim)
    dtype = next(k for k, v in _ELEMENT.items() if v == proto.tensor_type.elem_type)
    return TensorType(dtype, dims if proto.tensor_type.HasField("shape") else None)


_ELEMENT = {
    DType.FLOAT32: 1, DType.UINT8: 2, DType.INT8: 3, DType.INT32: 6, DType.INT64: 7, DType.STRING: 8,
    DType.BOOL: 9, DType.FLOAT16: 10, DType.FLOAT64: 11, DType.BFLOAT16: 16,
}  # fmt: skip
