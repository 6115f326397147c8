"""Inputs of a rank that an operator can't take: the node is said to be invalid, in a sentence."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from graphcost import analyze
from graphcost.results import Status

MICROSOFT, NCHWC, NHWC = "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"
F, U8, I8, I32 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32
BLOCKS = {"block_size": 16}
LSTM = [(F, [5, 2, 3]), (I8, [1, 3, 16]), (I8, [16]), *[None] * 5, (F, [1]), (I8, [1]), (F, [1]), (I8, [1])]
TABLES = [(I32, [2]), None, (U8, [5, 4]), (U8, [5, 4]), None, (U8, [4]), (U8, [4]), None, *[(F, [])] * 2, None,
          *[(F, [])] * 2, *[(U8, [])] * 2, None, *[(U8, [])] * 2]  # fmt: skip
CASES = [
    ("MatMulBlockQuantizedFp4Weight", [(F, [2, 4]), (U8, [4]), (F, [4]), (F, [])], MICROSOFT, BLOCKS, "B of rank 2"),
    ("MatMulBlockQuantizedFp8Weight", [(F, []), (U8, [4, 4]), (F, [4])], MICROSOFT, BLOCKS, "A of rank 1 or more"),
    ("QEmbedLayerNormalization", TABLES, MICROSOFT, {}, "of rank 2"),
    ("MoE", [(F, []), (F, [1, 2]), (F, [2, 4, 4]), None, (F, [2, 4, 4])], MICROSOFT, {}, "an input of rank 1 or more"),
    ("QMoE", [(F, []), (F, [1, 2]), (U8, [2, 4, 2]), (F, [2, 4]), None, (U8, [2, 4, 2]), (F, [2, 4])], MICROSOFT, {},
     "an input of rank 1 or more"),
    ("DynamicQuantizeLSTM", LSTM, MICROSOFT, {}, "R of rank 3"),
    ("GridSample", [(F, []), (F, [])], MICROSOFT, {}, "of the same rank, 3 or more"),
    ("Upsample", [], NCHWC, {"scales": [1, 1, 2, 2]}, "the input X"),
    ("Resize", [], NHWC, {}, "the input X"),
    ("QLinearConcat", [(F, []), (U8, []), (U8, []), (F, []), (U8, [])], MICROSOFT, {"axis": 0}, "an axis from"),
]  # fmt: skip


@pytest.mark.parametrize(("op_type", "inputs", "domain", "said", "message"), CASES, ids=lambda one: str(one)[:30])
def test_a_node_of_wrong_ranks_is_invalid(op_type, inputs, domain, said, message):
    names = ["" if one is None else f"x{place}" for place, one in enumerate(inputs)]
    given = [helper.make_tensor_value_info(name, *one) for name, one in zip(names, inputs, strict=True) if one]
    node = helper.make_node(op_type, names, ["y"], domain=domain, **said)
    graph = helper.make_graph([node], "one", given, [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(domain, 1)], ir_version=10)
    (row,) = analyze(model).rows
    assert row.cost.status is Status.INVALID, row.cost.reason
    assert message in row.cost.reason
