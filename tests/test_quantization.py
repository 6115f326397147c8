"""Products among quantized values compute as onnxruntime makes them compute, asked here of onnxruntime itself."""

from __future__ import annotations

import onnx
import onnxruntime
import pytest
from build import model

import graphcost
from graphcost.call import Fusion
from graphcost.results import Status

QX, DX = "q = QuantizeLinear(x, u, z)", "f = DequantizeLinear(q, u, z)"
QY, DY = "r = QuantizeLinear(c, u, z)", "y = DequantizeLinear(r, u, z)"
SCALES = "float u = {0.1}, uint8 z = {3}, float s = {0.2}, float us = {0.02}, int8 o = {0}"
IMAGE, ROWS = "float[1,3,8,8] x => float[1,4,6,6] y", "float[2,64] x => float[2,32] y"
TWICE = "float[2,64] x, float[3,64] x2 => float[2,32] y, float[3,32] v"
KERNEL, MATRIX = f"<int8[4,3,3,3] w, {SCALES}, ", f"<int8[64,32] w, {SCALES}, "
DW = "g = DequantizeLinear(w, s)"


def conv(*tail, extra="int32 n = {0}>", signature=IMAGE):
    return model(f"{signature} {KERNEL}{extra}", QX, DX, DW, *tail, opset=21)


def rows(*tail, extra="int32 n = {0}>", signature=ROWS):
    return model(f"{signature} {MATRIX}{extra}", QX, DX, DW, *tail, opset=21)


def gemm(*tail, extra="int32 n = {0}>"):
    return model(f"{ROWS} {MATRIX}{extra}", QX, DX, "g = DequantizeLinear(w, s, o)", *tail, opset=21)


def stored(dtype, product, *tail, scale="", how="", shape="64,32", signature=ROWS, extra=""):
    """Return a model whose weight alone is quantized: with one scale, or several and the attributes that say whose."""
    weight = f"{dtype}[{shape}] w, {f'float[{scale}] s' if scale else 'float s = {0.2}'}"
    nodes = (f"g = DequantizeLinear <{how}> (w, s)" if how else DW, product, *tail)
    return model(f"{signature} <{weight}, float u = {{0.1}}, uint8 z = {{3}}{extra}>", *nodes, opset=21)


INTEGER = {
    "conv": conv("c = Conv(f, g)", QY, DY),
    "conv of int8 with a scale per channel": model(
        f"{IMAGE} <int8[4,3,3,3] w, float[4] s, float u = {{0.1}}, int8 z = {{0}}>",
        *(QX, DX, "g = DequantizeLinear <axis = 0> (w, s)", "c = Conv(f, g)", QY, DY),
        opset=21,
    ),
    "conv with a quantized bias": conv("h = DequantizeLinear(b, us)", "c = Conv(f, g, h)", QY, DY, extra="int32[4] b>"),
    "conv with a bias": conv("c = Conv(f, g, b)", QY, DY, extra="float[4] b>"),
    "conv, relu that cuts nothing off": model(
        f"{IMAGE} <int8[4,3,3,3] w, float s = {{0.2}}, float u = {{0.1}}, uint8 z = {{0}}>",
        *(QX, DX, DW, "e = Conv(f, g)", "c = Relu(e)", QY, DY),
        opset=21,
    ),
    "conv, relu, bytes that start at zero by default": model(
        "float[1,3,8,8] x => uint8[1,4,6,6] r <int8[4,3,3,3] w, float s = {0.2}, float u = {0.1}, uint8 z = {0}>",
        *(QX, DX, DW, "e = Conv(f, g)", "c = Relu(e)", "r = QuantizeLinear(c, u)"),
        opset=21,
    ),
    "matmul, relu that cuts nothing off": model(
        f"{ROWS} <int8[64,32] w, float s = {{0.2}}, float u = {{0.1}}, uint8 z = {{0}}>",
        *(QX, DX, DW, "e = MatMul(f, g)", "c = Relu(e)", QY, DY),
        opset=21,
    ),
    "signed values, unsigned weights": model(
        f"{ROWS} <uint8[64,32] w, float s = {{0.2}}, float u = {{0.1}}, int8 z = {{0}}>",
        *(QX, DX, DW, "c = MatMul(f, g)", QY, DY),
        opset=21,
    ),
    "matmul": rows("c = MatMul(f, g)", QY, DY),
    "matmul that writes floats": rows("y = MatMul(f, g)"),
    "matmul of two activations": model(
        f"float[2,64] x, float[64,32] w => float[2,32] y <{SCALES}>",
        *(QX, DX, "p = QuantizeLinear(w, s, z)", "g = DequantizeLinear(p, s, z)", "y = MatMul(f, g)"),
        opset=21,
    ),
    "gemm": gemm("c = Gemm <alpha = 2.0> (f, g)", QY, DY),
    "gemm that writes floats": gemm("y = Gemm(f, g)"),
    "gemm, relu that writes floats": gemm("c = Gemm(f, g)", "y = Relu(c)"),
    "gemm with a bias": gemm("c = Gemm(f, g, b)", QY, DY, extra="float[32] b>"),
}
WEIGHT_ONLY = {
    "blocks of int4": stored("int4", "y = MatMul(x, g)", scale="2,32", how="axis = 0, block_size = 32"),
    "blocks of uint4": stored("uint4", "y = MatMul(x, g)", scale="4,32", how="axis = 0, block_size = 16"),
    "a scale per column": stored("int8", "y = MatMul(x, g)", scale="32", how="axis = 1"),
    "one scale": stored("uint8", "y = MatMul(x, g)"),
    "gemm": stored("int8", "y = Gemm(x, g)"),
    "gemm with a bias": stored("int8", "y = Gemm(x, g, b)", extra=", float[32] b"),
}
ALONE = {
    "conv that writes floats": conv("y = Conv(f, g)"),
    "conv whose floats another reads": conv(
        "c = Conv(f, g)", QY, DY, "v = Exp(c)", signature="float[1,3,8,8] x => float[1,4,6,6] y, float[1,4,6,6] v"
    ),
    "conv, relu that cuts off": conv("e = Conv(f, g)", "c = Relu(e)", QY, DY),
    "matmul whose floats are an output too": rows(
        "c = MatMul(f, g)", QY, DY, signature="float[2,64] x => float[2,32] y, float[2,32] c"
    ),
    "transposed conv": model(
        f"float[1,3,8,8] x => float[1,4,10,10] y <int8[3,4,3,3] w, {SCALES}>",
        *(QX, DX, DW, "c = ConvTranspose(f, g)", QY, DY),
        opset=21,
    ),
    "16 bits": model(
        f"{ROWS} <int8[64,32] w, float s = {{0.2}}, float u = {{0.1}}, uint16 z = {{0}}>",
        *(QX, DX, DW, "c = MatMul(f, g)", QY, DY),
        opset=21,
    ),
    "weight of a conv": model(f"{IMAGE} <int8[4,3,3,3] w, float s = {{0.2}}>", DW, "y = Conv(x, g)", opset=21),
    "a scale per row": stored("int8", "y = MatMul(x, g)", scale="64", how="axis = 0"),
    "blocks along a row": stored("int4", "y = MatMul(x, g)", scale="64,1", how="axis = 1, block_size = 32"),
    "small blocks": stored("int4", "y = MatMul(x, g)", scale="8,32", how="axis = 0, block_size = 8"),
    "gemm with a bias of floats that writes floats": gemm("y = Gemm(f, g, b)", extra="float[32] b>"),
    "gemm, relu that cuts off": gemm("e = Gemm(f, g)", "c = Relu(e)", QY, DY),
    "matmul, relu that cuts off": rows("e = MatMul(f, g)", "c = Relu(e)", QY, DY),
    "matmul, clip": rows("e = MatMul(f, g)", "c = Clip(e, lo, hi)", QY, DY, extra="float lo = {0}, float hi = {6}>"),
    "gemm with a scale per row": model(
        f"{ROWS} <int8[64,32] w, float[64] s, int8[64] o, float u = {{0.1}}, uint8 z = {{3}}>",
        *(QX, DX, "g = DequantizeLinear <axis = 0> (w, s, o)", "c = Gemm(f, g)", QY, DY),
        opset=21,
    ),
    "weight-only, relu, quantized": stored("int8", "e = MatMul(x, g)", "c = Relu(e)", QY, DY),
    "gemm without a zero point": rows("c = Gemm(f, g)", QY, DY),
    "gemm of another beta": gemm("c = Gemm <beta = 2.0> (f, g, b)", QY, DY, extra="float[32] b>"),
    "scaled gemm": stored("int8", "y = Gemm <alpha = 2.0> (x, g)"),
    "turned gemm": stored("int8", "y = Gemm <transB = 1> (x, g)", shape="32,64"),
    "int16": stored("int16", "y = MatMul(x, g)"),
    "first factor": stored("int8", "y = MatMul(g, x)", signature="float[32,2] x => float[64,2] y"),
    "quantized afterwards": stored("int8", "c = MatMul(x, g)", QY, DY),
    "read twice": stored("int8", "y = MatMul(x, g)", "v = MatMul(x2, g)", signature=TWICE),
}
PRODUCTS = {"Conv", "MatMul", "Gemm", "ConvTranspose", "FusedConv", "FusedGemm", "FusedMatMul"}


def kernels(built, path):
    """Return the operators of the graph that onnxruntime makes for a CPU."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(path), 3
    built.ir_version = 10
    onnxruntime.InferenceSession(built.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return {node.op_type for node in onnx.load(path).graph.node}


def products(built):
    """Return the rows of the model's products."""
    return [row.cost for row in graphcost.analyze(built).rows if row.cost.node.op_type in PRODUCTS]


def dequantized(built):
    """Return the row of the weight's DequantizeLinear."""
    return next(row.cost for row in graphcost.analyze(built).rows if row.cost.node.outputs == ("g",))


@pytest.mark.parametrize("name", INTEGER)
def test_a_product_of_bytes_computes_in_bytes_as_in_onnxruntime(name, tmp_path):
    built = INTEGER[name]
    assert kernels(built, tmp_path / "made.onnx").isdisjoint(PRODUCTS)
    (product,) = products(built)
    assert {term.dtype.value for term in product.terms if term.arith.value == "MAC"} <= {"int8", "uint8"}
    weight = dequantized(built)
    assert (weight.status, weight.terms, weight.read.high, weight.written.high) == (Status.FREE, (), 0, 0)


@pytest.mark.parametrize("name", WEIGHT_ONLY)
def test_a_kernel_that_dequantizes_its_weight_does_so_in_every_run_as_in_onnxruntime(name, tmp_path):
    built = WEIGHT_ONLY[name]
    assert kernels(built, tmp_path / "made.onnx") == {"MatMulNBits"}
    (product,) = products(built)
    assert {term.dtype.value for term in product.terms if term.arith.value == "MAC"} == {"float32"}
    weight = dequantized(built)
    assert weight.status is Status.PRICED
    assert (weight.read.high, weight.written.high) == (0, 0)
    assert graphcost.analyze(built).weights.prepared.high == 0


@pytest.mark.parametrize("name", ALONE)
def test_any_other_product_computes_in_floats_as_in_onnxruntime(name, tmp_path):
    built = ALONE[name]
    assert not kernels(built, tmp_path / "made.onnx").isdisjoint(PRODUCTS)
    for product in products(built):
        assert {term.dtype.value for term in product.terms} == {"float32"}
    assert dequantized(built).call.fusion is Fusion.ALONE


def test_an_integer_product_reads_bytes_and_what_scales_them():
    (product,) = products(INTEGER["matmul"])
    assert product.read.high == (2 * 64 + 4 + 1) + (64 * 32 + 4)  # x, its scale and zero point; w and its scale
    assert product.written.high == 2 * 32  # quantized by the kernel itself


def test_the_floats_around_an_integer_product_never_exist():
    """As in a QLinearMatMul: bytes in and bytes out; the model's own floats stand at its ends."""
    report = graphcost.analyze(INTEGER["matmul"])
    by_output = {row.cost.node.outputs[0]: row.cost for row in report.rows}
    assert (by_output["r"].status, by_output["r"].read.high, by_output["r"].written.high) == (Status.PRICED, 0, 0)
    assert report.memory.activations.high == 2 * 64 + 2 * 32 + 2 * 32 * 4  # q, what the product writes, y


def test_a_weight_only_product_reads_the_weight_as_it_is_stored():
    (product,) = products(WEIGHT_ONLY["blocks of int4"])
    assert product.read.high == 2 * 64 * 4 + 64 * 32 // 2 + 2 * 32 * 4


def test_a_weight_that_is_dequantized_for_floats_is_preparation():
    report = graphcost.analyze(ALONE["weight of a conv"])
    assert report.rows[0].cost.status is Status.PREPARATION
    assert report.weights.prepared.high == 4 * 3 * 3 * 3 * 4


def test_parameters_are_those_of_the_product():
    assert [cost.parameters for cost in products(INTEGER["conv"])] == [4 * 3 * 3 * 3]


@pytest.mark.parametrize(
    ("built", "node", "line"),
    [
        (
            INTEGER["matmul"],
            "g",
            "its work is left out: the kernel that reads its output computes on the quantized values",
        ),
        (
            INTEGER["matmul"],
            "c",
            "reads the quantized values: uint8[2, 64], float32[], uint8[], int8[64, 32], float32[]",
        ),
        (WEIGHT_ONLY["one scale"], "g", "the kernel that reads its output does this work, in every run;"),
    ],
)
def test_an_explanation_tells_what_a_kernel_does(built, node, line):
    assert line in str(graphcost.explain(built, node))


def test_a_group_in_a_function_is_folded_too():
    function = (
        '<domain: "local", opset_import: ["" : 21]> block (a, w, u, z, s) => (b)'
        " { q = QuantizeLinear(a, u, z) f = DequantizeLinear(q, u, z) g = DequantizeLinear(w, s) b = MatMul(f, g) }"
    )
    built = model(
        f"{ROWS} <int8[64,32] w, {SCALES}>", "y = local.block(x, w, u, z, s)", opset=21, functions=function,
        domains=', "local": 1',
    )  # fmt: skip
    assert graphcost.analyze(built).to_dict()["totals"]["by_dtype"]["uint8"]["macs"] == 2 * 64 * 32
