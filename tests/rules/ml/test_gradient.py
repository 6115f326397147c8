"""Gradient against backward passes that are followed number by number."""

from __future__ import annotations

from collections import Counter

import pytest
from build import model
from calls import make_call, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import elementwise, gradients
from oracles.checked import checks
from oracles.counting import Tally

from graphcost import analyze
from graphcost.results import Status

DOMAIN = "ai.onnx.preview.training"
DOMAINS = f', "{DOMAIN}": 1'
ARITY = {"Add": 2, "Mul": 2, "Sub": 2, "Neg": 1, "Exp": 1, "Tanh": 1}


def gradient(signature, *nodes, xs, y, zs=(), fed=None, outputs=None):
    """Return the cost of a Gradient in a graph of some nodes."""
    named = ", ".join(outputs or [f"d{x}" for x in xs])
    attributes = ", ".join(f"{name} = {list(found)}" for name, found in (("xs", xs), ("zs", zs)) if found)
    node = f'{named} = {DOMAIN}.Gradient <{attributes}, y = "{y}"> ({", ".join(fed or [*xs, *zs])})'.replace("'", '"')
    report = analyze(model(signature, *nodes, node, domains=DOMAINS))
    (found,) = [row.cost for row in report.rows if row.cost.node.op_type == "Gradient"]
    return found


def counts(cost):
    found = Counter()
    for term in cost.terms:
        found[term.arith] += term.count
    return found


def test_a_derivative_is_of_the_type_of_what_it_is_by():
    call = make_call("Gradient", ts(2, 3), ts(4), ts(5), domain=DOMAIN, opset=1, outputs=2, xs=["a", "b"], y="c")
    assert call.outputs == (ts(2, 3), ts(4))


@st.composite
def expressions(draw):
    """Draw nodes over a and b, each of which reads what stands before it: (operator, inputs)."""
    nodes = []
    for _ in range(draw(st.integers(1, 6))):
        op_type = draw(st.sampled_from(sorted(ARITY)))
        known = ["a", "b", *(f"v{place}" for place in range(len(nodes)))]
        nodes.append((op_type, [draw(st.sampled_from(known)) for _ in range(ARITY[op_type])]))
    return nodes


def backwards(nodes, xs, tally):
    """Follow a backward pass over one element of each value; return what is handed to each value."""
    found = {"a": 0.3, "b": 0.7}
    for place, (op_type, inputs) in enumerate(nodes):
        loop = elementwise.ORACLES[op_type].element
        found[f"v{place}"] = float(loop(*(Tally().number(found[name]) for name in inputs)))
    moving = set(xs)
    for place, (_, inputs) in enumerate(nodes):
        moving.update([f"v{place}"] if moving.intersection(inputs) else [])
    handed = {f"v{len(nodes) - 1}": tally.number(1.0)}
    for place, (op_type, inputs) in reversed(list(enumerate(nodes))):
        dy = handed.get(f"v{place}")
        for body, name in zip(gradients.ELEMENTWISE[op_type].bodies, inputs, strict=True):
            if dy is not None and name in moving:
                numbers = (tally.number(found[one]) for one in (*inputs, f"v{place}"))
                more = body(*numbers, dy)
                handed[name] = more if name not in handed else handed[name] + more
    return handed


@checks("Gradient", domain=DOMAIN)
@settings(max_examples=200, deadline=None)
@given(nodes=expressions(), xs=st.sampled_from((["a"], ["b"], ["a", "b"])))
def test_a_graph_of_elementwise_nodes(nodes, xs):
    tally, y = Tally(), f"v{len(nodes) - 1}"
    backwards(nodes, xs, tally)
    written = [f"v{place} = {op_type}({', '.join(inputs)})" for place, (op_type, inputs) in enumerate(nodes)]
    zs = [name for name in ("a", "b") if name not in xs]
    outputs = ", ".join(f"float[5] d{x}" for x in xs)
    cost = gradient(f"float[5] a, float[5] b => {outputs}, float[5] {y}", *written, xs=xs, zs=zs, y=y)
    assert counts(cost) == {arith: 5 * count for arith, count in tally.as_dict().items()}


def test_a_dense_layer_takes_a_product_for_each_factor():
    nodes = ("h = MatMul(x, w)", "s = Add(h, b)", "r = Relu(s)", "y = ReduceSum(r)")
    signature = "float[8,16] x, float[16,4] w, float[4] b => float y, float[16,4] dw, float[4] db"
    cost = gradient(signature, *nodes, xs=["w", "b"], zs=["x"], y="y")
    assert cost.status is Status.PRICED
    assert [(term.what, term.count) for term in cost.terms] == [
        ("Relu: x > 0 ? dy : 0", 8 * 4),
        ("Add: sum(dy)", 8 * 4 - 4),
        ("MatMul: d(A*B)/dB", 8 * 16 * 4),
    ]


def test_the_way_back_reads_what_lies_between_and_nobody_says_how_much():
    cost = gradient("float[2,3] x => float[2,3] y, float[2,3] dx", "y = Exp(x)", xs=["x"], y="y")
    assert (cost.read.low, cost.read.high, cost.written.low) == (24, None, 24)


def test_other_tensors_than_those_named_take_the_forward_pass_again():
    nodes = ("y = Mul(a, b)",)
    signature = "float[5] a, float[5] b, float[5] c => float[5] y, float[5] da"
    same = gradient(signature, *nodes, xs=["a"], zs=["b"], y="y")
    other = gradient(signature, *nodes, xs=["a"], zs=["b"], y="y", fed=["c", "b"])
    assert [term.what for term in same.terms] == ["Mul: dy * b"]
    assert [term.what for term in other.terms] == ["Mul: a * b", "Mul: dy * b"]


def test_a_value_between_ends_the_way():
    nodes = ("h = Exp(x)", "y = Mul(h, z)")
    cost = gradient(
        "float[5] x, float[5] z => float[5] y, float[5] dh", *nodes, xs=["h", "z"], y="y", outputs=["dh", ""]
    )
    assert [term.what for term in cost.terms] == ["Mul: dy * b"]


def test_no_derivative_flows_through_integers_or_steps():
    nodes = ("i = Cast<to=7>(x)", "t = Gather(w, i)", "f = Floor(x)", "y = Add(t, f)")
    cost = gradient("float[3] x, float[9] w => float[3] y, float[3] dx", *nodes, xs=["x"], zs=["w"], y="y")
    assert (cost.status, cost.terms) == (Status.FREE, ())


@pytest.mark.parametrize(
    ("nodes", "y", "said"),
    [
        (("y = Det(x)",), "y", "the gradient of Det is not known"),
        (("y = Exp(x)",), "q", "no node of this graph computes 'q'"),
    ],
)
def test_what_is_not_known_is_unknown_and_says_why(nodes, y, said):
    cost = gradient("float[3,3] x => float[3,3] dx", *nodes, xs=["x"], y=y)
    assert (cost.status, cost.terms) == (Status.UNKNOWN, ())
    assert said in cost.reason


BRANCHES = """y = If (c) <then_branch = a () => (float[3] t) { t = Exp(x) },
                        else_branch = b () => (float[3] e) { e = Neg(x) }>"""


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ((BRANCHES,), "the gradient of If is not known"),
        (("s = SequenceConstruct(x, x)", "y = ConcatFromSequence<axis=0>(s)"), "gradient of ConcatFromSequence"),
        (("o = other.Op(x)", "y = Neg(o)"), "the shape of Y, ?[...], is not known"),
    ],
)
def test_a_way_that_can_not_be_followed_is_no_zero(nodes, said):
    node = f'dx = {DOMAIN}.Gradient <xs = ["x"], zs = ["c"], y = "y"> (x, c)'
    domains = DOMAINS + ', "other": 1'
    report = analyze(model("float[3] x, bool c => float[3] dx", *nodes, node, domains=domains))
    (cost,) = [row.cost for row in report.rows if row.cost.node.op_type == "Gradient"]
    assert (cost.status, cost.terms) == (Status.UNKNOWN, ())
    assert said in cost.reason


@pytest.mark.parametrize(("as_dtype", "dtypes"), [("fp16", {"float16"}), (None, {"float32"})])
def test_another_type_is_taken_for_the_way_back_too(as_dtype, dtypes):
    node = f'dx = {DOMAIN}.Gradient <xs = ["x"], y = "y"> (x)'
    proto = model("float[3] x => float[3] dx", "h = Exp(x)", "y = Mul(h, x)", node, domains=DOMAINS)
    (cost,) = [row.cost for row in analyze(proto, as_dtype=as_dtype).rows if row.cost.node.op_type == "Gradient"]
    assert {term.dtype.value for term in cost.terms} == dtypes


def test_as_integers_there_is_no_derivative_and_no_zero():
    node = f'dx = {DOMAIN}.Gradient <xs = ["x"], y = "y"> (x)'
    proto = model("float[3] x => float[3] dx", "y = Exp(x)", node, domains=DOMAINS)
    (cost,) = [row.cost for row in analyze(proto, as_dtype="int8").rows if row.cost.node.op_type == "Gradient"]
    assert (cost.status, cost.reason) == (Status.UNKNOWN, "there is no derivative by int8[3]")


def test_a_gradient_of_a_gradient_is_unknown():
    first = f'g = {DOMAIN}.Gradient <xs = ["x"], y = "y"> (x)'
    report = analyze(
        model(
            "float[3] x => float[3] dg",
            "y = Exp(x)", first, f'dg = {DOMAIN}.Gradient <xs = ["x"], y = "g"> (x)',
            domains=DOMAINS,
        )
    )  # fmt: skip
    assert "the gradient of ai.onnx.preview.training.Gradient is not known" in report.rows[-1].cost.reason


def test_the_order_of_the_nodes_does_not_matter():
    """Gradient reads the ends alone, so that it can stand before the nodes that it derives."""
    nodes = [f'dx = {DOMAIN}.Gradient <xs = ["x"], y = "y"> (x)', "h = Exp(x)", "y = Mul(h, x)"]
    found = []
    for order in (nodes, nodes[::-1], nodes[1:] + nodes[:1]):
        report = analyze(model("float[3] x => float[3] y, float[3] dx", *order, domains=DOMAINS))
        found += [counts(row.cost) for row in report.rows if row.cost.node.op_type == "Gradient"]
    assert found[0] == found[1] == found[2]
    assert sum(found[0].values()) == 4 * 3
