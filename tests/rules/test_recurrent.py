"""RNN, LSTM and GRU against loops that count."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cells
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed

from graphcost.errors import NodeError
from graphcost.rules.recurrent import ACTIVATIONS
from graphcost.terms import Arith
from graphcost.types import DType

INPUTS = {
    "RNN": ["X", "W", "R", "B", "sequence_lens", "initial_h"],
    "GRU": ["X", "W", "R", "B", "sequence_lens", "initial_h"],
    "LSTM": ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"],
}
OPERATORS = st.sampled_from(sorted(INPUTS))
OWN_FLAG = {"GRU": "linear_before_reset", "LSTM": "input_forget"}


def shapes(op_type, *, steps=2, batch=3, inputs=4, hidden=5, directions=1, layout=0):
    """Return the shape of each input, as the specification has it."""
    gates = cells.GATES[op_type]
    state = (batch, directions, hidden) if layout else (directions, batch, hidden)
    return {
        "X": (batch, steps, inputs) if layout else (steps, batch, inputs),
        "W": (directions, gates * hidden, inputs),
        "R": (directions, gates * hidden, hidden),
        "B": (directions, 2 * gates * hidden),
        "sequence_lens": (batch,),
        "initial_h": state,
        "initial_c": state,
        "P": (directions, 3 * hidden),
    }


def call_of(op_type, shapes_given, outputs=1, **said):
    types = {name: ts(*shape) for name, shape in shapes_given.items()}
    if "sequence_lens" in types:
        types["sequence_lens"] = ts(*shapes_given["sequence_lens"], dtype=DType.INT32)
    return make_call(op_type, *(types.get(name) for name in INPUTS[op_type]), outputs=outputs, **said)


@st.composite
def cases(draw):
    """The operator, a tally, the inputs by name, and the attributes that onnx's reference understands as well."""
    op_type, tally = draw(OPERATORS), Tally()
    direction, layout = draw(st.sampled_from(("forward", "reverse", "bidirectional"))), draw(st.integers(0, 1))
    steps, batch = draw(st.sampled_from((1, 2, 3, 0))), draw(st.sampled_from((1, 2, 0)))
    sizes = {"steps": steps, "batch": batch, "inputs": draw(st.integers(1, 3)), "hidden": draw(st.integers(1, 3))}
    wanted = shapes(op_type, **sizes, directions=1 + (direction == "bidirectional"), layout=layout)
    optional = {name for name in INPUTS[op_type][3:] if draw(st.booleans())}
    inputs = {name: tally.some(*wanted[name]) for name in INPUTS[op_type] if name in {"X", "W", "R"} | optional}
    said = {"direction": direction, "layout": layout, "hidden_size": sizes["hidden"]}
    if op_type == "GRU":
        said["linear_before_reset"] = draw(st.integers(0, 1))
    return op_type, tally, inputs, said


@st.composite
def further_attributes(draw, op_type, direction):
    """The attributes that onnx's reference takes no notice of."""
    said = {"clip": 0.5} if draw(st.booleans()) else {}
    if op_type == "LSTM":
        said["input_forget"] = draw(st.integers(0, 1))
    if draw(st.booleans()):
        wanted = len(cells.DEFAULTS[op_type]) * (1 + (direction == "bidirectional"))
        said["activations"] = [draw(st.sampled_from(sorted(cells.ACTIVATIONS))) for _ in range(wanted)]
    return said


@checks(*INPUTS)
@given(cases(), st.data())
@settings(max_examples=600, deadline=None)
def test_a_recurrent_layer_counts_what_the_loop_does(case, data):
    op_type, tally, inputs, said = case
    said |= data.draw(further_attributes(op_type, said["direction"]))
    cells.run(tally, op_type, inputs, said)
    assert counts(call_of(op_type, {name: one.shape for name, one in inputs.items()}, **said)) == tally.as_dict()


@given(cases().filter(lambda case: case[2]["X"].size and "sequence_lens" not in case[2]))
@settings(max_examples=200, deadline=None)
def test_the_loops_compute_the_operators(case):
    op_type, tally, inputs, said = case
    y = cells.run(tally, op_type, inputs, said)
    plain = [values(inputs[name]) if name in inputs else None for name in INPUTS[op_type]]
    np.testing.assert_allclose(values(y), computed(op_type, plain, 22, **said)[0], atol=1e-12)


@pytest.mark.parametrize("name", sorted(cells.ACTIVATIONS))
def test_an_activation_of_the_table_counts_what_its_loop_does(name):
    tally = Tally()
    cells.ACTIVATIONS[name](tally.number(0.3))
    assert sorted(tally.counts.elements(), key=str) == sorted(ACTIVATIONS[name], key=str)


def test_the_table_has_the_activations_of_the_specification():
    assert set(ACTIVATIONS) == set(cells.ACTIVATIONS)


@pytest.mark.parametrize("op_type", sorted(INPUTS))
@pytest.mark.parametrize("opset", [1, 3, 7, 14, 22])
def test_every_version_of_the_operators_counts_alike(op_type, opset):
    wanted = [ts(*shapes(op_type)[name]) for name in ("X", "W", "R", "B")]
    newest = make_call(op_type, *wanted, outputs=2)
    assert counts(make_call(op_type, *wanted, outputs=2, opset=opset)) == counts(newest)


@pytest.mark.parametrize("op_type", sorted(INPUTS))
def test_no_output_is_needed_and_none_costs_more(op_type):
    wanted = {name: shapes(op_type)[name] for name in ("X", "W", "R")}
    assert counts(call_of(op_type, wanted, outputs=0)) == counts(call_of(op_type, wanted, outputs=2))


def test_lstm_with_every_term():
    call = call_of("LSTM", shapes("LSTM", steps=2, batch=3, inputs=4, hidden=5), clip=1.0)
    hidden = 2 * 3 * 5
    assert [(term.what, term.arith, term.count) for term in terms(call)] == [
        ("X*W", Arith.MAC, hidden * 4 * 4),
        ("H*R", Arith.MAC, hidden * 4 * 5),
        ("+ Wb", Arith.ADD, hidden * 4),
        ("+ Rb", Arith.ADD, hidden * 4),
        ("P (.) C", Arith.MUL, hidden * 3),
        ("+ P (.) C", Arith.ADD, hidden * 3),
        ("clip", Arith.CMP, hidden * 5 * 2),
        *(("f = Sigmoid", arith, hidden * 3) for arith in (Arith.SIGN, Arith.EXP, Arith.ADD, Arith.DIV)),
        ("g = Tanh", Arith.TANH, hidden),
        ("h = Tanh", Arith.TANH, hidden),
        ("ft (.) Ct-1 + it (.) ct", Arith.MUL, hidden * 2),
        ("ft (.) Ct-1 + it (.) ct", Arith.ADD, hidden),
        ("ot (.) h(Ct)", Arith.MUL, hidden),
    ]


def test_activations_may_differ_by_direction():
    wanted = {name: shapes("RNN", directions=2)[name] for name in ("X", "W", "R")}
    call = call_of("RNN", wanted, direction="bidirectional", activations=["Tanh", "Relu"])
    assert [(term.what, term.count) for term in terms(call)][2:] == [("f = Tanh", 30), ("f = Relu", 30)]


def test_the_default_of_rnn_is_two_names_even_for_one_direction():
    wanted = {name: shapes("RNN")[name] for name in ("X", "W", "R")}
    assert counts(call_of("RNN", wanted, activations=["Tanh", "Tanh"])) == counts(call_of("RNN", wanted))


@pytest.mark.parametrize(
    ("op_type", "wrong"),
    [
        ("RNN", {"W": (1, 6, 4)}),
        ("RNN", {"R": (1, 5, 4)}),
        ("GRU", {"W": (2, 15, 4)}),
        ("GRU", {"B": (1, 15)}),
        ("GRU", {"initial_h": (1, 2, 5)}),
        ("LSTM", {"W": (1, 20, 3)}),
        ("LSTM", {"P": (1, 20)}),
        ("LSTM", {"initial_c": (3, 1, 5)}),
        ("LSTM", {"sequence_lens": (2,)}),
    ],
)
def test_a_shape_that_does_not_fit_is_named_beside_the_wanted_one(op_type, wrong):
    right = {name: shape for name, shape in shapes(op_type).items() if name in INPUTS[op_type]}
    ((name, shape),) = wrong.items()
    call = call_of(op_type, right | wrong, hidden_size=5)
    with pytest.raises(NodeError) as caught:
        terms(call)
    assert str(caught.value) == f"wants {name} of shape {right[name]}, it is {shape}"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"hidden_size": 7}, r"wants W of shape \(1, 7, 4\), it is \(1, 5, 4\)"),
        ({"direction": "bidirectional"}, r"wants W of shape \(2, 5, 4\), it is \(1, 5, 4\)"),
        ({"activations": ["Foo"]}, "one is 'Foo'"),
    ],
)
def test_attributes_that_break_the_specification_are_named(said, message):
    with pytest.raises(NodeError, match=message):
        terms(call_of("RNN", {name: shapes("RNN")[name] for name in ("X", "W", "R")}, **said))


@pytest.mark.parametrize("names", [["Sigmoid", "Tanh"], ["Sigmoid", "Tanh", "Tanh"] * 2])
def test_the_activations_are_as_many_as_the_directions_need(names):
    wanted = {name: shapes("LSTM")[name] for name in ("X", "W", "R")}
    with pytest.raises(NodeError, match=f"wants 3 activations, there are {len(names)}"):
        terms(call_of("LSTM", wanted, activations=names))


def test_a_matrix_where_three_axes_are_wanted_is_an_error():
    wanted = shapes("RNN")
    with pytest.raises(NodeError, match="wants R of rank 3, it is of rank 2"):
        terms(call_of("RNN", {"X": wanted["X"], "W": wanted["W"], "R": (5, 5)}))


def test_the_products_of_a_layer_are_the_formula_of_the_textbooks():
    """gates * hidden * (inputs + hidden), per step, sequence and direction."""
    for op_type, gates in cells.GATES.items():
        wanted = shapes(op_type, steps=7, batch=2, inputs=11, hidden=3, directions=2)
        call = call_of(op_type, {name: wanted[name] for name in ("X", "W", "R")}, direction="bidirectional")
        assert counts(call)[Arith.MAC] == prod((7, 2, 2, gates, 3, 11 + 3))
