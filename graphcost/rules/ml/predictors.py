"""Linear models and support vector machines.

The readings that all operators of ai.onnx.ml share are those of common.py. A support vector machine has two forms:
with support vectors, each of which meets every row in a kernel, or, where none are given, as a linear model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.ml.common import (
    POST_TRANSFORMS,
    at_least_one,
    computes_in,
    groups,
    labels_type,
    partial_rows,
    post_transform,
    rows_of,
    top_class,
)
from graphcost.rules.registry import ML
from graphcost.rules.shared.lists import length
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim, Type


@ML.rule("LinearRegressor")
def linear_regressor(call: Call) -> Iterator[Term]:
    """Y = post_transform(X * coefficients + intercepts), for each target.

    X: (N, C) or (C,), coefficients: (targets, C), intercepts, where there are any: (targets,).

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_LinearRegressor.html
    """
    (rows, features), targets = rows_of(call), at_least_one(call, "targets")
    if groups(call, "coefficients", targets, "targets") != features:
        raise call.error(f"wants {targets} * {features} coefficients, there are {length(call, 'coefficients')}")
    yield from _linear(call, rows, targets, features, "intercepts")
    yield from post_transform(call, call.choice("post_transform", POST_TRANSFORMS), rows, targets)


@ML.rule("LinearClassifier")
def linear_classifier(call: Call) -> Iterator[Term]:
    """Z = post_transform(X * coefficients + intercepts), for each class; Y = the label of the highest.

    X: (N, C) or (C,), coefficients: (E, C), intercepts, where there are any: (E,). Where there are two labels, but
    coefficients for one score alone, the other class scores its negative.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_LinearClassifier.html
    """
    rows, features = rows_of(call)
    sets = groups(call, "coefficients", features, "features")
    yield from _linear(call, rows, sets, features, "intercepts")
    yield from _scored(call, rows, sets)


def _linear(call: Call, rows: int, scores: int, features: int, biases: str) -> Iterator[Term]:
    dtype = computes_in(call)
    yield work("X*w", Arith.MAC, wrt=("X", "coefficients"), dtype=dtype, rows=rows, scores=scores, features=features)
    if length(call, biases):
        yield work(f"+ {biases}", Arith.ADD, dtype=dtype, rows=rows, scores=scores)


def _scored(call: Call, rows: int, scores: int) -> Iterator[Term]:
    """Yield the work of turning the scores of a classifier into those of all classes, and into labels."""
    if _one_for_two(call, scores):
        yield work("-score", Arith.SIGN, dtype=computes_in(call), rows=rows)
        scores = 2
    yield from post_transform(call, call.choice("post_transform", POST_TRANSFORMS), rows, scores)
    yield top_class(call, rows, scores)


def _one_for_two(call: Call, scores: int) -> bool:
    return scores == 1 and _labels(call) == 2


def _labels(call: Call) -> int:
    return length(call, "classlabels_ints", "classlabels_strings")


@ML.rule("SVMRegressor")
def svm_regressor(call: Call) -> Iterator[Term]:
    """Y = sum over j of coefficients[j] * K(X, v[j]) + rho; without support vectors v, X * coefficients + rho.

    X: (N, C) or (C,), v: (n_supports, C), Y: (N, 1). K(x, v) is x*v (LINEAR), (gamma * x*v + coef0) ^ degree (POLY),
    tanh(gamma * x*v + coef0) (SIGMOID) or exp(-gamma * sum((x - v)^2)) (RBF). With one_class, Y is the sign of the sum.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_SVMRegressor.html
    """
    (rows, features), vectors, dtype = rows_of(call), call.attr("n_supports", int), computes_in(call)
    summed = vectors if vectors > 0 else features
    if length(call, "coefficients") != summed:
        raise call.error(f"wants {summed} coefficients, there are {length(call, 'coefficients')}")
    if vectors > 0:
        yield from _kernels(call, rows, vectors, features)
        yield work("coefficient * K", Arith.MAC, wrt=("coefficients", "K"), dtype=dtype, rows=rows, vectors=vectors)
        yield work("+ rho", Arith.ADD, dtype=dtype, rows=rows)
    else:
        yield from _linear(call, rows, 1, features, "rho")
    if call.attr("one_class", int):
        yield work("sum > 0", Arith.CMP, dtype=dtype, rows=rows)
    yield from post_transform(call, call.choice("post_transform", POST_TRANSFORMS), rows, 1)


@ML.rule("SVMClassifier")
def svm_classifier(call: Call) -> Iterator[Term]:
    """Z = post_transform(scores); Y = the label with most votes: each pair of classes has a score, which is a vote.

    score[i, j] = sum over the vectors v of both classes of coefficient * K(X, v) + rho[i, j], a vote for i where it is
    above 0, else for j; K as for SVMRegressor. Each vector meets every row once, and its K serves the E - 1 pairs of
    its class. Two classes have one score; the other's is its negative. With prob_a and prob_b, Z holds probabilities
    instead: p = 1 / (1 + exp(a * score + b)) for each pair, at least 1e-7 and at most 1 - 1e-7, and one of each class
    from those, by steps of LIBSVM's method of which there are at most max(100, E): they end when the error is small.
    Without support vectors, Z = post_transform(X * coefficients + rho), and Y the label of the highest.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxml_SVMClassifier.html,
    https://www.csie.ntu.edu.tw/~cjlin/papers/libsvm.pdf, section 8
    """
    (rows, features), classes, dtype = rows_of(call), max(_labels(call), 1), computes_in(call)
    if not _has_vectors(call):
        if groups(call, "coefficients", classes, "classes") != features:
            raise call.error(f"wants {classes} * {features} coefficients, there are {length(call, 'coefficients')}")
        yield from _linear(call, rows, classes, features, "rho")
        yield from _scored(call, rows, classes)
        return
    yield from _kernels(call, rows, groups(call, "support_vectors", features, "features"), features)
    yield from _votes(call, rows, features, classes)
    if _has_probabilities(call):
        yield from _pair_probabilities(call, rows, classes)
        yield from _coupling(call, rows, classes)
    elif classes == 2:
        yield work("-score", Arith.SIGN, dtype=dtype, rows=rows)
    yield from post_transform(call, call.choice("post_transform", POST_TRANSFORMS), rows, _svm_scores(call, classes))


def _has_vectors(call: Call) -> bool:
    return length(call, "vectors_per_class") > 0 and length(call, "support_vectors") > 0


def _has_probabilities(call: Call) -> bool:
    return length(call, "prob_a") > 0 and _has_vectors(call)


def _svm_scores(call: Call, classes: int) -> int:
    """Return how many scores a support vector classifier gives for a row."""
    if not _has_vectors(call) or _has_probabilities(call) or classes == 2:
        return classes
    return classes * (classes - 1) // 2


_AFTER_PRODUCT = {
    "LINEAR": (),
    "POLY": (Arith.MUL, Arith.ADD, Arith.POW),
    "SIGMOID": (Arith.MUL, Arith.ADD, Arith.TANH),
}


def _kernels(call: Call, rows: int, vectors: int, features: int) -> Iterator[Term]:
    """Yield the work of K(x, v) for every row and support vector; -gamma is known beforehand."""
    kind, dtype = call.choice("kernel_type", (*_AFTER_PRODUCT, "RBF")), computes_in(call)
    if kind == "RBF":
        yield work("d = x - v", Arith.ADD, dtype=dtype, rows=rows, vectors=vectors, features=features)
        yield work("d * d", Arith.MUL, dtype=dtype, rows=rows, vectors=vectors, features=features)
        yield work("sum(d * d)", Arith.ADD, dtype=dtype, rows=rows, vectors=vectors, additions=max(features - 1, 0))
        yield work("-gamma * sum(d * d)", Arith.MUL, dtype=dtype, rows=rows, vectors=vectors)
        yield work("exp(-gamma * sum(d * d))", Arith.EXP, dtype=dtype, rows=rows, vectors=vectors)
        return
    yield work(
        "x*v", Arith.MAC, wrt=("X", "support_vectors"), dtype=dtype, rows=rows, vectors=vectors, features=features
    )
    for arith in _AFTER_PRODUCT[kind]:
        yield work(f"{kind.lower()}(x*v)", arith, dtype=dtype, rows=rows, vectors=vectors)


def _votes(call: Call, rows: int, features: int, classes: int) -> Iterator[Term]:
    dtype, others = computes_in(call), classes - 1
    vectors = groups(call, "support_vectors", features, "features")
    if length(call, "coefficients") != vectors * others:
        raise call.error(f"wants {vectors} * {others} coefficients, there are {length(call, 'coefficients')}")
    pairs, factors = classes * others // 2, ("coefficients", "K")
    yield work("coefficient * K", Arith.MAC, wrt=factors, dtype=dtype, rows=rows, vectors=vectors, other_classes=others)
    yield work("+ rho", Arith.ADD, dtype=dtype, rows=rows, pairs=pairs)
    yield work("score > 0", Arith.CMP, dtype=dtype, rows=rows, pairs=pairs)
    yield work("votes + 1", Arith.ADD, dtype=dtype, rows=rows, pairs=pairs)
    yield top_class(call, rows, classes)


def _pair_probabilities(call: Call, rows: int, classes: int) -> Iterator[Term]:
    """Yield the work of p = 1 / (1 + exp(a * score + b)), bounded at both ends, and of 1 - p, for each pair."""
    dtype, pairs = computes_in(call), classes * (classes - 1) // 2
    what = "p = 1 / (1 + exp(a * score + b))"
    for arith in (Arith.MUL, Arith.ADD, Arith.EXP, Arith.ADD, Arith.DIV):
        yield work(what, arith, dtype=dtype, rows=rows, pairs=pairs)
    yield work("1e-7 <= p <= 1 - 1e-7", Arith.CMP, dtype=dtype, rows=rows, pairs=pairs, bounds=2)
    yield work("1 - p", Arith.ADD, dtype=dtype, rows=rows, pairs=pairs)


def _coupling(call: Call, rows: int, classes: int) -> Iterator[Term]:
    """Yield the work of the probabilities P of the classes from those of the pairs, r.

    Q[i, i] = sum over j of r[j, i]^2, Q[i, j] = -r[j, i] * r[i, j]; P starts as 1 / E, which is known beforehand.
    A step checks the error, max over i of |(Q*P)[i] - P*Q*P|, against 0.005 / E, and where it is larger, for each i
    diff = (P*Q*P - (Q*P)[i]) / Q[i, i], and P, Q*P and P*Q*P follow. There is at least one check.
    """
    dtype, k, steps = computes_in(call), classes, max(100, classes)
    once = {
        Arith.MUL: k * (k - 1) + k * (k - 1) // 2,
        Arith.ADD: k * max(k - 2, 0),
        Arith.SIGN: k * (k - 1) // 2,
    }
    check = {Arith.MAC: k * k + k, Arith.ADD: k, Arith.SIGN: k, Arith.CMP: k + 1}
    update = {Arith.ADD: k * (5 + k), Arith.MUL: k * (3 + k), Arith.DIV: k * (3 + 2 * k)}
    for arith, count in once.items():
        yield work("Q", arith, dtype=dtype, rows=rows, per_row=count)
    for arith, count in check.items():
        yield work("error < eps", arith, dtype=dtype, rows=rows, steps=steps, per_step=count, least=rows * count)
    for arith, count in update.items():
        yield work("P", arith, dtype=dtype, rows=rows, steps=steps, per_step=count, least=0)


@ML.types("LinearRegressor")
def regressed(call: Call) -> Iterator[Type]:
    """Yield one number for each row and target."""
    yield TensorType(DType.FLOAT32, (partial_rows(call)[0], at_least_one(call, "targets")))


@ML.types("SVMRegressor")
def regressed_by_vectors(call: Call) -> Iterator[Type]:
    """Yield one number for each row."""
    yield TensorType(DType.FLOAT32, (partial_rows(call)[0], 1))


@ML.types("LinearClassifier")
def classified(call: Call) -> Iterator[Type]:
    """Yield a label for each row, and a score for each class."""
    rows, features = partial_rows(call)
    scores = _sets(call, features)
    if scores is not None and _one_for_two(call, scores):
        scores = 2
    yield TensorType(labels_type(call), (rows,))
    yield TensorType(DType.FLOAT32, (rows, scores))


def _sets(call: Call, features: Dim) -> int | None:
    """Return how many sets of coefficients there are; each has an intercept where there are any."""
    if isinstance(features, int) and features > 0:
        return groups(call, "coefficients", features, "features")
    return length(call, "intercepts") or None


@ML.types("SVMClassifier")
def classified_by_vectors(call: Call) -> Iterator[Type]:
    """Yield a label for each row, and a score for each class or pair of classes."""
    rows, _ = partial_rows(call)
    yield TensorType(labels_type(call), (rows,))
    yield TensorType(DType.FLOAT32, (rows, _svm_scores(call, max(_labels(call), 1))))
