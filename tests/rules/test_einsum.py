"""Einsum against loops over index values, and against numpy.einsum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.checked import checks
from oracles.counting import Tally
from oracles.einsum import einsum
from oracles.reference import computed, opsets

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith, backward
from graphcost.types import UNKNOWN, DType, TensorType

LETTERS = "aBcXz"
HIDDEN = "012"
"""How the loops call the axes of an ellipsis."""


@st.composite
def equations(draw, most=3):
    """Draw operands' shapes, an equation, and the same as one letter per axis for the loops."""
    sizes = {letter: draw(st.integers(0, 3)) for letter in LETTERS + HIDDEN}
    ellipsis = HIDDEN[: draw(st.integers(0, 2))]
    written, spelled, shapes = [], [], []
    for _ in range(draw(st.integers(1, most))):
        letters = draw(st.lists(st.sampled_from(LETTERS), max_size=3))
        place = draw(st.integers(0, len(letters)))
        has_dots = draw(st.booleans())
        dots, hidden = ("...", ellipsis) if has_dots else ("", "")
        written.append("".join(letters[:place]) + dots + "".join(letters[place:]))
        spelled.append("".join(letters[:place]) + hidden + "".join(letters[place:]))
        broadcast = {one for one in spelled[-1] if draw(st.integers(0, 4)) == 0}
        shapes.append(tuple(1 if one in broadcast else sizes[one] for one in spelled[-1]))
    return shapes, *right_hand_side(draw, written, spelled, ellipsis if any("." in one for one in written) else "")


def right_hand_side(draw, written, spelled, ellipsis):
    """Draw an output, or leave it to what the specification makes of none."""
    everywhere = "".join(spelled)
    if draw(st.booleans()):
        once = sorted(one for one in LETTERS if everywhere.count(one) == 1)
        return ",".join(written), spelled, ellipsis + "".join(once)
    letters = draw(st.permutations(sorted(set(everywhere) - set(HIDDEN))))
    letters = letters[: draw(st.integers(0, len(letters)))]
    place = draw(st.integers(0, len(letters)))
    head, tail = "".join(letters[:place]), "".join(letters[place:])
    dots = "..." if ellipsis or draw(st.booleans()) else ""
    arrow = draw(st.sampled_from(["->", " -> "]))
    return " , ".join(written) + arrow + head + dots + tail, spelled, head + ellipsis + tail


@checks("Einsum")
@settings(max_examples=400, deadline=None)
@given(drawn=equations(), opset=st.sampled_from(opsets("Einsum")), seed=st.integers(0, 99))
def test_rule_counts_and_loop_computes(drawn, opset, seed):
    shapes, equation, spelled, output = drawn
    arrays = [np.random.default_rng(seed).uniform(-1, 1, shape) for shape in shapes]
    tally = Tally()
    looped = einsum(tally, [tally.tensor(one) for one in arrays], spelled, output)
    call = make_call("Einsum", *(ts(*shape, dtype=DType.FLOAT64) for shape in shapes), equation=equation, opset=opset)
    assert counts(call) == tally.as_dict()
    expected = np.einsum(equation.replace(" ", ""), *arrays)
    assert call.outputs == (ts(*expected.shape, dtype=DType.FLOAT64),)
    assert looped.shape == expected.shape
    np.testing.assert_allclose(looped.astype(float), expected, atol=1e-9)


def test_the_reference_computes_the_same_as_numpy():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    (found,) = computed("Einsum", [a, b], 12, equation="ij,jk->ki")
    np.testing.assert_array_equal(found, (a @ b).T)


BY_HAND = {
    "a matrix product": ("ij,jk->ik", [(2, 3), (3, 4)], {Arith.MAC: 2 * 3 * 4}),
    "a sum before the product": ("ij,k->ik", [(2, 3), (4,)], {Arith.ADD: 2 * 2, Arith.MUL: 2 * 4}),
    "from left to right": ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)], {Arith.MAC: 2 * 3 * 4 + 2 * 4 * 5}),
    "a trace": ("ii", [(4, 4)], {Arith.ADD: 3}),
    "a diagonal": ("ii->i", [(4, 4)], {}),
    "a transposition": ("ij->ji", [(2, 3)], {}),
    "an outer product": ("i,j", [(2,), (3,)], {Arith.MUL: 6}),
    "scores of attention": ("bhid,bhjd->bhij", [(2, 3, 4, 5), (2, 3, 6, 5)], {Arith.MAC: 2 * 3 * 4 * 6 * 5}),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name):
    equation, shapes, expected = BY_HAND[name]
    assert counts(make_call("Einsum", *(ts(*shape) for shape in shapes), equation=equation)) == expected


def test_backward_of_a_product_is_twice_forward():
    call = make_call("Einsum", ts(2, 3), ts(3, 4), ts(4, 5), equation="ij,jk,kl->il")
    forward = sum(term.count for term in terms(call))
    assert sum(term.count for term in backward(terms(call))) == 2 * forward


WRONG = {
    "ij,jk": ([(2, 3)], "wants an operand for each of 2 terms, has 1"),
    "i+->i": ([(2,)], r"wants terms of letters and at most one ellipsis, one is 'i\+'"),
    "i..->i": ([(2, 3)], "wants terms of letters and at most one ellipsis"),
    "...i...->i": ([(2, 3)], "wants terms of letters and at most one ellipsis"),
    "i->i->i": ([(2,)], "wants terms of letters and at most one ellipsis, one is 'i->i'"),
    "ijk->i": ([(2, 3)], "wants an operand of rank 3 for the term 'ijk', its rank is 2"),
    "i->i": ([(2, 3)], "wants an operand of rank 1 for the term 'i', its rank is 2"),
    "ij,jk->ik": ([(2, 3), (4, 5)], "wants one size for the index j, it is 3 and 4"),
    "ii->i": ([(1, 3)], "wants one size for the index i, it is 1 and 3"),
    "...,...": ([(2, 3), (3,)], r"wants every ellipsis to stand for as many axes, they stand for \[1, 2\]"),
    "i...->i": ([(2, 3)], "wants an ellipsis in the output as in the operands, it is 'i'"),
    "ij->ii": ([(2, 3)], "wants each index once in the output, it is 'ii'"),
    "ij->ikl": ([(2, 3)], "wants the output to name indices of the operands, it names k, l"),
}


@pytest.mark.parametrize("equation", WRONG)
def test_an_equation_that_does_not_fit_is_an_error(equation):
    shapes, message = WRONG[equation]
    right = make_call("Einsum", *(ts(2) for _ in shapes), equation=",".join("a" for _ in shapes))
    wrong = replace(right, inputs=tuple(ts(*shape) for shape in shapes), attributes={"equation": equation})
    with pytest.raises(NodeError, match=message):
        terms(wrong)
    with pytest.raises(NodeError, match=message):
        list(registry.types_of("Einsum", "")(wrong))


def test_a_dimension_that_is_not_known_stays_so_and_others_are_told():
    call = make_call("Einsum", ts(2, 3), ts(3, 4), equation="ij,jk->ik")
    partly = replace(call, inputs=(TensorType(DType.FLOAT32, (None, None)), TensorType(DType.FLOAT32, (1, 4))))
    assert list(registry.types_of("Einsum", "")(partly)) == [TensorType(DType.FLOAT32, (None, 4))]
    with pytest.raises(UnknownShapeError):
        list(registry.types_of("Einsum", "")(replace(call, inputs=(UNKNOWN, ts(3, 4)))))


def test_every_opset_has_a_rule():
    assert all(registry.find("Einsum", "", opset) for opset in opsets("Einsum"))
