"""The graph of operators is what networkx makes of the same edges; traversals agree with going every way there is."""

from __future__ import annotations

import networkx as nx
import pytest
from build import model
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from graphcost import graph as graphs
from graphcost.errors import UsageError
from graphcost.load import load

few = settings(deadline=None, max_examples=50)


@st.composite
def drawn(draw):
    """Draw an acyclic graph: an edge leads from a number to a greater one."""
    size = draw(st.integers(1, 9))
    pairs = [(one, two) for two in range(size) for one in range(two)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    found = nx.DiGraph(edges)
    found.add_nodes_from(range(size))
    return found


def modelled(found):
    """Return a model with a Sum per node, over the nodes before it or the input; unread ones are outputs."""
    nodes = [
        helper.make_node("Sum", [f"v{one}" for one in sorted(found.pred[key])] or ["x"], [f"v{key}"], name=f"n{key}")
        for key in sorted(found)
    ]
    outputs = [
        helper.make_tensor_value_info(f"v{key}", TensorProto.FLOAT, None) for key in found if not found.succ[key]
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])]
    return load(helper.make_model(helper.make_graph(nodes, "g", inputs, outputs)))


def number(key):
    return int(key[1:])


def numbers(keys):
    return {number(key) for key in keys if isinstance(key, str)}


@given(drawn())
@few
def test_an_edge_carries_the_values_that_one_operator_gives_to_another(expected):
    found = graphs.operators(modelled(expected))
    edges = {(number(one), number(two)) for one, two in found.edges if {type(one), type(two)} == {str}}
    assert edges == set(expected.edges)
    assert all(found.edges[f"n{one}", f"n{two}"]["values"] == (f"v{one}",) for one, two in expected.edges)
    assert {number(key) for key in found.succ["input", "x"]} == {key for key in expected if not expected.pred[key]}
    assert {key[1] for key in found if key[0] == "output"} == {f"v{key}" for key in expected if not expected.succ[key]}


@given(drawn())
@few
def test_predecessors_and_everything_before(expected):
    found = graphs.operators(modelled(expected))
    for key in expected:
        assert numbers(found.predecessors(f"n{key}")) == set(expected.predecessors(key))
        assert numbers(nx.ancestors(found, f"n{key}")) == nx.ancestors(expected, key)
        assert numbers(nx.descendants(found, f"n{key}")) == nx.descendants(expected, key)


@given(drawn(), st.data())
@few
def test_between_two_values_are_the_nodes_on_all_ways(expected, data):
    one, two = data.draw(st.tuples(*[st.sampled_from(sorted(expected))] * 2))
    found = graphs.between(graphs.operators(modelled(expected)), f"v{one}", f"v{two}")
    ways = nx.all_simple_paths(expected, one, two) if one != two else []
    assert numbers(found) == {key for way in ways for key in way if key != one}


def test_between_the_input_and_a_value_is_all_that_leads_there():
    found = graphs.operators(modelled(nx.DiGraph([(0, 2), (1, 2), (2, 3), (1, 4)])))
    assert numbers(graphs.between(found, "x", "v2")) == {0, 1, 2}


def test_between_unknown_values_is_refused():
    found = graphs.operators(modelled(nx.path_graph(2, nx.DiGraph)))
    with pytest.raises(UsageError, match="no value 'nowhere'"):
        graphs.between(found, "nowhere", "v1")


@given(drawn())
@few
def test_the_longest_chain_is_as_long_as_networkx_says_and_leads_from_the_input_to_an_output(expected):
    chain = graphs.longest_chain(graphs.operators(modelled(expected)))
    assert len(chain) - 2 == nx.dag_longest_path_length(expected) + 1
    assert (chain[0], chain[-1][0]) == (("input", "x"), "output")
    assert nx.is_path(graphs.operators(modelled(expected)), chain)


@given(drawn(), st.data())
@few
def test_no_way_costs_more_than_the_critical_path(expected, data):
    cost = {f"n{key}": data.draw(st.integers(0, 9)) for key in expected}
    found = graphs.operators(modelled(expected))
    path = graphs.critical_path(found, cost.__getitem__)
    ways = (way for key in found if key[0] == "output" for way in nx.all_simple_paths(found, ("input", "x"), key))
    assert sum(cost.get(key, 0) for key in path) == max(sum(cost.get(key, 0) for key in way) for way in ways)


def test_nodes_are_found_by_operator_and_by_name():
    found = graphs.operators(
        load(model("float[2] x => float[2] y", "[a1] a = Relu(x)", "[b1] b = Neg(a)", "y = Relu(b)"))
    )
    assert graphs.by_operator(found, "Relu") == ["a1", "y"]
    assert graphs.by_name(found, "1$") == ["a1", "b1"]


def test_an_operator_reads_what_its_bodies_read():
    branch = "g () => (float[2] {0}) {{ {0} = {1}(a) }}"
    built = model(
        "float[2] x, bool c => float[2] y",
        "a = Relu(x)",
        f"y = If(c) <then_branch = {branch.format('t', 'Exp')}, else_branch = {branch.format('e', 'Neg')}>",
    )
    found = graphs.operators(load(built))
    assert found.edges["a", "y"]["values"] == ("a",)
    assert set(found.predecessors("y")) == {"a", ("input", "c")}


@given(drawn())
@few
def test_operators_and_values_alternate_and_edges_know_their_place(expected):
    found = graphs.bipartite(modelled(expected))
    assert nx.is_bipartite(found)
    for key in expected:
        read = sorted(found.in_edges(("operator", f"n{key}"), keys=True), key=lambda edge: edge[2])
        assert [name for (_, name), _, _ in read] == [f"v{one}" for one in sorted(expected.pred[key])] or ["x"]
        assert list(found.out_edges(("operator", f"n{key}"), keys=True)) == [
            (("operator", f"n{key}"), ("value", f"v{key}"), 0)
        ]


def test_a_value_that_is_read_twice_has_two_edges():
    found = graphs.bipartite(load(model("float[2] x => float[2] y", "y = Add(x, x)")))
    assert found.number_of_edges(("value", "x"), ("operator", "y")) == 2
