"""What counts as a parameter: elements that fill a weight's place, each once."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from build import model
from onnx import TensorProto, helper, numpy_helper

from graphcost.analysis import analyze

CASES = {
    "a weight and a bias": ("float[1,4] x => float[M] y <float[4,3] w, float[3] b>", ["y = Gemm(x, w, b)"], 15),
    "a shared weight once": (
        "float[1,4] x => float[M] y <float[4,4] w>",
        ["a = MatMul(x, w)", "y = MatMul(a, w)"],
        16,
    ),
    "reached through preparation": (
        "float[1,4] x => float[M] y <float[3,4] w>",
        ["t = Transpose(w)", "y = MatMul(x, t)"],
        12,
    ),
    "no scalar": ("float[1,4] x => float[M] y <float s>", ["y = Mul(x, s)"], 0),
    "no bound of Clip": ("float[1,4] x => float[M] y <float[1] lo>", ["y = Clip(x, lo)"], 0),
    "no initial state": (
        "float[5,1,4] x => float[M] y <float[1,3,4] w, float[1,3,3] r, float[1,1,3] h>",
        ["y = RNN<hidden_size = 3>(x, w, r, , , h)"],
        21,
    ),
    "running statistics": (
        "float[1,4,2,2] x => float[M] y <float[4] s, float[4] b, float[4] m, float[4] v>",
        ["y = BatchNormalization(x, s, b, m, v)"],
        16,
    ),
    "no shape": ("float[1,4] x => float[M] y <int64[2] s = {2, 2}>", ["y = Reshape(x, s)"], 0),
    "an embedding": ("int64[7] x => float[M] y <float[10,4] w>", ["y = Gather(w, x)"], 40),
    "quantized through dequantizing": (
        "float[1,4] x => float[M] y <int8[4,3] w, float[3] s, int8[3] z>",
        ["f = DequantizeLinear<axis = 1>(w, s, z)", "y = MatMul(x, f)"],
        12,
    ),
    "in a Constant node": (
        "float[1,2] x => float[M] y",
        ["w = Constant<value = float[2,2] {1.0, 2.0, 3.0, 4.0}>()", "y = MatMul(x, w)"],
        4,
    ),
    "generated": (
        "float[1,2] x => float[M] y <int64[2] s = {2, 3}>",
        ["w = ConstantOfShape<value = float[1] {0.5}>(s)", "y = MatMul(x, w)"],
        6,
    ),
    "not what nobody reads": ("float[1,4] x => float[M] y <float[4,4] w>", ["y = Relu(x)"], 0),
}


@pytest.mark.parametrize("case", CASES)
def test_counts(case):
    signature, nodes, expected = CASES[case]
    report = analyze(model(signature, *nodes))
    assert report.total.parameters == expected
    assert sum(row.cost.parameters for row in report.rows if row.parent is None) == expected


def test_a_weight_belongs_to_its_first_consumer():
    report = analyze(model("float[1,4] x => float[M] y <float[4,4] w>", "a = MatMul(x, w)", "y = MatMul(a, w)"))
    assert [row.cost.parameters for row in report.rows] == [16, 0]


def test_a_single_element_in_an_elementwise_operator_is_named():
    report = analyze(model("float[1,4] x => float[M] y <float[1] s>", "y = Mul(x, s)"))
    assert report.total.parameters == 1
    assert [one.where for one in report.findings if one.code == "doubtful-parameter"] == ["s"]


def test_a_body_counts_once_and_its_node_carries_it():
    body = """<opset_import: ["" : 22], domain: "f"> twice (a) => (c) {
        w = Constant<value = float[2,2] {1.0, 2.0, 3.0, 4.0}>()
        b = MatMul(a, w)
        c = MatMul(b, w)
    }"""
    built = model("float[1,2] x => float[M] y", "a = f.twice(x)", "y = f.twice(a)", functions=body, domains=', "f" : 1')
    report = analyze(built)
    assert report.total.parameters == 4
    assert report.total.macs.best == 2 * 2 * 4


def _stored(array, dtype):
    return helper.make_tensor("w", dtype, array, np.zeros(np.prod(array)).tolist())


@pytest.mark.parametrize(
    ("dtype", "size"),
    [
        (TensorProto.FLOAT, 60),
        (TensorProto.FLOAT16, 30),
        (TensorProto.INT8, 15),
        (TensorProto.INT4, 8),
        (TensorProto.UINT2, 4),
    ],
)
def test_bytes_are_those_stored_and_types_below_a_byte_are_packed(dtype, size):
    weight = helper.make_tensor("w", dtype, [5, 3], [0] * 15)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])],
        "g",
        [],
        [helper.make_tensor_value_info("y", dtype, [5, 3])],
        [weight],
    )
    report = analyze(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)]))
    assert report.weights.bytes == size


def test_what_preparation_leaves_behind_is_told_apart():
    report = analyze(model("float[1,4] x => float[M] y <float[3,4] w>", "t = Transpose(w)", "y = MatMul(x, t)"))
    assert (report.weights.bytes, report.weights.prepared.best) == (48, 48)
    reshaped = model(
        "float[1,4] x => float[M] y <float[12] w, int64[2] s = {4, 3}>", "t = Reshape(w, s)", "y = MatMul(x, t)"
    )
    report = analyze(reshaped)
    assert (report.weights.stored, report.weights.prepared.best) == (
        {"float32": 48, "int64": 16},
        0,
    )  # a view copies nothing


def test_an_external_tensor_counts_by_its_dims(tmp_path):
    weight = numpy_helper.from_array(np.zeros((4, 4), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [1, 4])],
        [helper.make_tensor_value_info("y", 1, [1, 4])],
        [weight],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])
    onnx.save(built, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    report = analyze(tmp_path / "m.onnx")
    assert (report.total.parameters, report.weights.bytes, report.findings) == (16, 64, ())


def test_a_large_list_in_a_constant_node_stays_on_disk_and_counts(tmp_path):
    nodes = [
        helper.make_node("Constant", [], ["w"], value_floats=[0.5] * 5_000),
        helper.make_node("Mul", ["x", "w"], ["y"]),
    ]
    given, wanted = (helper.make_tensor_value_info(name, 1, [2, 5_000]) for name in "xy")
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [given], [wanted])), tmp_path / "m.onnx")
    report = analyze(tmp_path / "m.onnx")
    assert (report.total.parameters, report.total.value.best, report.weights.bytes) == (5_000, 10_000, 20_000)
