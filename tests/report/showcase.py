"""Models whose reports show everything that a report can hold, and names that want to break out of them."""

from __future__ import annotations

import numpy as np
from build import model
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

ODD = model(
    "float[batch,8] x, bool cond, int64 trips => float[a,b] y, float[c,d] z <float[8,8] w>",
    "h = MatMul(x, w)",
    "f = local.block(h)",
    "g = local.block(f)",
    "u = my.domain.Mystery(g)",
    "[choose] c = If(cond) <then_branch = a () => (float[1,8] r1) { r1 = MatMul(g, w) },"
    " else_branch = b () => (float[1,8] r2) { r2 = Relu(g) }>",
    "one = Constant<value = bool {1}>()",
    "[loop] l = Loop(trips, one, c) <body = body (int64 i, bool k, float[1,8] s) => (bool k2, float[1,8] s2)"
    " { k2 = Identity(k) s2 = Mul(s, s) }>",
    "p = Add(l, u)",
    "y = Relu(p)",
    "z = MatMul(l, l)",
    functions='<domain: "local", opset_import: ["" : 22]> block (a) => (b) { s = Sigmoid(a) b = Mul(a, s) }',
    domains=', "my.domain": 1, "local": 1',
)
"""Functions, a body that two nodes share, a range, and every status that isn't known."""

RANGE = model(
    "float[1,8] x, bool cond => float[1,8] y <float[8,8] w>",
    "y = If(cond) <then_branch = a () => (float[1,8] r1) { r1 = MatMul(x, w) },"
    " else_branch = b () => (float[1,8] r2) { r2 = Relu(x) }>",
)
"""Either 64 multiply-accumulates or 8 comparisons."""

SHAPED = model(
    "float[batch,8] x => float[n,8] y <float[8,8] w, float[4,8] table>",
    "s = Shape<start = 0, end = 1>(x)",
    "positions = Gather(table, s)",
    "k = Neg(w)",
    "h = MatMul(x, k)",
    "y = Add(h, positions)",
)
"""Preparation (k), shape arithmetic (s), and parameters that belong to it (table, 32 elements)."""

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\x1b[31mred\x1b]8;;http://evil\x1b\\",
    "\x9b31m\x85next",
    "\u202eevil\u2066\u200b\ufeff",
    "nul\x00and\x7f",
    "two\nlines\r\nand\ttabs",
    "a | b || c",
    "`code` ``` fence",
    "trailing\\",
    "\\|",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(1)",
    "＝1",
    "e\u0301\u0300" + "\u0300" * 200,
    "卷积" * 50,
    "x" * 100_000,
    "**total**",
    "total",
    "… and 3 more",
    "----",
    " ",
    "nan",
    "1e5",
    "[link](javascript:alert(1))",
    "&lt;b&gt;",
)
names = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20))


def chain(*called: str, op_type: str = "Relu", domain: str = ""):
    """Return a model of one node after another, with these names, whose values are named alike."""
    values = ["x", *(f"{name}.{index}" for index, name in enumerate(called))]
    nodes = [
        helper.make_node(op_type, [one], [two], name=name, domain=domain)
        for one, two, name in zip(values, values[1:], called, strict=False)
    ]
    graph = helper.make_graph(
        nodes,
        called[0] if called else "",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info(values[-1], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros(3, np.float32), "unused " + called[0])] if called else [],
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=opsets, producer_name=called[0] if called else "")
