"""What a model as a whole must be, beyond what test_hostile.py refuses."""

from __future__ import annotations

import pytest
from build import model
from onnx import TensorProto, helper

from graphcost.errors import InvalidModelError
from graphcost.load import load

BRANCHES = "y = If(c) <then_branch = t () => (float a) {{ {} }}, else_branch = e () => (float b) {{ {} }}>"
SOUND = {
    "a body reads an outer value": model("bool c, float x => float y", BRANCHES.format("a = Relu(x)", "b = Neg(x)")),
    "a body reads a value of two graphs further out": model(
        "bool c, float x => float y",
        BRANCHES.format("a = If(c) <then_branch = u () => (float d) { d = Relu(x) }, else_branch = v () => (float e) "
                        "{ e = Neg(x) }>", "b = Neg(x)"),
    ),
    "two bodies use one name": model(
        "bool c, float x => float y", BRANCHES.format("a = Relu(x)", "a = Exp(x) b = Neg(a)")
    ),
    "a body shadows an outer value": model("bool c, float a => float y", BRANCHES.format("a = Relu(a)", "b = Neg(a)")),
    "optional inputs are left out": model("float x => float y", "y = Clip(x, , )"),
    "an initializer that nobody names as an input": model("float[2] x => float[2] y <float[2] w>", "y = Add(x, w)"),
    "an output is an input": model("float x => float x", "y = Relu(x)"),
}  # fmt: skip


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_model_is_accepted(case):
    assert load(SOUND[case]).nodes


BODIES = {
    "a value of the other branch": (BRANCHES.format("a = Relu(x) s = Exp(x)", "b = Neg(s)"), "reads 's'"),
    "two writers in a branch": (BRANCHES.format("a = Relu(x) a = Exp(x)", "b = Neg(x)"), "'a': wants one writer.*'t'"),
    "an output of a branch that nobody writes": (BRANCHES.format("s = Relu(x)", "b = Neg(x)"), "reads 'a'"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_is_checked_like_a_graph(case):
    node, message = BODIES[case]
    with pytest.raises(InvalidModelError, match=message):
        load(model("bool c, float x => float y", node))


FUNCTIONS = {
    "a dangling input": ("{ y = Add(x, w) }", "Add-22 'y': reads 'w'"),
    "two writers": ("{ y = Relu(x) y = Neg(x) }", "'y': wants one writer, has 2 in graph 'one'"),
    "an output that nobody writes": ("{ z = Relu(x) }", "output 'y' of graph 'one'"),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_a_function_is_checked_like_a_graph(case):
    body, message = FUNCTIONS[case]
    one = f'<opset_import: ["" : 22], domain: "f"> one (x) => (y) {body}'
    with pytest.raises(InvalidModelError, match=message):
        load(model("float x => float y", "y = f.one(x)", functions=one, domains=', "f" : 1'))


def test_functions_may_share_others():
    """a calls b and c, both call d: no circle."""
    one = '<opset_import: ["" : 22, "f" : 1], domain: "f"> {} (x) => (y) {{ {} }}'
    functions = [
        one.format("d", "y = Relu(x)"),
        one.format("b", "y = f.d(x)"),
        one.format("c", "y = f.d(x)"),
        one.format("a", "z = f.b(x) y = f.c(z)"),
    ]
    loaded = load(model("float x => float y", "y = f.a(x)", functions="\n".join(functions), domains=', "f" : 1'))
    assert len(loaded.functions) == 4


def test_a_circle_through_a_body_is_found():
    one = (
        '<opset_import: ["" : 22, "f" : 1], domain: "f"> a (x, c) => (y) { '
        + BRANCHES.format("a = f.a(x, c)", "b = Relu(x)")
        + " }"
    )
    with pytest.raises(InvalidModelError, match="'a': calls itself, directly"):
        load(model("float x, bool c => float y", "y = f.a(x, c)", functions=one, domains=', "f" : 1'))


def test_overloads_of_a_function_are_told_apart():
    imports = [helper.make_opsetid("", 22)]
    built = model("float x => float y", "y = f.one(x)", domains=', "f" : 1')
    for overload, op_type in (("", "Relu"), ("two", "Exp")):
        nodes = [helper.make_node(op_type, ["x"], ["y"])]
        built.functions.append(helper.make_function("f", "one", ["x"], ["y"], nodes, imports, overload=overload))
    assert {key[2] for key in load(built).functions} == {"", "two"}


def test_a_node_name_that_stands_twice_is_one_finding():
    loaded = load(
        model("float x => float y", "[n] a = Relu(x)", "[n] b = Relu(a)", "[m] c = Relu(b)", "[m] y = Relu(c)")
    )
    assert [(one.code, one.where) for one in loaded.findings] == [("duplicate-name", "n")]


def test_an_initializer_that_only_a_body_reads_is_used():
    loaded = load(model("bool c => float y <float[2] w>", BRANCHES.format("a = Relu(w)", "b = Neg(w)")))
    assert loaded.findings == ()


def test_a_doubled_input_is_refused():
    built = model("float x => float y", "y = Relu(x)")
    built.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, []))
    with pytest.raises(InvalidModelError, match="'x': wants one writer, has 2"):
        load(built)
