"""What counts as a parameter: elements that fill a weight's place, each once."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from build import model
from onnx import TensorProto, helper, numpy_helper

from graphcost.analysis import analyze
from graphcost.bounds import Bounds

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


def _function(name, text):
    return f'<opset_import: ["" : 22], domain: "f"> {name} {text}'


THROUGH_BODIES = {
    # 10*64 weights and 10 biases, the weight transposed by a function of its own, as torch writes it
    "prepared by a function": (
        "float[8,64] x => float[8,10] y <float[10,64] w, float[10] b>",
        ["t = f.T(w)", "y = f.addmm(b, x, t)"],
        [_function("T", "(w) => (t) { t = Transpose(w) }"),
         _function("addmm", "(b, x, t) => (y) { m = MatMul(x, t) y = Add(m, b) }")],
        650,
    ),
    "prepared inside a function": (
        "float[8,64] x => float[8,10] y <float[64,64] w, float[10,64] v>",
        ["a = f.linear(x, w)", "y = f.linear(a, v)"],
        [_function("linear", "(x, w) => (y) { t = Transpose(w) y = MatMul(x, t) }")],
        64 * 64 + 640,
    ),
    "in a function called in two ways": (
        "float[8,2] x, float[3,2] z => float[8,2] y, float[3,2] u",
        ["y = f.g(x)", "u = f.g(z)"],
        [_function("g", "(x) => (y) { w = Constant<value = float[2,2] {1.0, 2.0, 3.0, 4.0}>() y = MatMul(x, w) }")],
        4,
    ),
    "scanned layer by layer": (
        "float[4,8] h => float[4,8] y <float[6,8,8] w>",
        ["""y = Scan(h, w) <num_scan_inputs = 1, body = g (float[4,8] a, float[8,8] v)
            => (float[4,8] c) { c = MatMul(a, v) }>"""],
        [],
        6 * 64,
    ),
    "handed through a loop": (
        "float[4,8] h => float[4,8] y, float[8,8] u <float[8,8] w, int64 n = {6}>",
        ["""y, u = Loop(n, , h, w) <body = g (int64 i, bool k, float[4,8] a, float[8,8] v)
            => (bool k2, float[4,8] c, float[8,8] v2) { k2 = Identity(k) c = MatMul(a, v) v2 = Identity(v) }>"""],
        [],
        64,
    ),
    "captured and transposed in a branch": (
        "float[4,8] x, bool c => float[4,8] y <float[8,8] w>",
        ["""y = If(c) <then_branch = t () => (float[4,8] a) { v = Transpose(w) a = MatMul(x, v) },
            else_branch = e () => (float[4,8] b) { b = Relu(x) }>"""],
        [],
        64,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", THROUGH_BODIES)
def test_weights_are_followed_through_bodies(case):
    signature, nodes, functions, expected = THROUGH_BODIES[case]
    built = model(signature, *nodes, functions="\n".join(functions), domains=', "f" : 1' if functions else "")
    report = analyze(built)
    assert report.total.parameters == expected
    assert not [one for one in report.findings if one.code == "doubtful-parameter"]


def test_each_call_of_a_function_prepares_its_own_weights():
    body = _function("linear", "(x, w) => (y) { t = Transpose(w) y = MatMul(x, t) }")
    built = model(
        "float[1,8] x => float[1,8] y <float[8,8] w, float[8,8] v>",
        "a = f.linear(x, w)",
        "y = f.linear(a, v)",
        functions=body,
        domains=', "f" : 1',
    )
    assert analyze(built).weights.prepared.best == 2 * 8 * 8 * 4


def test_what_is_read_through_a_view_is_left_behind():
    nodes = ["t = Transpose(w)", "v = Reshape(t, s)", "y = MatMul(x, v)"]
    built = model("float[1,4] x => float[1,3] y <float[3,4] w, int64[2] s = {4, 3}>", *nodes)
    assert analyze(built).weights.prepared.best == 48


def test_a_generated_constant_that_may_be_a_mask_is_named():
    nodes = ["z = ConstantOfShape(s)", "y = Add(x, z)"]
    report = analyze(model("float[4,4] x => float[4,4] y <int64[2] s = {4, 4}>", *nodes))
    assert [one.where for one in report.findings if one.code == "doubtful-parameter"] == ["z"]


def test_weights_in_a_functions_attributes_are_stored():
    body = _function("dense", "<k> (x) => (y) { w = Constant<value: tensor = @k>() y = MatMul(x, w) }")
    nodes = ["y = f.dense<k = float[2,2] {1.0, 2.0, 3.0, 4.0}>(x)"]
    report = analyze(model("float[1,2] x => float[1,2] y", *nodes, functions=body, domains=', "f" : 1'))
    assert (report.total.parameters, report.weights.bytes) == (4, 16)


def test_packed_weights_count_what_they_hold():
    """MatMulNBits holds two weights of 4 bits in each byte: 32 columns of 64, in two blocks of 32."""
    built = model(
        "float[2,64] x => float[2,32] y <uint8[32,2,16] b, float[32,2] s>",
        "y = com.microsoft.MatMulNBits <K = 64, N = 32, bits = 4, block_size = 32> (x, b, s)",
        domains=', "com.microsoft": 1',
    )
    report = analyze(built)
    assert report.total.parameters == 64 * 32
    assert report.weights.bytes == 64 * 32 // 2 + 32 * 2 * 4


NBITS = "com.microsoft.MatMulNBits <K = 32, N = 4, bits = 4, block_size = 32>"


@pytest.mark.parametrize(
    ("nodes", "functions"),
    [
        (["b3 = Reshape(b, sh)", f"y = {NBITS} (x, b3, s)"], ""),
        (
            ["b3 = Reshape(b, sh)", "y = local.f(x, b3, s)"],
            f'<domain: "local", opset_import: ["com.microsoft" : 1]> f (x, b, s) => (y) {{ y = {NBITS} (x, b, s) }}',
        ),
    ],
)
def test_packed_weights_count_what_they_hold_behind_preparation_and_in_functions(nodes, functions):
    signature = "float[2,32] x => float[2,4] y <uint8[4,16] b, float[4] s, int64[3] sh = {4, 1, 16}>"
    built = model(signature, *nodes, functions=functions, domains=', "com.microsoft": 1, "local": 1')
    assert analyze(built).total.parameters == 32 * 4


def test_scales_of_dynamic_quantization_are_no_parameters():
    built = model(
        "float[2,8] x => float[2,4] y <int8[8,4] w, float[4] ws>",
        "q, xs, xz = DynamicQuantizeLinear(x)",
        "p = MatMulInteger(q, w, xz)",
        "f = Cast <to = 1> (p)",
        "s = Mul(xs, ws)",
        "y = Mul(f, s)",
    )
    assert analyze(built).total.parameters == 8 * 4


def test_wide_weights_count_behind_a_gather():
    built = model(
        "int64[2] i => float[2,4] y <uint16[10,4] w, float s = {0.1}>",
        "g = Gather(w, i)",
        "y = DequantizeLinear(g, s)",
    )
    assert analyze(built).total.parameters == 10 * 4


def test_graphs_of_an_operator_without_a_price_leave_the_parameters_open():
    built = model(
        "float[1,2] x => float[a] y",
        "y = my.Search(x) <decoder = d (float[1,2] h) => (float[1,2] o) <float[2,2] w = {1, 2, 3, 4}>"
        " { o = MatMul(h, w) }>",
        domains=', "my": 1',
    )
    report = analyze(built)
    assert report.bounds["parameters"].high is None
    assert not report.complete


def test_what_classical_models_were_taught_is_parameters_and_stored():
    """Two trees of one branch and two leaves: six values of nodes, four weights of leaves; and one linear layer."""
    trees = (
        "t = ai.onnx.ml.TreeEnsembleRegressor <n_targets = 1, nodes_treeids = [0,0,0,1,1,1],"
        " nodes_nodeids = [0,1,2,0,1,2], nodes_featureids = [0,0,0,1,0,0],"
        ' nodes_modes = ["BRANCH_LEQ","LEAF","LEAF","BRANCH_LEQ","LEAF","LEAF"],'
        " nodes_truenodeids = [1,0,0,1,0,0], nodes_falsenodeids = [2,0,0,2,0,0],"
        " nodes_values = [0.5,0.0,0.0,0.5,0.0,0.0], target_treeids = [0,0,1,1], target_nodeids = [1,2,1,2],"
        " target_ids = [0,0,0,0], target_weights = [1.0,2.0,3.0,4.0]> (x)"
    )
    linear = "y = ai.onnx.ml.LinearRegressor <coefficients = [1.0,2.0,3.0], intercepts = [0.5]> (x)"
    built = model("float[2,3] x => float[2,1] t, float[2,1] y", trees, linear, domains=', "ai.onnx.ml": 3')
    report = analyze(built)
    assert [row.cost.parameters for row in report.rows] == [6 + 4, 3 + 1]
    floats, integers = (6 + 4) + (3 + 1), 5 * 6 + 3 * 4
    assert report.weights.stored == {"int64": 8 * integers, "float32": 4 * floats}
    assert report.total.read == Bounds(2 * (2 * 3 * 4), 2 * (2 * 3 * 4) + 8 * integers + 4 * floats)
