"""Hostile and broken models: refused in one sentence, or analysed with a finding, and never anything else."""

from __future__ import annotations

import json
import re

import numpy as np
import onnx
import pytest
from build import model
from hostile import (
    FLOATS,
    calls_itself,
    doubled_attribute,
    doubled_function,
    external,
    levels,
    lies,
    nested_messages,
    opsets,
    relu,
    renamed_node,
    sparse,
    stored,
    very_deep,
    without_graph,
)
from onnx import TensorProto, helper, numpy_helper

from graphcost import InvalidModelError, SourceError, analyze

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
    "two writers": (
        lambda: model(FLOATS, "y = Relu(x)", "y = Neg(x)"), InvalidModelError, "'y': wants one writer, has 2",
    ),
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
    "an attribute twice": (
        doubled_attribute, InvalidModelError, "node 'y': wants each attribute once, has 2 of 'alpha'",
    ),
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


@pytest.mark.parametrize("case", FILES)
def test_a_broken_file_is_refused_with_a_sentence(case, tmp_path):
    damage, message = FILES[case]
    with pytest.raises(SourceError, match=message):
        analysed_file(tmp_path, damage(relu().SerializeToString()))


FOUND = {
    "external data elsewhere": (lambda: external(location="../../secret"), "external-data", "w", "leads out"),
    "an absolute path": (lambda: external(location="/etc/passwd"), "external-data", "w", "inside the model's folder"),
    "no location": (external, "external-data", "w", "no location"),
    "a negative offset": (lambda: external(location="a", offset="-1"), "external-data", "w", "offset"),
    "external data shorter than its dims": (
        lambda: external(location="a", length="8"), "external-data", "w", "12 bytes",
    ),
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


def test_an_attribute_of_a_function_whose_name_is_no_utf8(tmp_path):
    head = '<opset_import: ["" : 22], domain: "f">'
    body = head + " one <AAAA: int = 1> (a) => (b) { b = Flatten <axis: int = @AAAA> (a) }"
    built = model(FLOATS, "y = f.one(x)", functions=body, domains=', "f" : 1')
    for letters in (b"AAAA", b"axis"):
        report = analysed_file(tmp_path, built.SerializeToString().replace(letters, b"\xff\xfe\x80A"))
        assert report.complete is (letters == b"AAAA")


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
