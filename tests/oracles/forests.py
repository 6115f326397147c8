"""Decision trees as nested branches, the plain way down them, and how the operators write them as lists."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from onnx import numpy_helper

from graphcost.terms import Arith

MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
COMPARE = {
    "BRANCH_LEQ": lambda x, value: x <= value,
    "BRANCH_LT": lambda x, value: x < value,
    "BRANCH_GTE": lambda x, value: x >= value,
    "BRANCH_GT": lambda x, value: x > value,
    "BRANCH_EQ": lambda x, value: x.equals(value),
    "BRANCH_NEQ": lambda x, value: not x.equals(value),
}


@dataclass(frozen=True)
class Leaf:
    votes: tuple[tuple[int, float], ...]
    """Targets and weights."""


@dataclass(frozen=True)
class Branch:
    feature: int
    mode: str
    value: float
    nan_is_true: bool
    yes: Branch | Leaf
    no: Branch | Leaf


def is_true(branch, x):
    if COMPARE[branch.mode](x, branch.value):
        return True
    if not branch.nan_is_true:
        return False
    x.tally.counts[Arith.CMP] += 1
    return math.isnan(float(x))


def reached(tree, row):
    while isinstance(tree, Branch):
        tree = tree.yes if is_true(tree, row[tree.feature]) else tree.no
    return tree


def aggregated(trees, row, targets, aggregate, tally):
    start = {"MIN": math.inf, "MAX": -math.inf}.get(aggregate, 0.0)
    scores = [tally.number(start) for _ in range(targets)]
    for tree in trees:
        for target, weight in reached(tree, row).votes:
            if aggregate == "MIN":
                scores[target] = scores[target].minimum(weight)
            elif aggregate == "MAX":
                scores[target] = scores[target].maximum(weight)
            else:
                scores[target] = scores[target] + weight
    return [score / float(len(trees)) for score in scores] if aggregate == "AVERAGE" else scores


def paths(tree):
    """Yield, for every way down a tree, how many comparisons it takes and how many votes there are at its end.

    Where a missing value tracks true, a true comparison is one, a false one is followed by another, whatever it says.
    """
    if isinstance(tree, Leaf):
        yield 0, len(tree.votes)
        return
    for below, votes in paths(tree.yes):
        yield 1 + below, votes
        if tree.nan_is_true:
            yield 2 + below, votes
    for below, votes in paths(tree.no):
        yield (2 if tree.nan_is_true else 1) + below, votes


def listed(trees, kind):
    """Return the attributes of TreeEnsembleRegressor (kind `target`) or TreeEnsembleClassifier (kind `class`)."""
    nodes, votes = [], []
    for number, tree in enumerate(trees):
        first = len(nodes)
        waiting = [(tree, 0)]
        nodes.append(None)
        while waiting:
            one, place = waiting.pop()
            if isinstance(one, Leaf):
                nodes[first + place] = (number, place, 0, "LEAF", 0.0, 0, 0, 0)
                votes += [(number, place, target, weight) for target, weight in one.votes]
                continue
            yes = len(nodes) - first
            nodes += [None, None]
            waiting += [(one.yes, yes), (one.no, yes + 1)]
            entry = (number, place, one.feature, one.mode, one.value, yes, yes + 1, int(one.nan_is_true))
            nodes[first + place] = entry
    names = ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")
    said = {f"nodes_{name}": list(column) for name, column in zip(names, zip(*nodes, strict=True), strict=False)}
    said["nodes_missing_value_tracks_true"] = [node[-1] for node in nodes]
    columns = list(zip(*votes, strict=True)) or [(), (), (), ()]
    for name, column in zip(("treeids", "nodeids", "ids", "weights"), columns, strict=True):
        said[f"{kind}_{name}"] = list(column)
    return said


def linked(trees, dtype=np.float32):
    """Return the attributes of TreeEnsemble; every leaf has one vote."""
    branches, leaves, roots = [], [], []

    def leaf(one):
        leaves.append(one.votes[0])
        return len(leaves) - 1, 1

    def place(one):
        if isinstance(one, Leaf):
            return leaf(one)
        here = len(branches)
        branches.append(None)
        (yes, yes_leaf), (no, no_leaf) = place(one.yes), place(one.no)
        mode = MODES.index(one.mode)
        branches[here] = (one.feature, mode, one.value, yes, yes_leaf, no, no_leaf, int(one.nan_is_true))
        return here, 0

    for tree in trees:
        if isinstance(tree, Leaf):
            only, _ = leaf(tree)
            roots.append(len(branches))
            branches.append((0, 0, 0.0, only, 1, only, 1, 0))
        else:
            roots.append(place(tree)[0])
    features, modes, values, yes, yes_leafs, no, no_leafs, flags = map(list, zip(*branches, strict=True))
    return {
        "tree_roots": roots,
        "nodes_featureids": features,
        "nodes_modes": numpy_helper.from_array(np.array(modes, np.uint8)),
        "nodes_splits": numpy_helper.from_array(np.array(values, dtype)),
        "nodes_truenodeids": yes,
        "nodes_trueleafs": yes_leafs,
        "nodes_falsenodeids": no,
        "nodes_falseleafs": no_leafs,
        "nodes_missing_value_tracks_true": flags,
        "leaf_targetids": [target for target, _ in leaves],
        "leaf_weights": numpy_helper.from_array(np.array([weight for _, weight in leaves], dtype)),
    }
