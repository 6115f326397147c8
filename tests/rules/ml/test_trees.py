"""Ensembles of trees against the plain way down them."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import classical, forests
from oracles.checked import checks
from oracles.counting import Tally
from oracles.forests import MODES, Branch, Leaf

from graphcost.bounds import Bounds
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules.ml.common import POST_TRANSFORMS
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

ML = "ai.onnx.ml"
FEATURES, TARGETS = 3, 2
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
many = settings(max_examples=200, deadline=None)
few = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 999_999).map(random.Random)


def leaf(rng, most_votes, targets):
    votes = range(rng.randint(1, most_votes))
    return Leaf(tuple((rng.randrange(targets), rng.choice((-0.5, 0.25, 1.0, 3.0))) for _ in votes))


def branch(rng, yes, no, *, modes=MODES, flags=(False, True)):
    value = rng.choice((-1.0, 0.0, 0.5, 1.0))
    return Branch(rng.randrange(FEATURES), rng.choice(modes), value, rng.choice(flags), yes, no)


def any_tree(rng, most_votes, targets, depth=0, **choices):
    if rng.random() < depth / 3:
        return leaf(rng, most_votes, targets)
    yes, no = (any_tree(rng, most_votes, targets, depth + 1, **choices) for _ in range(2))
    return branch(rng, yes, no, **choices)


def any_forest(rng, most_votes, targets=TARGETS, **choices):
    """Return trees of branches; the lone leaves among them come last."""
    trees = [any_tree(rng, most_votes, targets, **choices) for _ in range(rng.randint(1, 3))]
    return trees + [leaf(rng, most_votes, targets) for _ in range(rng.choice((0, 0, 1)))]


def level_tree(rng, depth, targets):
    """Return a tree whose leaves are equally deep, with one vote each, where nothing asks for NaN."""
    if depth == 0:
        return leaf(rng, 1, targets)
    return branch(rng, *(level_tree(rng, depth - 1, targets) for _ in range(2)), flags=(False,))


def level_forest(rng, targets=TARGETS):
    return [level_tree(rng, rng.randint(0, 3), targets) for _ in range(rng.randint(1, 3))]


def draw_rows(rng, fewest=0, elements=(-1.0, 0.0, 0.25, 0.5, 1.5, np.nan)):
    return matrix([[rng.choice(elements) for _ in range(FEATURES)] for _ in range(rng.randint(fewest, 3))])


def matrix(rows):
    return np.array(rows, np.float32).reshape(-1, FEATURES)


def scores_of(tally, x, forest, targets=TARGETS, aggregate="SUM"):
    return [forests.aggregated(forest, [tally.number(one) for one in row], targets, aggregate, tally) for row in x]


def transformed(scores, name, tally):
    return [classical.transformed(row, name, tally) for row in scores]


def as_floats(rows):
    return np.array([[float(score) for score in row] for row in rows])


def bounds(call):
    """Return what the call's rule counts, by kind of work, with both ends."""
    total = {}
    for term in terms(call):
        total[term.arith] = total.get(term.arith, Bounds(0, 0)) + term.bounds
    return total


def ends(forest, rows, place):
    """Return the fewest and the most of what the ways down all trees have at a place."""
    ways = [[way[place] for way in forests.paths(tree)] for tree in forest]
    return Bounds(rows * sum(map(min, ways)), rows * sum(map(max, ways)))


def check_ends(call, tally, forest, rows):
    """Assert that the loop's work lies between the rule's ends, and that those are the ends of all ways down."""
    found = bounds(call)
    for arith, done in tally.as_dict().items():
        assert found[arith].low <= done <= found[arith].high
    compared, voted, *_ = terms(call)
    assert (compared.bounds, voted.bounds) == (ends(forest, rows, 0), ends(forest, rows, 1))


transforms = st.sampled_from([name for name in POST_TRANSFORMS if name != "SOFTMAX_ZERO"])
"""All but the one that counts every score as one that is not zero, which sums of votes often are."""


@checks("TreeEnsembleRegressor", domain=ML)
@many
@given(seeds, st.sampled_from(AGGREGATES), transforms, st.sampled_from((1, 3, 5)), st.booleans())
def test_a_regressor_of_level_trees_is_exact(rng, aggregate, transform, opset, has_base):
    forest, x, tally = level_forest(rng), draw_rows(rng), Tally()
    said = forests.listed(forest, "target") | {"n_targets": TARGETS, "aggregate_function": aggregate}
    scores = scores_of(tally, x, forest, aggregate=aggregate)
    if has_base:
        said["base_values"] = [0.5, 1.5]
        scores = [[score + base for score, base in zip(row, (0.5, 1.5), strict=True)] for row in scores]
    transformed(scores, transform, tally)
    call = make_call("TreeEnsembleRegressor", ts(*x.shape), domain=ML, opset=opset, post_transform=transform, **said)
    assert all(term.bounds.is_exact for term in terms(call))
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(len(x), TARGETS),)


@checks("TreeEnsemble", domain=ML)
@many
@given(seeds, st.sampled_from(AGGREGATES), transforms, st.sampled_from((np.float32, np.float64)))
def test_an_ensemble_of_level_trees_is_exact(rng, aggregate, transform, dtype):
    forest, x, tally = level_forest(rng), draw_rows(rng), Tally()
    codes = {"aggregate_function": AGGREGATES.index(aggregate), "post_transform": POST_TRANSFORMS.index(transform)}
    said = forests.linked(forest, dtype) | codes | {"n_targets": TARGETS}
    scores = scores_of(tally, x, forest, aggregate=aggregate)
    transformed(scores, transform, tally)
    type_ = ts(*x.shape, dtype=DType(np.dtype(dtype).name))
    call = make_call("TreeEnsemble", type_, domain=ML, opset=5, **said)
    assert all(term.bounds.is_exact for term in terms(call))
    assert counts(call) == tally.as_dict()
    assert call.outputs == (TensorType(type_.dtype, (len(x), TARGETS)),)


@checks("TreeEnsembleClassifier", domain=ML)
@many
@given(seeds, transforms, st.sampled_from((1, 3, 5)), st.booleans(), st.booleans())
def test_a_classifier_of_level_trees_is_exact(rng, transform, opset, has_base, has_strings):
    forest, x, tally = level_forest(rng, targets=3), draw_rows(rng), Tally()
    said = forests.listed(forest, "class") | {"post_transform": transform}
    said |= {"classlabels_strings": ["a", "b", "c"]} if has_strings else {"classlabels_int64s": [4, 5, 6]}
    scores = scores_of(tally, x, forest, targets=3)
    if has_base:
        said["base_values"] = [0.5, 1.5, 2.5]
        scores = [[score + base for score, base in zip(row, (0.5, 1.5, 2.5), strict=True)] for row in scores]
    for row in transformed(scores, transform, tally):
        classical.top(row, 0.5)
    call = make_call("TreeEnsembleClassifier", ts(*x.shape), outputs=2, domain=ML, opset=opset, **said)
    assert counts(call) == tally.as_dict()
    labels = TensorType(DType.STRING if has_strings else DType.INT64, (len(x),))
    assert call.outputs == (labels, ts(len(x), 3))


@many
@given(seeds)
def test_the_votes_of_any_regressor_lie_between_the_ends_of_all_ways_down(rng):
    forest, x, tally = any_forest(rng, 3), draw_rows(rng), Tally()
    scores_of(tally, x, forest)
    said = forests.listed(forest, "target") | {"n_targets": TARGETS}
    check_ends(make_call("TreeEnsembleRegressor", ts(*x.shape), domain=ML, opset=3, **said), tally, forest, len(x))


@many
@given(seeds)
def test_the_comparisons_of_any_ensemble_lie_between_the_ends_of_all_ways_down(rng):
    forest, x, tally = any_forest(rng, 1), draw_rows(rng), Tally()
    scores_of(tally, x, forest)
    said = forests.linked(forest) | {"n_targets": TARGETS}
    check_ends(make_call("TreeEnsemble", ts(*x.shape), domain=ML, opset=5, **said), tally, forest, len(x))


on_disk = ("nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids", "nodes_falseleafs", "nodes_featureids")


@many
@given(seeds, st.booleans())
def test_trees_that_were_left_on_disk_keep_provable_ends(rng, has_votes):
    forest, x, tally = any_forest(rng, 2), draw_rows(rng), Tally()
    scores_of(tally, x, forest)
    said = forests.listed(forest, "target") | {"n_targets": TARGETS}
    call = make_call("TreeEnsembleRegressor", ts(*x.shape), domain=ML, opset=3, **said)
    kept = ("target",) if has_votes else ()
    check_unread(call, tally, [name for name in said if name.startswith(("nodes", "target")) and name[:6] not in kept])


@many
@given(seeds, st.booleans())
def test_branches_that_were_left_on_disk_keep_provable_ends(rng, has_roots):
    forest, x, tally = any_forest(rng, 1), draw_rows(rng), Tally()
    scores_of(tally, x, forest)
    said = forests.linked(forest) | {"n_targets": TARGETS}
    call = make_call("TreeEnsemble", ts(*x.shape), domain=ML, opset=5, **said)
    check_unread(call, tally, [name for name in said if "nodes" in name or "leaf" in name or not has_roots])
    _, voted, *_ = terms(call)
    assert voted.bounds == Bounds.exactly(len(x) * len(forest))


def check_unread(call, tally, names):
    """Assert that the ends still hold where some lists were left on disk, and are no tighter than with them in hand."""
    lists = {
        name: one for name, one in call.attributes.items() if name in names and isinstance(one, (tuple, np.ndarray))
    }
    left = {name: TensorType(DType.INT64, (len(one),)) for name, one in lists.items()}
    found = bounds(replace(call, attributes={**call.attributes, **left}))
    for arith, done in tally.as_dict().items():
        assert found[arith].low <= done <= found[arith].high
    for arith, exact in bounds(call).items():
        assert found[arith].low <= exact.low <= exact.high <= found[arith].high


def test_branches_on_disk_below_full_trees_say_that_every_tree_compares():
    forest = [Branch(0, "BRANCH_LEQ", 0.0, False, Leaf(((0, 1.0),)), Leaf(((0, 2.0),)))] * 5
    call = make_call("TreeEnsemble", ts(7, 3), domain=ML, opset=5, n_targets=1, **forests.linked(forest))
    left = {name: TensorType(DType.INT64, (len(call.attributes[name]),)) for name in on_disk}
    compared, *_ = terms(replace(call, attributes={**call.attributes, **left}))
    assert compared.bounds == Bounds(7 * 5, 7 * 5 * 2)  # a false comparison may be followed by another


def test_votes_that_alone_were_left_on_disk_leave_the_comparisons_exact():
    tree = Branch(0, "BRANCH_LEQ", 0.0, False, Leaf(((0, 1.0), (1, 1.0))), Leaf(((0, 2.0),)))
    said = forests.listed([tree], "target")
    call = make_call("TreeEnsembleRegressor", ts(7, 3), domain=ML, opset=3, n_targets=2, **said)
    left = {"target_treeids": TensorType(DType.INT64, (3,)), "target_nodeids": TensorType(DType.INT64, (3,))}
    compared, voted, *_ = terms(replace(call, attributes={**call.attributes, **left}))
    assert (compared.bounds, voted.bounds) == (Bounds.exactly(7), Bounds(0, 7 * 3))


# What the loop computes


@few
@given(seeds, st.sampled_from(AGGREGATES))
def test_the_way_down_computes_the_regressor(rng, aggregate):
    forest, x = any_forest(rng, 2, flags=(False,)), draw_rows(rng, 1, (-1.0, 0.0, 0.5, 1.5))
    said = forests.listed(forest, "target") | {"n_targets": TARGETS, "aggregate_function": aggregate}
    (expected,) = classical.computed("TreeEnsembleRegressor", [x], **said)
    scores = as_floats(scores_of(Tally(), x, forest, aggregate=aggregate))
    voted = np.isfinite(scores)  # the least and the most of no votes are no number
    np.testing.assert_allclose(scores[voted], expected[voted], rtol=1e-5, atol=1e-6)


@few
@given(seeds, st.sampled_from(AGGREGATES))
def test_the_way_down_computes_the_ensemble(rng, aggregate):
    forest, x = any_forest(rng, 1, modes=MODES[:4]), draw_rows(rng, 1)
    forest = [
        tree for tree in forest if isinstance(tree, Branch)
    ]  # the reference takes a lone leaf's root for its leaf
    said = forests.linked(forest) | {"n_targets": TARGETS, "aggregate_function": AGGREGATES.index(aggregate)}
    (expected,) = classical.computed("TreeEnsemble", [x], opset=5, **said)
    scores = as_floats(scores_of(Tally(), x, forest, aggregate=aggregate))
    voted = np.isfinite(scores)
    np.testing.assert_allclose(scores[voted], expected[voted], rtol=1e-5, atol=1e-6)


@few
@given(seeds, transforms)
def test_the_way_down_computes_the_classifier(rng, transform):
    forest, x = any_forest(rng, 3, targets=3, flags=(False,)), draw_rows(rng, 1, (-1.0, 0.0, 0.5, 1.5))
    said = forests.listed(forest, "class") | {"post_transform": transform, "classlabels_int64s": [0, 1, 2]}
    if transform == "PROBIT" or len(set(said["class_ids"])) < 2:
        return
    labels, expected = classical.computed("TreeEnsembleClassifier", [x], outputs=2, **said)
    tally = Tally()
    scores = transformed(scores_of(tally, x, forest, targets=3), transform, tally)
    np.testing.assert_allclose(as_floats(scores), expected, rtol=1e-4, atol=1e-6)
    if transform == "NONE":
        assert [classical.top(row, 0.5) for row in scores] == list(labels)


@pytest.mark.parametrize(
    ("transform", "other"),
    [("NONE", Arith.ADD), ("PROBIT", Arith.ADD), ("LOGISTIC", Arith.SIGN), ("SOFTMAX", Arith.SIGN)],
)
def test_votes_for_the_first_of_two_classes_make_both_scores(transform, other):
    tree = Branch(0, "BRANCH_LEQ", 0.0, False, Leaf(((0, 0.25),)), Leaf(((0, 0.75),)))
    said = forests.listed([tree], "class") | {"classlabels_int64s": [0, 1], "post_transform": transform}
    call = make_call("TreeEnsembleClassifier", ts(4, 3), outputs=2, domain=ML, opset=3, **said)
    both = replace(call, attributes={**call.attributes, "class_ids": (0, 1)})
    extra = {arith: count - counts(both).get(arith, 0) for arith, count in counts(call).items()}
    assert {arith: count for arith, count in extra.items() if count} == {other: 4}
    unread = replace(call, attributes={**call.attributes, "class_ids": TensorType(DType.INT64, (2,))})
    assert bounds(unread)[other] == Bounds(bounds(both).get(other, Bounds(0, 0)).low, bounds(call)[other].high)
    x = np.array([[-1.0, 0, 0], [1.0, 0, 0]], np.float32)
    _, scores = classical.computed("TreeEnsembleClassifier", [x], outputs=2, **said)
    if transform == "NONE":
        np.testing.assert_allclose(scores, [[0.75, 0.25], [0.25, 0.75]])


def test_a_lone_class_is_compared_with_a_threshold():
    said = forests.listed([Leaf(((0, 0.25),))], "class") | {"classlabels_int64s": [1]}
    call = make_call("TreeEnsembleClassifier", ts(4, 3), outputs=2, domain=ML, opset=3, **said)
    assert counts(call) == {Arith.ADD: 4, Arith.CMP: 4}
    assert call.outputs[1] == ts(4, 1)


def test_softmax_zero_compares_every_score_with_zero_beside_what_softmax_does():
    said = forests.listed([Leaf(((0, 0.25), (1, 0.5)))], "target") | {"n_targets": 2}
    plain, zero = (
        counts(make_call("TreeEnsembleRegressor", ts(4, 3), domain=ML, opset=3, post_transform=name, **said))
        for name in ("SOFTMAX", "SOFTMAX_ZERO")
    )
    assert zero == {**plain, Arith.CMP: plain[Arith.CMP] + 4 * 2}


def test_branches_may_share_a_child_as_converters_of_categories_make_them():
    """A feature is one of three values: three branches with one true child; the last way is the longest."""
    said = {
        "nodes_treeids": [0] * 5,
        "nodes_nodeids": [0, 1, 2, 3, 4],
        "nodes_modes": ["BRANCH_EQ"] * 3 + ["LEAF"] * 2,
        "nodes_truenodeids": [3, 3, 3, 0, 0],
        "nodes_falsenodeids": [1, 2, 4, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [3, 4],
        "n_targets": 1,
    }
    call = make_call("TreeEnsembleRegressor", ts(2, 3), domain=ML, opset=1, **said)
    assert terms(call)[0].bounds == Bounds(2 * 1, 2 * 3)
    unread = {name: TensorType(DType.INT64, (5,)) for name in said if name.startswith("nodes")}
    assert terms(replace(call, attributes={**call.attributes, **unread}))[0].bounds == Bounds(0, 2 * 4)


def test_forty_shared_levels_are_walked_once_each():
    levels = 40
    said = {
        "tree_roots": [0],
        "nodes_modes": [0] * levels,
        "nodes_truenodeids": [*range(1, levels), 0],
        "nodes_falsenodeids": [*range(1, levels), 1],
        "nodes_trueleafs": [0] * (levels - 1) + [1],
        "nodes_falseleafs": [0] * (levels - 1) + [1],
    }
    call = make_call("TreeEnsemble", ts(1, 3), domain=ML, opset=5, n_targets=1, **said)
    assert terms(call)[0].bounds == Bounds.exactly(levels)


def test_a_vector_is_one_row_and_an_unknown_batch_stays_unknown():
    said = forests.listed([Leaf(((0, 0.25),))], "target") | {"n_targets": 1}
    call = make_call("TreeEnsembleRegressor", ts(3), domain=ML, opset=1, **said)
    assert call.outputs == (ts(1, 1),)
    open_ = make_call("TreeEnsembleRegressor", TensorType(DType.FLOAT32, (None, 3)), domain=ML, opset=1, **said)
    assert open_.outputs == (TensorType(DType.FLOAT32, (None, 1)),)
    with pytest.raises(UnknownShapeError):
        terms(open_)


TREE = forests.listed([Branch(0, "BRANCH_LEQ", 0.0, False, Leaf(((0, 1.0),)), Leaf(((0, 2.0),)))], "target")
LINKED = forests.linked([Branch(0, "BRANCH_LEQ", 0.0, False, Leaf(((0, 1.0),)), Leaf(((0, 2.0),)))])


@pytest.mark.parametrize(
    ("op_type", "said", "message"),
    [
        ("TreeEnsembleRegressor", {"nodes_truenodeids": [0, 0, 0]}, "some nodes form a cycle"),
        ("TreeEnsembleRegressor", {"nodes_truenodeids": [7, 0, 0]}, "wants node 7 in tree 0, there is none"),
        ("TreeEnsembleRegressor", {"nodes_modes": ["LEAF"] * 2}, "wants 3 nodes_modes, there are 2"),
        ("TreeEnsembleRegressor", {"nodes_modes": ["OTHER", "LEAF", "LEAF"]}, "one is 'OTHER'"),
        ("TreeEnsembleRegressor", {"nodes_modes": [1, 2, 3]}, "wants nodes_modes to be a list of type str"),
        ("TreeEnsembleRegressor", {"aggregate_function": "MEAN"}, "it is 'MEAN'"),
        ("TreeEnsembleRegressor", {"post_transform": "TANH"}, "it is 'TANH'"),
        ("TreeEnsembleRegressor", {"target_ids": [0, 3]}, "wants target_ids from 0 to 0, they are from 0 to 3"),
        ("TreeEnsemble", {"leaf_targetids": [0, -1]}, "wants leaf_targetids from 0 to 0, they are from -1 to 0"),
        ("TreeEnsemble", {"tree_roots": [1]}, "wants tree_roots from 0 to 0, they are from 1 to 1"),
        ("TreeEnsemble", {"nodes_trueleafs": [0], "nodes_truenodeids": [3]}, "wants children from 0 to 0, one is 3"),
        ("TreeEnsemble", {"nodes_trueleafs": [0], "nodes_truenodeids": [0]}, "some nodes form a cycle"),
        ("TreeEnsemble", {"nodes_missing_value_tracks_true": [0, 1]}, "wants 1 nodes_missing_value_tracks_true"),
        ("TreeEnsemble", {"aggregate_function": 4}, "wants aggregate_function from 0 to 3, it is 4"),
    ],
)
def test_what_breaks_the_specification_is_named(op_type, said, message):
    tree = (LINKED if op_type == "TreeEnsemble" else TREE) | {"n_targets": 1}
    call = make_call(op_type, ts(2, 3), domain=ML, opset=5, **(tree | said))
    with pytest.raises(NodeError, match=message):
        terms(call)


def test_no_targets_are_an_error_of_the_type():
    with pytest.raises(NodeError, match="wants n_targets of 1 or more, it is 0"):
        make_call("TreeEnsemble", ts(2, 3), domain=ML, opset=5, **(LINKED | {"n_targets": 0}))
