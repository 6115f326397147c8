"""Hostile and broken models: refused in one sentence, or analysed with a finding, and never anything else."""

from __future__ import annotations

import json
import re

import numpy as np
import onnx
import pytest
from build import model
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from graphcost import InvalidModelError, SourceError, analyze
from graphcost.bounds import Bounds

FLOATS = "float[2,3] x => float[M,N] y"


def relu(dims=(2, 3), weights=(), nodes=None, **details):
    """Return y = Relu(x), with some other part than usual."""
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)]
    wanted = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    nodes = nodes or [helper.make_node("Relu", ["x"], ["y"])]
    return helper.make_model(helper.make_graph(nodes, "g", given, wanted, weights), **details)


def bodies(depth, inner="Relu"):
    """Return an If inside an If, and so on; the condition is the model's input."""
    nodes = [helper.make_node(inner, ["x"], ["v0"])]
    for level in range(1, depth + 1):
        wanted = [helper.make_tensor_value_info(f"v{level - 1}", TensorProto.FLOAT, None)]
        taken = helper.make_graph(nodes, f"g{level}", [], wanted)
        empty = helper.make_graph([helper.make_node("Identity", ["x"], [f"o{level}"])], "e", [], wanted[:0])
        empty.output.append(helper.make_tensor_value_info(f"o{level}", TensorProto.FLOAT, None))
        nodes = [helper.make_node("If", ["c"], [f"v{level}"], then_branch=taken, else_branch=empty)]
    given = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3]),
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
    ]
    wanted = [helper.make_tensor_value_info(f"v{depth}", TensorProto.FLOAT, None)]
    return helper.make_model(helper.make_graph(nodes, "g", given, wanted))


def levels(depth, calls):
    """Return functions of which each calls the one below some times: calls ** depth nodes."""
    imports = [helper.make_opsetid("", 22), helper.make_opsetid("f", 1)]
    functions = [helper.make_function("f", "f0", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], imports)]
    for level in range(1, depth + 1):
        chain = ["a", *(f"v{i}" for i in range(1, calls)), "b"]
        nodes = [
            helper.make_node(f"f{level - 1}", [one], [two], domain="f")
            for one, two in zip(chain, chain[1:], strict=False)
        ]
        functions.append(helper.make_function("f", f"f{level}", ["a"], ["b"], nodes, imports))
    call = helper.make_node(f"f{depth}", ["x"], ["y"], domain="f")
    return relu(nodes=[call], opset_imports=imports, functions=functions)


def calls_itself(*names):
    imports = [helper.make_opsetid("", 22), helper.make_opsetid("f", 1)]
    functions = [
        helper.make_function("f", name, ["a"], ["b"], [helper.make_node(callee, ["a"], ["b"], domain="f")], imports)
        for name, callee in zip(names, (*names[1:], names[0]), strict=True)
    ]
    return relu(
        nodes=[helper.make_node(names[0], ["x"], ["y"], domain="f")], opset_imports=imports, functions=functions
    )


def stored(dims, data_type=TensorProto.FLOAT, name="w", **data):
    return relu(weights=[TensorProto(name=name, dims=dims, data_type=data_type, **data)])


def doubled_function():
    built = levels(1, 1)
    built.functions.append(built.functions[0])
    return built


def doubled_attribute():
    built = model(FLOATS, "y = LeakyRelu <alpha = 0.5> (x)")
    built.graph.node[0].attribute.append(helper.make_attribute("alpha", 0.25))
    return built


def without_graph():
    built = relu()
    built.ClearField("graph")
    return built


def very_deep(depth):
    """Return an If in an If, deeper than protobuf would parse; it can be built in memory all the same."""
    built = relu()
    graph = built.graph
    for _ in range(depth):
        one = graph.node.add(op_type="If", input=["x"]).attribute.add(name="then_branch", type=AttributeProto.GRAPH)
        graph = one.g
    return built


def sparse(dims):
    built = relu()
    values = TensorProto(name="w", dims=[1], data_type=TensorProto.FLOAT, float_data=[1])
    indices = TensorProto(name="", dims=[1], data_type=TensorProto.INT64, int64_data=[0])
    built.graph.sparse_initializer.add(values=values, indices=indices, dims=dims)
    return built


REFUSED = {
    "no graph": (without_graph, SourceError, "has a graph, this one has none"),
    "no model": (lambda: relu().graph, SourceError, "got GraphProto"),
    "circle": (
        lambda: model(FLOATS, "a = Add(x, b)", "b = Relu(a)", "y = Relu(b)"), InvalidModelError, "'a' -> 'b'",
    ),
    "a node reads itself": (lambda: model(FLOATS, "y = Add(x, y)"), InvalidModelError, "no circle.*'y'"),
    "circle through a body": (
        lambda: model("bool c => float y", "y = If(c) <then_branch = t () => (float a) { a = Relu(y) }, "
                      "else_branch = e () => (float b) { b = Neg(y) }>"),
        InvalidModelError, "no circle.*'y'",
    ),
    "dangling input": (lambda: model(FLOATS, "y = Add(x, w)"), InvalidModelError, "Add-22 'y': reads 'w'"),
    "dangling input in a body": (
        lambda: model("bool c => float y", "y = If(c) <then_branch = t () => (float a) { a = Relu(z) }, "
                      "else_branch = e () => (float b) { b = Relu(z) }>"),
        InvalidModelError, "If-22 'y': reads 'z'",
    ),
    "dangling output": (lambda: model(FLOATS, "z = Relu(x)"), InvalidModelError, "output 'y'"),
    "two writers": (lambda: model(FLOATS, "y = Relu(x)", "y = Neg(x)"), InvalidModelError, "'y': wants one writer, has 2"),
    "a node writes an input": (lambda: model(FLOATS, "x = Relu(x)", "y = Neg(x)"), InvalidModelError, "'x': wants one"),
    "two initializers of one name": (
        lambda: relu(weights=[numpy_helper.from_array(np.zeros(n, np.float32), "w") for n in (2, 3)]),
        InvalidModelError, "'w': wants one initializer, has 2",
    ),
    "too few bytes": (lambda: stored([4], raw_data=b"\0" * 12), InvalidModelError, "'w'.*float32.4. wants 4 elements"),
    "too many bytes": (lambda: stored([4], raw_data=b"\0" * 20), InvalidModelError, "'w'.*float32.4. wants 4 elements"),
    "too few numbers": (lambda: stored([4], float_data=[1, 2]), InvalidModelError, "'w'.*wants 4 elements"),
    "numbers of another type": (lambda: stored([4], int64_data=[1] * 4), InvalidModelError, "'w'.*wants 4 elements"),
    "too few strings": (
        lambda: stored([4], TensorProto.STRING, string_data=[b"a"]), InvalidModelError, "'w'.*4 elements.*1 strings"
    ),
    "strings as raw data": (
        lambda: stored([4], TensorProto.STRING, raw_data=b"abcd"), InvalidModelError, "'w'.*4 elements.*0 strings"
    ),
    "2^63 elements": (lambda: stored([1 << 32, 1 << 31]), InvalidModelError, "'w'.*2\\^63 - 1"),
    "2^63 elements in an input": (lambda: relu([1 << 32, 1 << 31]), InvalidModelError, "input 'x'.*2\\^63 - 1"),
    "a million large dims": (lambda: stored([1 << 62] * 1_000_000), InvalidModelError, "1000000 in all"),
    "a million large dims in an input": (lambda: relu([1 << 62] * 1_000_000), InvalidModelError, "1000000 in all"),
    "negative dims": (lambda: stored([-4]), InvalidModelError, "'w': dims of 0 or more are wanted, there are .-4"),
    "negative dims in an input": (lambda: relu([-2, 3]), InvalidModelError, "input 'x': dims of 0 or more.*-2"),
    "negative dims of a sparse tensor": (
        lambda: sparse([-4]), InvalidModelError, "'w': dims of 0 or more are wanted, there are .-4"
    ),
    "a function calls itself": (lambda: calls_itself("a"), InvalidModelError, "'a': calls itself, directly"),
    "functions in a circle": (
        lambda: calls_itself("a", "b", "c"), InvalidModelError, "calls itself, through 'a' -> 'b' -> 'c'"
    ),
    "a long circle of functions": (
        lambda: calls_itself(*(f"f{i}" for i in range(5000))), InvalidModelError, "5000 in all"
    ),
    "two functions of one name": (doubled_function, InvalidModelError, "'f0': wants one definition"),
    "an attribute twice": (doubled_attribute, InvalidModelError, "node 'y': wants each attribute once, has 2 of 'alpha'"),
    "bodies deeper than in any file": (lambda: very_deep(300), InvalidModelError, "nest deeper than 64"),
    "functions too deep": (lambda: levels(2000, 1), InvalidModelError, "nest deeper than"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_broken_model_is_refused_with_a_sentence(case):
    build, error, message = REFUSED[case]
    with pytest.raises(error, match=message) as caught:
        analyze(build())
    assert len(str(caught.value)) < 1000


def analysed_file(tmp_path, data):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    return analyze(path)


FILES = {
    "empty": (lambda _: b"", "is empty"),
    "random bytes": (lambda _: np.random.default_rng(1).bytes(1000), "is no ONNX model"),
    "cut short": (lambda data: data[:-3], "opset_import.0. at byte"),
    "pointer": (lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", "Git LFS"),
    "deeper than protobuf goes": (lambda _: nested_messages(120), "more than 100 messages deep"),
}


def nested_messages(depth):
    """Return a model of graphs inside one another: graph.node[0].attribute[0].g and so on."""
    graph = b""
    for _ in range(depth):
        graph = record(1, record(5, record(6, graph)))
    return record(7, graph)


def record(number, content):
    length, octets = len(content), []
    while length > 127:
        octets.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *octets, length]) + content


@pytest.mark.parametrize("case", FILES)
def test_a_broken_file_is_refused_with_a_sentence(case, tmp_path):
    damage, message = FILES[case]
    with pytest.raises(SourceError, match=message):
        analysed_file(tmp_path, damage(relu().SerializeToString()))


def external(**entries):
    tensor = TensorProto(name="w", dims=[3], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return relu(nodes=[helper.make_node("Add", ["x", "w"], ["y"])], weights=[tensor])


def opsets(*versions, op_type="Relu"):
    built = relu(nodes=[helper.make_node(op_type, ["x"], ["y"])])
    del built.opset_import[:]
    built.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in versions)
    return built


def renamed_node(name):
    return relu(
        nodes=[helper.make_node("Relu", ["x"], ["a"], name=name), helper.make_node("Neg", ["a"], ["y"], name=name)]
    )


def lies():
    built = relu(nodes=[helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["y"])])
    built.graph.value_info.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, [4, 3]))
    return built


FOUND = {
    "external data elsewhere": (lambda: external(location="../../secret"), "external-data", "w", "leads out"),
    "an absolute path": (lambda: external(location="/etc/passwd"), "external-data", "w", "inside the model's folder"),
    "no location": (external, "external-data", "w", "no location"),
    "a negative offset": (lambda: external(location="a", offset="-1"), "external-data", "w", "offset"),
    "external data shorter than its dims": (lambda: external(location="a", length="8"), "external-data", "w", "12 bytes"),
    "unsorted nodes": (
        lambda: model("float[2,3] x => float[M,N] y", "y = Relu(a)", "a = Neg(x)"), "unsorted", "g", "sorted",
    ),
    "unsorted nodes in a body": (
        lambda: model("bool c, float[2] x => float y", "y = If(c) <then_branch = t () => (float a) "
                      "{ a = Relu(b) b = Neg(x) }, else_branch = e () => (float b) { b = Relu(x) }>"),
        "unsorted", "g", "sorted",
    ),
    "doubled node names": (lambda: renamed_node("n"), "duplicate-name", "n", "first output"),
    "an opset from the future": (lambda: opsets(("", 1 << 40)), "future-opset", "ai.onnx", "newest known"),
    "an IR version from the future": (lambda: relu(ir_version=99), "future-ir", "ir_version", "99"),
    "no opset import": (opsets, "opset-import", "ai.onnx", "imports no version"),
    "an impossible opset": (lambda: opsets(("", -(1 << 40))), "opset-import", "ai.onnx", "imports no version"),
    "opset 0": (lambda: opsets(("", 0)), "opset-import", "ai.onnx", "imports no version"),
    "several opset imports": (lambda: opsets(("", 13), ("", 7), ("ai.onnx", 9)), "opset-import", "ai.onnx", "13 holds"),
    "a declared type that can't be": (lies, "declared-type", "a", r"\[4, 3\].*\[2, 3\]"),
    "an initializer that nobody reads": (lambda: stored([4]), "unused-initializer", "w", "16 B"),
    "a dimension of -1": (lambda: relu([-1, 3]), "dynamic-dimension", "x", "-1"),
    "a guessed dimension": (lambda: relu([2, "width"]), "assumed-dimension", "width", "224"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND)
def test_what_is_odd_is_a_finding(case):
    build, code, where, message = FOUND[case]
    report = analyze(build())
    messages = [one.message for one in report.findings if (one.code, one.where) == (code, where)]
    assert len(messages) == 1, report.findings
    assert re.search(message, messages[0])
    assert report.complete


def test_the_text_format_is_read(tmp_path):
    path = tmp_path / "model.onnxtxt"
    path.write_text(onnx.printer.to_text(relu()), encoding="utf-8")
    assert analyze(path).total.value.best == 6


IF = "y = If({}) <then_branch = t () => (float a) {{ {} }}, else_branch = e () => (float b) {{ {} }}>"
LOOP = "y = Loop({}) <body = b (int64 i, bool c, float[N] v) => (bool d, float[M] w) {{ {} }}>"

OPEN = {
    "a shape that nobody knows": lambda: model("float[] x => float[] y", "y = Relu(x)"),
    "scales that are infinite": lambda: resized(np.inf),
    "scales that are no numbers": lambda: resized(np.nan),
    "scales beyond all sizes": lambda: resized(1e30),
    "a trip count known in the run only": lambda: model(
        "float[4] x, int64 n => float y", LOOP.format("n, , x", "d = Identity(c) w = Relu(v)")
    ),
    "an operator that nobody knows": lambda: model(FLOATS, "y = other.Unheard(x)", domains=', "other" : 1'),
    "shapes that do not fit": lambda: model("float[2,3] x => float y <float[2,3] w>", "y = MatMul(x, w)"),
    "an operator before its time": lambda: opsets(("", 1), op_type="Gelu"),
    "an unknown attribute": lambda: model(FLOATS, "y = Relu <alpha = 1> (x)"),
    "an attribute of another type": lambda: model(FLOATS, 'y = Flatten <axis = "a"> (x)'),
    "an attribute without a type": lambda: untyped_attribute(),
    "an element type that nobody knows": lambda: model_of_type(9999),
    "too many inputs": lambda: model(FLOATS, "y = Relu(x, x)"),
    "no inputs": lambda: model(FLOATS, "y = Relu()"),
    "too many outputs": lambda: model(FLOATS, "y, z = Relu(x)"),
    "no outputs": lambda: relu(nodes=[helper.make_node("Relu", ["x"], []), helper.make_node("Neg", ["x"], ["y"])]),
    "a constant of two outputs": lambda: model(FLOATS, "y, z = Constant <value_int = 1> ()"),
    "a constant of nothing": lambda: model(FLOATS, "y = Constant()"),
    "a constant of something else": lambda: model(FLOATS, "y = Constant <value = 1> ()"),
    "a constant of a wrong list": lambda: model(FLOATS, 'y = Constant <value_ints = "a"> ()'),
    "a function called with too much": lambda: with_function("y = f.one(x, x)"),
    "a function asked for too much": lambda: with_function("y, z = f.one(x)"),
    "If without a condition": lambda: model(FLOATS, IF.format("", "a = Relu(x)", "b = Relu(x)")),
    "If with two conditions": lambda: model("bool c, float x => float y", IF.format("c, c", "a = Relu(x)", "b = Relu(x)")),
    "If without branches": lambda: model("bool c => float y", "y = If(c)"),
    "If with a branch that returns nothing": lambda: branchless(),
    "Loop without a body": lambda: model("float[4] x => float y", "y = Loop(x)"),
    "Loop whose body returns too little": lambda: model(
        "float[4] x, bool c, int64 n => float y", "y = Loop(n, c, x) <body = b (int64 i, bool c, float v) => (bool d) { d = Identity(c) }>"
    ),
    "Loop whose body takes too little": lambda: model(
        "float[4] x, bool c, int64 n => float y", "y = Loop(n, c, x) <body = b () => (bool d, float w) { d = Identity(c) w = Relu(x) }>"
    ),
    "Loop of endless turns": lambda: model("float[4] x => float y", LOOP.format(", , x", "d = Identity(c) w = Relu(v)")),
    "Loop limited by words": lambda: model(
        'float[4] x => float y <string[1] n = {"many"}>', LOOP.format("n, , x", "d = Identity(c) w = Relu(v)")
    ),
    "Loop whose condition is no value": lambda: model(
        "float[4] x, int64 n => float y", LOOP.format("n, , x", "d = Identity() w = Relu(v)")
    ),
    "Scan without a number": lambda: model("float[4] x => float y", "y = Scan <body = b (float v) => (float w) { w = Relu(v) }> (x)"),
    "Scan of more than it has": lambda: scan(2),
    "Scan of a negative number": lambda: scan(-1),
    "Scan by words": lambda: model("float[4] x => float y", 'y = Scan <body = b (float v) => (float w) { w = Relu(v) }, num_scan_inputs = "a"> (x)'),
}  # fmt: skip


def resized(scale):
    built = model("float[1,1,4,4] x => float[A,B,C,D] y <float[4] scales>", "y = Resize(x, , scales)")
    built.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([1, 1, scale, 2], np.float32), "scales"))
    return built


def untyped_attribute():
    built = model(FLOATS, "y = Flatten <axis = 1> (x)")
    built.graph.node[0].attribute[0].ClearField("type")
    return built


def model_of_type(data_type):
    built = relu()
    built.graph.input[0].type.tensor_type.elem_type = data_type
    return built


def with_function(call):
    one = '<opset_import: ["" : 22], domain: "f"> one (a) => (b) { b = Relu(a) }'
    return model(FLOATS, call, functions=one, domains=', "f" : 1')


def branchless():
    built = model("bool c, float x => float y", IF.format("c", "a = Relu(x)", "b = Relu(x)"))
    del built.graph.node[0].attribute[1].g.output[:]
    return built


def scan(number):
    return model(
        "float[4] x => float y",
        f"y = Scan <body = b (float v) => (float w) {{ w = Relu(v) }}, num_scan_inputs = {number}> (x)",
    )


@pytest.mark.parametrize("case", OPEN)
def test_what_is_not_known_leaves_the_total_open(case):
    report = analyze(OPEN[case]())
    assert not report.complete
    assert any(row.cost.status.is_open for row in report.rows)
    assert report.total.value is None or report.total.value.high is None or report.total.macs.high is None


def chain(count):
    return relu(
        nodes=[
            helper.make_node("Relu", [f"v{i}" if i else "x"], [f"v{i + 1}" if i < count - 1 else "y"])
            for i in range(count)
        ]
    )


def loops(depth):
    """Return a Loop in a Loop, and so on; each doubles what it carries in every turn."""
    inner = "w = Concat <axis = 0> (v, v)"
    body = "b (int64 i, bool c, float[N] v) => (bool d, float[M] w) { d = Identity(c) %s }"
    for _ in range(depth):
        inner = f"w = Loop(n, , v) <{'body = ' + body % inner}>"
    return model("float[4] x => float y <int64 n = {3}>", inner.replace("w = Loop(n, , v)", "y = Loop(n, , x)", 1))


CHEAP = {
    "10^8 nodes in functions": (lambda: levels(8, 10), 6 * 10**8),
    "10^40 nodes in functions": (lambda: levels(40, 10), 6 * 10**40),
    "functions 60 deep": (lambda: levels(60, 1), 6),
    "a chain of 20000 nodes": (lambda: chain(20_000), 6 * 20_000),
    "Range of 2^40": (
        lambda: model("float x => float y <int64 a = {0}, int64 b = {1099511627776}, int64 c = {1}>", "y = Range(a, b, c)"), None
    ),
    "ones of 2^62": (
        lambda: model("float x => float y <int64[1] a = {4611686018427387904}>", "b = ConstantOfShape(a)", "y = Relu(b)"), None
    ),
    "more elements than there are numbers": (
        lambda: model(
            "float x => float y <int64[4] a = {1099511627776, 1099511627776, 1099511627776, 1099511627776}, int64[1] s = {-1}>",
            "b = ConstantOfShape(a)", "c = Flatten <axis = 2> (b)", "d = Reshape(c, s)", "e = Shape(d)", "f = Size(b)", "y = Relu(d)",
        ),
        None,
    ),
    "a bound beyond all numbers": (lambda: relu([1 << 40, "N"]), 1 << 40),
    "30 nested If": (lambda: bodies(30), Bounds(0, 6)),
    "If at every of 3000 nodes": (lambda: many_bodies(3000), 6 * 3000),
    "Loop nested 10 deep": (lambda: loops(10), None),
    "rank 1000": (lambda: stored([1] * 1000, float_data=[1]), 6),
    "rank 1000 in an input": (lambda: relu([1] * 1000), 1),
    "a name of 1 MB": (lambda: relu(nodes=[helper.make_node("Relu", ["x"], ["y"], name="n" * 1_000_000)]), 6),
    "a product of many vectors": (lambda: products(), None),
    "a window of 2^40 positions": (
        lambda: model(
            "float x => float y <float[1,1,4] w>", "y = MaxPool <kernel_shape = [1099511627776], strides = [1099511627776], "
            "pads = [1099511627776, 1099511627776]> (w)"
        ),
        None,
    ),
    "ten thousand outputs": (lambda: model(FLOATS, ", ".join(["y", *(f"o{i}" for i in range(10_000))]) + " = Split(x)"), None),
}  # fmt: skip


def many_bodies(count):
    calls = [
        "v{} = If(c) <then_branch = t () => (float a) {{ a = Relu({}) }}, else_branch = e () => (float b) {{ b = Neg({}) }}>"
        .format(i + 1, one, one)
        for i, one in enumerate(["x", *(f"v{i}" for i in range(1, count))])
    ]  # fmt: skip
    return model(f"float[2,3] x, bool c => float v{count}", *calls)


def products():
    names = "abcdef"
    stored_vectors = ", ".join(f"float[4096] {one}" for one in names)
    return model(
        f"float x => float y <{stored_vectors}>", f'y = Einsum <equation = "{",".join(names)}->"> ({", ".join(names)})'
    )


@pytest.mark.parametrize("case", CHEAP)
def test_what_is_enormous_stays_cheap(case):
    build, value = CHEAP[case]
    report = analyze(build())
    if value is not None:
        assert report.total.value == (Bounds.exactly(value) if isinstance(value, int) else value)
    assert isinstance(report.to_dict(), dict)


NAMES = {
    "escape": "\x1b]8;;https://example.org\x07\x9b31m",
    "nul": "a\0b",
    "bidi": "\u202e\u2066abc",
    "newline": "a\nb\r\n",
    "html": '"><script>alert(1)</script>',
    "formula": "=cmd()|'`",
    "expression": "__import__('os')",
    "brackets": "x[0]",
    "space": " ",
    "surrogate pair": "\U0001f600",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_any_name_is_kept(name):
    nodes = [helper.make_node("Relu", [name], ["a" + name], name=name), helper.make_node("Neg", ["a" + name], ["y"])]
    built = relu(nodes=nodes)
    built.graph.input[0].CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, "d" + name]))
    report = analyze(built, dims={"d" + name: 3})
    assert report.rows[0].id == name
    assert report.total.value.best == 12
    assert json.loads(json.dumps(report.to_dict()))["nodes"][0]["name"] == name


def test_a_name_that_is_no_utf8_is_written_with_escapes(tmp_path):
    data = relu(
        nodes=[helper.make_node("Relu", ["x"], ["AAAA"], name="BBBB"), helper.make_node("Neg", ["AAAA"], ["y"])],
        producer_name="CCCC",
    ).SerializeToString()
    for letters, octets in ((b"AAAA", b"\xff\xfeAA"), (b"BBBB", b"\x80\0\xc3\x28"), (b"CCCC", b"\xed\xa0\x80C")):
        data = data.replace(letters, octets)
    report = analysed_file(tmp_path, data)
    assert [row.id for row in report.rows] == ["\\x80\0\\xc3(", "y"]
    assert report.rows[0].cost.node.outputs == ("\\xff\\xfeAA",)
    assert report.total.value.best == 12
    assert json.dumps(report.to_dict())
