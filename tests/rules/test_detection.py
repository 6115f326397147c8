"""NonMaxSuppression: loops work as much as the most on their hardest boxes, and stay between both ends on any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import search
from oracles.checked import checks
from oracles.counting import Tally
from oracles.detection import non_max_suppression
from oracles.reference import computed, opsets

from graphcost.bounds import Bounds
from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

KINDS = (Arith.CMP, Arith.ADD, Arith.MUL, Arith.DIV)


@st.composite
def applications(draw):
    """Draw batches, classes, boxes, how many are kept, whether scores have a threshold and boxes a center."""
    sizes = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(0, 6))
    flags = {name: draw(st.booleans()) for name in ("has_threshold", "centers")}
    return *sizes, draw(st.integers(0, 7)), flags | {"opset": draw(st.sampled_from(opsets("NonMaxSuppression")))}


def call_of(batches, classes, boxes, kept, *, has_threshold, centers, opset):
    threshold = ts(1) if has_threshold else None
    inputs = [ts(batches, boxes, 4), ts(batches, classes, boxes), kept, ts(1), threshold]
    return make_call("NonMaxSuppression", *inputs, opset=opset, center_point_box=int(centers))


def bounds(call):
    return {kind: Bounds.total(term.bounds for term in terms(call) if term.arith is kind) for kind in KINDS}


def looped(boxes, scores, kept, *, has_threshold, centers, **_):
    """Return the loops' selection and what they did."""
    tally = Tally()
    threshold = 0.3 if has_threshold else None
    selected = non_max_suppression(
        tally, tally.tensor(boxes), tally.tensor(scores), kept, 0.4, threshold, centers=centers
    )
    return selected, tally


def spread(batches, boxes, apart):
    """Return boxes in a row, of which the first few lie apart and all others on the last of these."""
    return np.array([[[0, 3.0 * min(j, apart), 1, 1] for j in range(boxes)]] * batches).reshape(batches, boxes, 4)


@checks("NonMaxSuppression")
@settings(max_examples=200, deadline=None)
@given(drawn=applications(), seed=st.integers(0, 999))
def test_any_boxes(drawn, seed):
    batches, classes, boxes, kept, flags = drawn
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (batches, boxes, 4)).astype(np.float32)
    scores = rng.uniform(0, 1, (batches, classes, boxes)).astype(np.float32)
    call = call_of(batches, classes, boxes, np.array(kept), **flags)
    assert call.outputs == (TensorType(DType.INT64, (None, 3)),)
    selected, tally = looped(x, scores, kept, **flags)
    if not kept:
        assert not list(terms(call))
        assert not selected
        return
    assert all(ends.low <= tally[kind] <= ends.high for kind, ends in bounds(call).items())
    score = np.array([0.3], np.float32) if flags["has_threshold"] else None
    inputs = [x, scores, np.array([kept]), np.array([0.4], np.float32), score]
    if boxes:
        centers = int(flags["centers"])
        (expected,) = computed("NonMaxSuppression", inputs, flags["opset"], center_point_box=centers)
        assert selected == expected.tolist()


@settings(max_examples=200, deadline=None)
@given(drawn=applications())
def test_the_hardest_boxes_take_the_most(drawn):
    """All pass, sorting takes the most, and the best M - 1 lie apart, the last of them under all others."""
    batches, classes, boxes, kept, flags = drawn
    ranks = search.hardest(boxes, boxes)
    scores = np.array([[[1 - rank / 10 for rank in ranks]] * classes] * batches).reshape(batches, classes, boxes)
    in_order = spread(batches, boxes, max(kept - 2, 0))
    x = in_order[:, [int(rank) for rank in ranks]]
    _, tally = looped(x if flags["centers"] else corners_of(x), scores, kept, **flags)
    if kept:
        ends = bounds(call_of(batches, classes, boxes, np.array(kept), **flags))
        assert {kind: one.high for kind, one in ends.items()} == {kind: tally[kind] for kind in KINDS}


def corners_of(boxes):
    x, y, width, height = np.moveaxis(boxes, -1, 0)
    return np.stack([y - height / 2, x - width / 2, y + height / 2, x + width / 2], axis=-1)


@settings(max_examples=200, deadline=None)
@given(drawn=applications())
def test_the_easiest_boxes_meet_as_few_others_as_the_least(drawn):
    batches, classes, boxes, kept, flags = drawn
    scores = np.linspace(1, 0.5, boxes)[np.newaxis, np.newaxis].repeat(classes, 1).repeat(batches, 0)
    apart, together = spread(batches, boxes, boxes), spread(batches, boxes, 0)
    met = [looped(x, scores, kept, has_threshold=False, centers=True)[1][Arith.DIV] for x in (apart, together)]
    ends = bounds(
        call_of(batches, classes, boxes, np.array(kept), has_threshold=False, centers=True, opset=flags["opset"])
    )
    assert ends[Arith.DIV].low == (min(met) if kept else 0)


def test_no_score_above_the_threshold_leaves_the_least():
    x, scores = np.random.default_rng(0).uniform(0, 1, (1, 5, 4)), np.zeros((1, 2, 5))
    _, tally = looped(x, scores, 3, has_threshold=True, centers=False)
    ends = bounds(make_call("NonMaxSuppression", ts(1, 5, 4), ts(1, 2, 5), np.array(3), ts(1), ts(1)))
    assert {kind: one.low for kind, one in ends.items()} == {kind: tally[kind] for kind in KINDS}


def test_a_limit_that_is_not_known_may_be_none_or_all_boxes():
    unknown = make_call("NonMaxSuppression", ts(1, 5, 4), ts(1, 2, 5), ts(1, dtype=DType.INT64))
    known = make_call("NonMaxSuppression", ts(1, 5, 4), ts(1, 2, 5), np.array(5))
    assert bounds(unknown) == {kind: Bounds(0, one.high) for kind, one in bounds(known).items()}


def test_without_a_limit_nothing_is_kept_and_nothing_computed():
    assert not list(terms(make_call("NonMaxSuppression", ts(1, 5, 4), ts(1, 2, 5))))


def test_scores_that_do_not_fit_the_boxes_are_an_error():
    call = make_call("NonMaxSuppression", ts(1, 5, 4), ts(1, 2, 5), np.array(3))
    with pytest.raises(NodeError, match=r"wants boxes: .* has"):
        terms(replace(call, inputs=(ts(1, 6, 4), *call.inputs[1:])))


def test_every_opset_has_a_rule():
    assert all(registry.find("NonMaxSuppression", "", opset) for opset in opsets("NonMaxSuppression"))
