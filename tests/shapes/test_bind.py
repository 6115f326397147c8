"""Every dimension of an input is bound by the user, or assumed and said so."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from graphcost.errors import UsageError
from graphcost.load import load
from graphcost.shapes.bind import bind, unguessed


def model(**inputs):
    """Return a model with inputs of these shapes; a list within a list is a sequence."""
    given = [
        helper.make_tensor_sequence_value_info(name, TensorProto.FLOAT, shape[0])
        if shape and isinstance(shape[0], list)
        else helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in inputs.items()
    ]
    return load(helper.make_model(helper.make_graph([], "g", given, [])))


def bound(inputs, **how):
    found = bind(model(**inputs), how.get("dims", {}), how.get("shapes", {}))
    return {name: type_.shape for name, type_ in found.types.items()}


def assumed(inputs, **how):
    found = bind(model(**inputs), how.get("dims", {}), how.get("shapes", {}))
    return {one.dimension: one.value for one in found.assumptions}


SHAPES = {
    "fixed": ({"x": [2, 3]}, {}, {"x": (2, 3)}),
    "by name": ({"x": ["N", 3]}, {"dims": {"N": 5}}, {"x": (5, 3)}),
    "by place": ({"x": [None, 3]}, {"dims": {"x[0]": 5}}, {"x": (5, 3)}),
    "whole": ({"x": ["N", "C"]}, {"shapes": {"x": [5, 6]}}, {"x": (5, 6)}),
    "whole, of unknown rank": ({"x": None}, {"shapes": {"x": [5, 6]}}, {"x": (5, 6)}),
    "whole, against what is fixed": ({"x": [1, 3]}, {"shapes": {"x": [5, 6]}}, {"x": (5, 6)}),
    "a whole shape binds the names in other inputs": (
        {"x": ["N", "C"], "y": ["C"]}, {"shapes": {"x": [5, 6]}}, {"x": (5, 6), "y": (6,)},
    ),
    "to nothing": ({"x": ["N", 3]}, {"dims": {"N": 0}}, {"x": (0, 3)}),
    "a name in two inputs": ({"x": ["N"], "y": [3, "N"]}, {"dims": {"N": 5}}, {"x": (5,), "y": (3, 5)}),
    "an expression": ({"x": [1, "a + 2*b"]}, {"dims": {"a": 5, "b": 4}}, {"x": (1, 13)}),
    "a quotient": ({"x": [1, "((s0 - 1)//2) + 1"]}, {"dims": {"s0": 6}}, {"x": (1, 3)}),
    "an expression whose names others bind": (
        {"x": ["b", "s"], "y": ["b", "p + s"]}, {"dims": {"b": 2, "s": 3, "p": 4}}, {"x": (2, 3), "y": (2, 7)},
    ),
    "an expression as a whole": ({"x": [1, "a + b"]}, {"dims": {"a + b": 7, "a": 1, "b": 1}}, {"x": (1, 7)}),
    "an expression below zero": ({"x": [1, "a - b"]}, {"dims": {"a": 1, "b": 2}}, {"x": (1, None)}),
    "a quotient by zero": ({"x": [1, "a / b"]}, {"dims": {"a": 1, "b": 0}}, {"x": (1, None)}),
    "unknown rank": ({"x": None}, {}, {"x": None}),
    "a scalar": ({"x": []}, {}, {"x": ()}),
    "rank 1000": ({"x": ["N"] * 1000}, {"dims": {"N": 1}}, {"x": (1,) * 1000}),
}  # fmt: skip


@pytest.mark.parametrize("case", SHAPES)
def test_bound_shapes(case):
    inputs, how, expected = SHAPES[case]
    assert bound(inputs, **how) == expected


ASSUMED = {
    "a leading dimension is one sample": ({"x": ["N", 3]}, {"N": 1}),
    "so it is where it has no name": ({"x": [None, 3]}, {"x[0]": 1}),
    "stored as 0": ({"x": [0, 3]}, {"x[0]": 1}),
    "stored as -1": ({"x": [-1, 3]}, {"x[0]": 1}),
    "a leading dimension rules wherever the name is": ({"x": [3, "n1"], "y": ["n1"]}, {"n1": 1}),
    "by its name": ({"x": [2, "sequence_length"]}, {"sequence_length": 128}),
    "by its place": ({"x": [2, 3, None, None]}, {"x[2]": 224, "x[3]": 224}),
    "question marks are no names": ({"x": [1, 3, "?", "?"]}, {"x[2]": 224, "x[3]": 224}),
    "two inputs of places alike": ({"x": [None, None], "y": [None]}, {"x[0]": 1, "x[1]": 128, "y[0]": 1}),
    "the names in an expression": ({"x": [1, "past + sequence"]}, {"past": 128, "sequence": 128}),
    "a hyphen is part of a name": ({"x": [1, "sequence-length"]}, {"sequence-length": 128}),
    "a formula of another kind is unknown": ({"x": [1, "f(a)"]}, {"f(a)": None}),
    "a dot is part of a name": ({"x": [1, "p2o.Dim.0"]}, {"p2o.Dim.0": 128}),
    "a name that Python would run": ({"x": [1, "__import__('os')"]}, {"__import__('os')": None}),
    "a name like Python": ({"x": [1, "not x"], "y": [1, "lambda"]}, {"not x": 128, "lambda": 128}),
    "a name of a megabyte": ({"x": [1, "a+" * 500_000]}, {"a+" * 500_000: None}),
    "nothing where all is bound": ({"x": [2, 3]}, {}),
}


@pytest.mark.parametrize("case", ASSUMED)
def test_assumed_dimensions(case):
    inputs, expected = ASSUMED[case]
    assert assumed(inputs) == expected


def test_only_what_is_no_leading_dimension_is_a_guess():
    found = bind(model(x=["N", 3, "width"]), {}, {}).assumptions
    assert {one.dimension: one.is_guess for one in found} == {"N": False, "width": True}


def test_a_guess_can_be_taken_back():
    loaded = model(x=["N", 3, "width", "2*width"])
    assert unguessed(loaded, bind(loaded, {}, {})).types["x"].shape == (1, 3, None, None)


REFUSED = {
    "no such dimension": ({"x": ["N"]}, {"dims": {"M": 5}}, "no input has a dimension 'M', there is 'N'"),
    "no such place": ({"x": ["N"]}, {"dims": {"x[0]": 5}}, r"no input has a dimension 'x\[0\]', there is 'N'"),
    "no such input": ({"x": ["N"]}, {"shapes": {"y": [5]}}, "no input 'y', it has 'x'"),
    "below zero": ({"x": ["N"]}, {"dims": {"N": -5}}, "'N': dims of 0 or more are wanted, there are .-5"),
    "a shape below zero": ({"x": ["N"]}, {"shapes": {"x": [-5]}}, "'x': dims of 0 or more are wanted, there are .-5"),
    "another rank": ({"x": ["N"]}, {"shapes": {"x": [5, 6]}}, "'x' has 1 dimensions, the shape given for it 2"),
    "two sizes in one shape": ({"x": ["N", "N"]}, {"shapes": {"x": [5, 6]}}, "'N' is bound to 5 and to 6"),
    "two sizes in two shapes": (
        {"x": ["N"], "y": ["N"]}, {"shapes": {"x": [5], "y": [6]}}, "'N' is bound to 5 and to 6",
    ),
    "a size and a shape": ({"x": ["N"]}, {"dims": {"N": 5}, "shapes": {"x": [6]}}, "'N' is bound to 5 and to 6"),
    "a shape for a sequence": ({"x": [[2]]}, {"shapes": {"x": [5]}}, "'x' is a sequence"),
    "more than can be counted": ({"x": ["N", 1 << 40]}, {"dims": {"N": 1 << 40}}, "'x': at most 2.63 - 1 elements"),
    "a size that is no number of 64 bits": ({"x": ["N"]}, {"dims": {"N": 1 << 70}}, "'N': at most 2.63 - 1 elements"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bindings_that_make_no_sense(case):
    inputs, how, message = REFUSED[case]
    with pytest.raises(UsageError, match=message):
        bound(inputs, **how)


def test_a_dimension_that_stands_first_and_elsewhere_leads_nothing():
    """A mask [sequence, sequence] beside [batch, sequence, 8]: the sequence is no batch."""
    assert assumed({"x": ["b", "s", 8], "mask": ["s", "s"]}) == {"b": 1, "s": 128}


def test_a_total_is_the_past_and_the_new_part():
    inputs = {"x": ["b", "seq_len"], "past": ["b", "past_len"], "mask": ["b", "total_len"]}
    assert assumed(inputs, dims={"past_len": 1023, "seq_len": 1}) == {"b": 1, "total_len": 1024}


def test_a_formula_bound_against_its_parts_is_refused():
    inputs = {"x": ["b", "past + 1"], "past": ["b", "past"]}
    with pytest.raises(UsageError, match=r"'past \+ 1' is bound to 9, its parts make it 129: bind 'past'"):
        bound(inputs, dims={"past + 1": 9})
    assert bound(inputs, dims={"past": 8})["x"][1] == 9
