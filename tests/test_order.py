"""Nodes run in an order in which each finds its inputs, have an id each, and values live from writer to last reader."""

from __future__ import annotations

import onnx
import pytest
from build import model
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from strategies import models

from graphcost.errors import InvalidModelError
from graphcost.load import load
from graphcost.order import ids, last_reads, sort

few = settings(deadline=None, max_examples=60)


def runs(graph):
    """Return whether every node finds its inputs where it stands."""
    there = {*graph.inputs, *(name for name, value in graph.values.items() if value.role == "initializer")}
    for node in graph.nodes:
        if not there.issuperset(filter(None, (*node.inputs, *node.captures))):
            return False
        there.update(node.outputs)
    return True


@given(models(), st.randoms(use_true_random=False))
@few
def test_shuffled_nodes_are_sorted(built, dice):
    nodes = dice.sample([*built.graph.node], len(built.graph.node))
    del built.graph.node[:]
    built.graph.node.extend(nodes)
    found = sort(load(built))
    assert runs(found)
    assert sorted(node.outputs for node in found.nodes) == sorted(tuple(node.output) for node in nodes)


@given(models())
@few
def test_nodes_in_order_stay_as_they_are(built):
    loaded = load(built)
    assert sort(loaded) is loaded


def test_nodes_keep_their_order_as_far_as_possible():
    loaded = sort(
        load(
            model("float[2] x => float[2] y", "y = Relu(d)", "a = Abs(x)", "b = Neg(a)", "c = Exp(a)", "d = Add(b, c)")
        )
    )
    assert [node.outputs[0] for node in loaded.nodes] == ["a", "b", "c", "d", "y"]
    assert [one.code for one in loaded.findings] == ["unsorted"]


def test_functions_are_sorted_too():
    body = '<opset_import: ["" : 22], domain: "f"> one (a) => (c) { c = Relu(b) b = Neg(a) }'
    found = sort(load(model("float[2] x => float[2] y", "y = f.one(x)", functions=body, domains=', "f" : 1')))
    assert [node.op_type for node in found.functions["f", "one", ""].graph.nodes] == ["Neg", "Relu"]
    assert [one.code for one in found.findings] == ["unsorted"]


def test_a_long_circle_is_named_in_short():
    nodes = [helper.make_node("Relu", [f"v{i}"], [f"v{(i + 1) % 5000}"]) for i in range(5000)]
    outputs = [helper.make_tensor_value_info("v0", TensorProto.FLOAT, None)]
    loaded = load(helper.make_model(helper.make_graph(nodes, "g", [], outputs)))
    with pytest.raises(InvalidModelError, match="5000 in all") as caught:
        sort(loaded)
    assert len(str(caught.value)) < 300


IDS = {
    "names": ([("a", "x"), ("b", "y")], ["a", "b"]),
    "no names": ([("", "x"), ("", "y")], ["x", "y"]),
    "doubled names": ([("n", "x"), ("n", "y")], ["x", "y"]),
    "an output that is another's name": ([("", "n"), ("n", "y")], ["n#0", "n"]),
    "what the way out gives is taken too": ([("n#1", "a"), ("", "n"), ("n", "b")], ["n#1", "n#1#1", "n"]),
    "no outputs": ([("", ""), ("", "")], ["Relu", "Relu#1"]),
}


@pytest.mark.parametrize("case", IDS)
def test_ids(case):
    pairs, expected = IDS[case]
    nodes = [helper.make_node("Relu", ["i"], [output], name=name) for name, output in pairs]
    inputs = [helper.make_tensor_value_info("i", TensorProto.FLOAT, [2])]
    assert list(ids(load(helper.make_model(helper.make_graph(nodes, "g", inputs, []))))) == expected


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b", "a#1", "c"]), st.booleans()), max_size=8))
@few
def test_ids_are_unique(drawn):
    nodes = [
        helper.make_node("Relu", ["i"], ["ab#1c"[i] if named and i < 5 else f"v{i}"], name=name)
        for i, (name, named) in enumerate(drawn)
    ]
    graph = onnx.GraphProto(node=nodes, input=[helper.make_tensor_value_info("i", TensorProto.FLOAT, [2])])
    found = ids(load(onnx.ModelProto(graph=graph)))
    assert len(set(found)) == len(drawn)


@given(models())
@few
def test_a_value_lives_until_the_last_node_that_reads_it(built):
    loaded = load(built)
    found = last_reads(loaded)
    for name in [*loaded.inputs, *(name for node in loaded.nodes for name in node.outputs)]:
        expected = [step for step, node in enumerate(loaded.nodes) if name in (*node.inputs, *node.captures)]
        if name in loaded.outputs:
            expected.append(len(loaded.nodes))  # beyond the last node
        assert found.get(name) == max(expected, default=None)
