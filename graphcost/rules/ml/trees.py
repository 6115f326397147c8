"""Ensembles of decision trees: every row goes down every tree, from its root to one leaf.

The readings that all operators of ai.onnx.ml share are those of common.py. Theirs beyond:

- A branch compares one feature with one value: one comparison. Whether a feature is a member of a set (BRANCH_MEMBER)
  is one look-up, so one comparison, too. Where a missing value tracks true, a false comparison is followed by a second
  one: is the feature NaN? NaN compares false by itself, so any other branch needs none.
- How deep a row goes is known only with its features: at least to the shallowest leaf of each tree, at most to the
  deepest. Where all leaves of a tree are equally deep and nothing tracks true, both are the same.
- Scores start at 0, and each vote of a leaf is one addition to the score of its target, or one comparison for MIN and
  MAX. AVERAGE divides each score by the number of trees once.
- Branches may share their children, as converters of categorical splits make them; a cycle is an error. A node belongs
  to one tree. Nodes that were left on disk are only counted: a row passes each branch at most once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from graphcost.bounds import Bounds
from graphcost.rules.ml.common import (
    POST_TRANSFORMS,
    at_least_one,
    computes_in,
    labels_type,
    partial_rows,
    post_transform,
    rows_of,
    top_class,
)
from graphcost.rules.registry import ML
from graphcost.rules.shared.lists import entries, length
from graphcost.terms import Arith, ranged, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Type


_NONE = Bounds.exactly(0)
_COMPARISONS = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
"""In the order of the numbers that TreeEnsemble has for them."""
_LEAF = -1
"""Stands for every leaf of a TreeEnsemble, which numbers its leaves apart from its branches."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What one row does in all trees together."""

    comparisons: Bounds
    """Features that it compares."""
    votes: Bounds
    """Votes of the leaves that it reaches."""


@ML.rule("TreeEnsemble", since=5)
def tree_ensemble(call: Call) -> Iterator[Term]:
    """Y[target] = post_transform(sum, average, min or max of the weights of the leaves that X reaches).

    X: (N, F), Y: (N, n_targets). Every leaf has one weight for one target.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html
    """
    rows, _ = rows_of(call)
    _check_targets(call, "leaf_targetids")
    aggregate = _chosen(call, "aggregate_function", _AGGREGATES)
    yield from _walked(call, rows, _linked_walk(call), aggregate)
    if aggregate == "AVERAGE":
        yield _average(call, rows)
    name = _chosen(call, "post_transform", POST_TRANSFORMS)
    if name != "NONE":
        yield from post_transform(call, name, rows, at_least_one(call, "n_targets"))


@ML.rule("TreeEnsembleRegressor")
def tree_ensemble_regressor(call: Call) -> Iterator[Term]:
    """Y[target] = post_transform(base_values + sum, average, min or max of the weights of the leaves that X reaches).

    X: (N, F), Y: (N, n_targets). A leaf has any number of votes; base_values are added last, where there are any.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html
    """
    rows, _ = rows_of(call)
    _check_targets(call, "target_ids")
    aggregate = call.choice("aggregate_function", _AGGREGATES)
    yield from _walked(call, rows, _listed_walk(call, "target"), aggregate)
    if aggregate == "AVERAGE":
        yield _average(call, rows)
    if length(call, "base_values", "base_values_as_tensor"):
        yield _base_values(call, rows, at_least_one(call, "n_targets"))
    name = call.choice("post_transform", POST_TRANSFORMS)
    if name != "NONE":
        yield from post_transform(call, name, rows, at_least_one(call, "n_targets"))


@ML.rule("TreeEnsembleClassifier")
def tree_ensemble_classifier(call: Call) -> Iterator[Term]:
    """Z[class] = post_transform(base_values + sum of the votes of the leaves that X reaches); Y = the highest's label.

    X: (N, F), Z: (N, E). A leaf has any number of votes. Where there are two classes and all votes are for the first,
    that score is the second's; the first's is 1 - score, or -score where a post_transform other than PROBIT follows.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html
    """
    (rows, _), classes = rows_of(call), _labels(call)
    yield from _walked(call, rows, _listed_walk(call, "class"), "SUM")
    if length(call, "base_values", "base_values_as_tensor"):
        yield _base_values(call, rows, length(call, "base_values", "base_values_as_tensor"))
    name = call.choice("post_transform", POST_TRANSFORMS)
    if classes == 2:
        yield from _other_score(call, rows, name)
    yield from post_transform(call, name, rows, classes)
    yield top_class(call, rows, classes)


def _check_targets(call: Call, name: str) -> None:
    ids, targets = entries(call, name, int), at_least_one(call, "n_targets")
    if ids and not 0 <= min(ids) <= max(ids) < targets:
        raise call.error(f"wants {name} from 0 to {targets - 1}, they are from {min(ids)} to {max(ids)}")


def _labels(call: Call) -> int:
    return length(call, "classlabels_int64s", "classlabels_strings")


def _chosen(call: Call, name: str, choices: tuple[str, ...]) -> str:
    """Return what a number among the attributes stands for."""
    number = call.attr(name, int)
    if not 0 <= number < len(choices):
        raise call.error(f"wants {name} from 0 to {len(choices) - 1}, it is {number}")
    return choices[number]


def _walked(call: Call, rows: int, walk: Walk, aggregate: str) -> Iterator[Term]:
    combining = Arith.CMP if aggregate in {"MIN", "MAX"} else Arith.ADD
    yield ranged("feature <= value", Arith.CMP, walk.comparisons, rows, computes_in(call))
    what = "score + weight" if combining is Arith.ADD else f"{aggregate.lower()}(score, weight)"
    yield ranged(what, combining, walk.votes, rows, computes_in(call))


def _average(call: Call, rows: int) -> Term:
    return work("sum / trees", Arith.DIV, dtype=computes_in(call), rows=rows, targets=at_least_one(call, "n_targets"))


def _base_values(call: Call, rows: int, scores: int) -> Term:
    return work("+ base_values", Arith.ADD, dtype=computes_in(call), rows=rows, scores=scores)


def _other_score(call: Call, rows: int, transform: str) -> Iterator[Term]:
    """Yield the work of the first class's score where all votes are for it; if they are on disk, there may be none."""
    ids = entries(call, "class_ids", int)
    if ids is None or set(ids) == {0}:
        what, arith = ("1 - score", Arith.ADD) if transform in {"NONE", "PROBIT"} else ("-score", Arith.SIGN)
        yield work(what, arith, dtype=computes_in(call), rows=rows, least=0 if ids is None else None)


def _listed_walk(call: Call, kind: str) -> Walk:
    """Return the walk through nodes that are listed with the tree that they belong to, leaves among them."""
    names = ("nodes_treeids", "nodes_nodeids", "nodes_truenodeids", "nodes_falsenodeids")
    known = [one for one in (entries(call, name, int) for name in names) if one is not None]
    modes, votes = entries(call, "nodes_modes", str), Bounds(0, length(call, f"{kind}_nodeids"))
    if modes is None or len(known) < len(names):
        return _unread_walk(call, Bounds(0, max(length(call, "nodes_treeids") - 1, 0)), votes)
    _check_lengths(call, (*names, "nodes_modes"))
    trees, ids, yes, no = known
    places = {id_: place for place, id_ in enumerate(zip(trees, ids, strict=True))}
    branches = {}
    for place, (tree, mode) in enumerate(zip(trees, modes, strict=True)):
        if _is_branch(call, mode):
            branches[place] = _place(call, places, tree, yes[place]), _place(call, places, tree, no[place])
    roots = {tree: place for place, tree in reversed([*enumerate(trees)])}
    voters = _voters(call, kind, places)
    walk = _walk(call, [*roots.values()], branches, voters or {})
    return walk if voters is not None else Walk(walk.comparisons, votes)


def _voters(call: Call, kind: str, places: Mapping[tuple[int, int], int]) -> Mapping[int, int] | None:
    """Return how many votes each leaf has; None where they are on disk."""
    trees, ids = entries(call, f"{kind}_treeids", int), entries(call, f"{kind}_nodeids", int)
    if trees is None or ids is None:
        return None
    return Counter(_place(call, places, *one) for one in zip(trees, ids, strict=False))


def _is_branch(call: Call, mode: str) -> bool:
    if mode not in {*_COMPARISONS, "LEAF"}:
        raise call.error(f"wants nodes_modes of {', '.join(_COMPARISONS)} or LEAF, one is {mode!r}")
    return mode != "LEAF"


def _place(call: Call, places: Mapping[tuple[int, int], int], tree: int, id_: int) -> int:
    if (tree, id_) not in places:
        raise call.error(f"wants node {id_} in tree {tree}, there is none")
    return places[tree, id_]


def _linked_walk(call: Call) -> Walk:
    """Return the walk through branches that name their children by place, and leaves apart.

    A tree that is a lone leaf is written as a branch, both of whose children are that leaf. Where the branches
    are on disk: a forest that uses all its leaves has at least as many other trees as it has more leaves than branches.
    """
    trees, nodes = length(call, "tree_roots"), length(call, "nodes_truenodeids")
    names = ("nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids", "nodes_falseleafs")
    lists = [entries(call, name, int) for name in ("tree_roots", *names)]
    known = [one for one in lists if one is not None]
    if len(known) < len(lists):
        least = min(max(length(call, "leaf_targetids") - nodes, 0), trees)
        return _unread_walk(call, Bounds(least, nodes), Bounds.exactly(trees))
    _check_lengths(call, names)
    roots, yes, yes_leafs, no, no_leafs = known
    if any(not 0 <= root < nodes for root in roots):
        raise call.error(f"wants tree_roots from 0 to {nodes - 1}, they are from {min(roots)} to {max(roots)}")
    branches = {
        place: (_child(call, nodes, yes[place], yes_leafs[place]), _child(call, nodes, no[place], no_leafs[place]))
        for place in range(nodes)
    }
    higher = [root for root in roots if branches[root] != (_LEAF, _LEAF) or yes[root] != no[root]]
    return Walk(_walk(call, higher, branches, {}).comparisons, Bounds.exactly(trees))


def _child(call: Call, nodes: int, place: int, is_leaf: int) -> int:
    if is_leaf:
        return _LEAF
    if not 0 <= place < nodes:
        raise call.error(f"wants children from 0 to {nodes - 1}, one is {place}")
    return place


def _check_lengths(call: Call, names: tuple[str, ...]) -> None:
    wanted = length(call, names[0])
    flags = "nodes_missing_value_tracks_true"
    for name in (*names, flags) if length(call, flags) else names:
        if length(call, name) != wanted:
            raise call.error(f"wants {wanted} {name}, there are {length(call, name)}")


def _unread_walk(call: Call, branches: Bounds, votes: Bounds) -> Walk:
    """Return the walk past so many branches; where missing values may track true, each can take two comparisons."""
    tracking = 2 if length(call, "nodes_missing_value_tracks_true") else 1
    return Walk(Bounds(branches.low, (branches.high or 0) * tracking), votes)


def _walk(call: Call, roots: list[int], branches: Mapping[int, tuple[int, int]], voters: Mapping[int, int]) -> Walk:
    """Return the walk from the roots to the leaves; a node that is no branch is a leaf."""
    flags = entries(call, "nodes_missing_value_tracks_true", int) or ()
    asks_nan = {place for place, flag in enumerate(flags) if flag}
    comparisons: dict[int, Bounds] = {}
    votes: dict[int, Bounds] = {}
    try:
        order = [*TopologicalSorter(branches).static_order(), *roots]
    except CycleError as fault:
        raise call.error("wants trees, some nodes form a cycle") from fault
    for node in order:
        if node not in branches:
            comparisons[node], votes[node] = _NONE, Bounds.exactly(voters.get(node, 0))
            continue
        yes, no = branches[node]
        second = Bounds.exactly(1 if node in asks_nan else 0)
        asked = (comparisons[yes] + Bounds(0, second.high)).either(comparisons[no] + second)
        comparisons[node] = Bounds.exactly(1) + asked
        votes[node] = votes[yes].either(votes[no])
    return Walk(Bounds.total(comparisons[root] for root in roots), Bounds.total(votes[root] for root in roots))


@ML.types("TreeEnsemble")
def aggregated(call: Call) -> Iterator[Type]:
    """Yield one number for each row and target, of X's type."""
    yield TensorType(call.partial("X").dtype, (partial_rows(call)[0], at_least_one(call, "n_targets")))


@ML.types("TreeEnsembleRegressor")
def regressed(call: Call) -> Iterator[Type]:
    """Yield one number for each row and target."""
    yield TensorType(DType.FLOAT32, (partial_rows(call)[0], at_least_one(call, "n_targets")))


@ML.types("TreeEnsembleClassifier")
def classified(call: Call) -> Iterator[Type]:
    """Yield a label for each row, and a score for each class."""
    rows, _ = partial_rows(call)
    yield TensorType(labels_type(call), (rows,))
    yield TensorType(DType.FLOAT32, (rows, _labels(call)))
