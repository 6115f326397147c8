"""A ModelProto and a file become the same nouns; what a file leaves out is mended."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from build import model
from onnx import TensorProto, helper, numpy_helper

from graphcost import SourceError
from graphcost.load import load
from graphcost.load import onnx as reader
from graphcost.types import DType, TensorType

F2 = TensorType(DType.FLOAT32, (2,))


def test_the_nouns_of_a_model():
    loaded = load(
        model(
            "float[2] x => float[2] y <float[2] w = {1, 2}, float[2] unread>",
            "[first] a = Add(x, w)",
            "y = LeakyRelu <alpha = 0.5> (a)",
            domains=', "f" : 3',
        )
    )
    assert (loaded.name, loaded.inputs, loaded.outputs, loaded.opsets) == ("g", ("x",), ("y",), {"": 22, "f": 3})
    assert [(one.name, one.op_type, one.inputs, one.outputs, one.attributes) for one in loaded.nodes] == [
        ("first", "Add", ("x", "w"), ("a",), {}),
        ("", "LeakyRelu", ("a",), ("y",), {"alpha": 0.5}),
    ]
    roles = {name: value.role for name, value in loaded.values.items()}
    assert roles == {"x": "input", "y": "computed", "w": "initializer", "unread": "initializer"}
    assert (loaded.values["w"].type, loaded.values["w"].stored_bytes) == (F2, 8)
    assert loaded.values["w"].constant.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["mlp", "mnist_cnn", "bilstm", "transformer_block"])
def test_a_file_and_its_proto_are_the_same_model(name):
    path = f"models/{name}.onnx"
    file, proto = load(path), load(onnx.load(path))
    assert (file.format, proto.format) == ("onnx", "proto")
    assert [(one.op_type, one.inputs, one.outputs) for one in file.nodes] == [
        (one.op_type, one.inputs, one.outputs) for one in proto.nodes
    ]
    assert {one: (it.type, it.stored_bytes) for one, it in file.values.items()} == {
        one: (it.type, it.stored_bytes) for one, it in proto.values.items()
    }


def test_an_initializer_that_is_an_input_too_is_no_input():
    built = model("float[2] x => float[2] y <float[2] w>", "y = Add(x, w)")
    built.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [2]))
    assert load(built).inputs == ("x",)


def test_a_sparse_initializer_has_the_size_of_what_is_stored():
    values = numpy_helper.from_array(np.ones(3, np.float32), "w")
    indices = numpy_helper.from_array(np.arange(3))
    built = model("float[2] x => float[2] y", "y = Add(x, x)")
    built.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [100, 100]))
    found = load(built).values["w"]
    assert (found.type.shape, found.stored_bytes) == ((100, 100), 3 * 4 + 3 * 8)


def test_the_other_name_of_the_default_domain_means_the_same():
    built = model("float[2] x => float[2] y", "y = Relu(x)")
    built.graph.node[0].domain = "ai.onnx"
    built.opset_import[0].domain = "ai.onnx"
    loaded = load(built)
    assert (loaded.nodes[0].domain, loaded.nodes[0].opset, loaded.opsets, loaded.findings) == ("", 22, {"": 22}, ())
    assert built.graph.node[0].domain == "ai.onnx"


def test_optional_outputs_that_nobody_reads_are_left_out():
    loaded = load(model("float[2] x => float[2] y", "y, mask = Dropout(x)", "a, b = Split <num_outputs = 2> (y)"))
    assert [node.outputs for node in loaded.nodes] == [("y", ""), ("a", "b")]


def test_optional_outputs_that_a_body_reads_are_kept():
    branch = (
        "If(c) <then_branch = t () => (bool a) { a = Not(mask) }, else_branch = e () => (bool b) { b = Identity(c) }>"
    )
    loaded = load(model("float[2] x, bool c => float[2] y", "y, mask = Dropout(x)", f"z = {branch}"))
    assert loaded.nodes[0].outputs == ("y", "mask")


def test_a_node_captures_what_its_bodies_read_from_outside():
    inner = (
        "If(c) <then_branch = u () => (float d) { d = Add(x, own) }, else_branch = v () => (float e) { e = Neg(z) }>"
    )
    then = f"t () => (float a) {{ own = Exp(x) a = {inner} }}"
    loaded = load(
        model(
            "float x, float z, bool c => float y",
            f"y = If(c) <then_branch = {then}, else_branch = e () => (float b) {{ b = Neg(x) }}>",
        )
    )
    assert set(loaded.nodes[0].captures) == {"x", "z", "c"}
    assert loaded.nodes[0].subgraphs.keys() == {"then_branch", "else_branch"}


FUNCTION = """<opset_import: ["" : 18], domain: "f"> one <axis: int = 0, alpha> (a, b) => (c) {
    d = Softmax <axis: int = @axis> (a)
    e = LeakyRelu <alpha: float = @alpha> (d)
    c = Clip(e, b)
}"""


def function(call="y = f.one(x)"):
    loaded = load(model("float[2] x => float[2] y", call, functions=FUNCTION, domains=', "f" : 1'))
    return loaded.functions["f", "one", ""], loaded.nodes[0]


def test_a_function_has_its_own_opsets_and_defaults():
    one, _ = function()
    assert (one.name, one.domain, one.opsets) == ("one", "f", {"": 18})
    assert [node.opset for node in one.graph.nodes] == [18] * 3
    assert one.defaults.keys() == {"axis"}
    assert (one.graph.inputs, one.graph.outputs) == (("a", "b"), ("c",))


def test_a_call_binds_attributes_or_their_defaults_and_drops_those_without():
    one, node = function("y = f.one <alpha = 0.5> (x)")
    bound = reader.bind(one, node.proto.attribute, {"b"}).nodes
    assert [one.attributes for one in bound] == [{"axis": 0}, {"alpha": 0.5}, {}]
    assert bound[2].inputs == ("e", "")
    one, node = function("y = f.one <axis = 1> (x)")
    bound = reader.bind(one, node.proto.attribute, {"b"}).nodes
    assert [one.attributes for one in bound] == [{"axis": 1}, {}, {}]


def test_a_call_binds_attributes_inside_bodies():
    branch = "{0} () => (float {0}) {{ {0} = LeakyRelu <alpha: float = @alpha> (a) }}"
    body = f"""<opset_import: ["" : 18], domain: "f"> one <alpha> (a, q) => (c) {{
        c = If(q) <then_branch = {branch.format("t")}, else_branch = {branch.format("e")}>
    }}"""
    loaded = load(
        model("float x, bool q => float y", "y = f.one <alpha = 0.5> (x, q)", functions=body, domains=', "f" : 1')
    )
    bound = reader.bind(loaded.functions["f", "one", ""], loaded.nodes[0].proto.attribute, ())
    assert [body.nodes[0].attributes for body in bound.nodes[0].subgraphs.values()] == [{"alpha": 0.5}] * 2


def test_what_refers_to_nothing_is_kept_as_it_is():
    one, _ = function()
    untouched = load(model("float x => float y", "y = Relu(x)")).nodes
    plain = type(one)(
        "p", "f", "", type(one.graph)(name="p", inputs=("x",), outputs=("y",), nodes=untouched, values={}), {}, {}
    )
    assert reader.bind(plain, (), ()).nodes[0] is untouched[0]


IMPORTS = {
    "the highest of several": ([("", 11), ("", 17), ("ai.onnx", 13)], {"": 17}),
    "the newest of those that are missing": ([("f", 2)], {"f": 2, "": onnx.defs.onnx_opset_version()}),
    "none that can't be one": ([("", 0), ("f", -1)], {"": onnx.defs.onnx_opset_version()}),
}


@pytest.mark.parametrize("case", IMPORTS)
def test_imports(case):
    pairs, expected = IMPORTS[case]
    built = model("float x => float y", "y = Relu(x)")
    del built.opset_import[:]
    built.opset_import.extend(helper.make_opsetid(*pair) for pair in pairs)
    loaded = load(built)
    assert loaded.opsets == expected
    assert loaded.nodes[0].opset == expected[""]
    assert [one.code for one in loaded.findings] == ["opset-import"]


def test_imports_that_a_function_lacks_are_mended():
    body = '<opset_import: ["f" : 1], domain: "f"> one (a) => (b) { b = Relu(a) }'
    loaded = load(model("float x => float y", "y = f.one(x)", functions=body, domains=', "f" : 1'))
    assert loaded.functions["f", "one", ""].graph.nodes[0].opset == onnx.defs.onnx_opset_version()
    assert [(one.code, "function 'one'" in one.message) for one in loaded.findings] == [("opset-import", True)]


EXTERNAL = TensorProto(
    name="w", dims=[3], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL,
    external_data=[onnx.StringStringEntryProto(key="location", value="../w")],
)  # fmt: skip


def in_a_constant():
    built = model("float[3] x => float[3] y", "w = Constant <value_int = 1> ()", "y = Add(x, w)")
    built.graph.node[0].attribute[0].CopyFrom(helper.make_attribute("value", EXTERNAL))
    return built


def in_a_body():
    branch = "{0} () => (float[3] {0}) {{ {0} = Add(x, w) }}"
    built = model(
        "float[3] x, bool c => float[3] y",
        f"y = If(c) <then_branch = {branch.format('a')}, else_branch = {branch.format('b')}>",
    )
    for one in built.graph.node[0].attribute:
        one.g.initializer.append(EXTERNAL)
    del built.graph.node[0].attribute[1].g.initializer[:]
    built.graph.node[0].attribute[1].g.node[0].input[1] = "x"
    return built


def in_a_function():
    body = '<opset_import: ["" : 22], domain: "f"> one (a) => (b) { w = Constant <value_int = 1> () b = Add(a, w) }'
    built = model("float[3] x => float[3] y", "y = f.one(x)", functions=body, domains=', "f" : 1')
    built.functions[0].node[0].attribute[0].CopyFrom(helper.make_attribute("value", EXTERNAL))
    return built


@pytest.mark.parametrize("build", [in_a_constant, in_a_body, in_a_function])
def test_external_data_is_judged_wherever_it_is(build):
    found = [one for one in load(build()).findings if one.code == "external-data"]
    assert [one.where for one in found] == ["w"]


TEXT = '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { y = Relu(x) }'
NO_TEXT = {
    "broken": (TEXT.replace("=>", "->"), "can't be read as ONNX text"),
    "a number beyond all": (TEXT.replace("17", "9" * 40), "can't be read as ONNX text"),
    "a float beyond all": (TEXT.replace("Relu", "Elu <alpha = 1e999> "), "can't be read as ONNX text"),
    "deeper than a stack": (
        TEXT.replace("float[2] x", "seq(" * 100_000 + "float[2]" + ")" * 100_000 + " x"),
        "deeper than 200",
    ),
    "deeper than protobuf": (TEXT.replace("float[2] x", "seq(" * 150 + "float[2]" + ")" * 150 + " x"), "can't be read"),
    "hidden depth": (
        TEXT.replace("{ y", '{ a = R <b = "}}}}"> (x) y' + " y = If(x) < t = g () => (float z) {" * 500),
        "deeper than 200",
    ),
}


@pytest.mark.parametrize("case", NO_TEXT)
def test_text_that_is_no_model_is_refused(case, tmp_path):
    text, message = NO_TEXT[case]
    path = tmp_path / "model.onnxtxt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=message):
        load(path)


def test_text_is_read(tmp_path):
    path = tmp_path / "model.onnxtxt"
    path.write_text(TEXT, encoding="utf-8")
    assert (load(path).format, [node.op_type for node in load(path).nodes]) == ("onnxtxt", ["Relu"])


@pytest.mark.parametrize("source", [None, 3, b"model.onnx", object(), onnx.GraphProto()])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(SourceError, match=r"wants a path or an onnx\.ModelProto"):
        load(source)
