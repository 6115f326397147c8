"""Linear models and support vector machines against plain loops, and those against onnx's reference."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import classical
from oracles.checked import checks
from oracles.counting import Tally

from graphcost.bounds import Bounds
from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.rules.ml.common import POST_TRANSFORMS
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

ML = "ai.onnx.ml"
KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")
GAMMA, COEF0, DEGREE = 0.5, 0.25, 2.0
many = settings(max_examples=200, deadline=None)
seeds = st.integers(0, 999).map(np.random.default_rng)
matrices = st.tuples(st.integers(0, 3), st.integers(1, 3))
transforms = st.sampled_from(POST_TRANSFORMS)


def ml(op_type, *inputs, outputs=1, **attributes):
    return make_call(op_type, *inputs, opset=3, outputs=outputs, domain=ML, **attributes)


def drawn(rng, *shape):
    return rng.uniform(0.1, 0.4, shape).astype(np.float32)


def rows_of(tally, x):
    return [list(row) for row in tally.tensor(x)] if x.size else []


def floats(rows, width):
    return np.array([[float(one) for one in row] for row in rows]).reshape(-1, width)


def check_scores(rows, expected, width, transform):
    """PROBIT's inverse of the error function is only approximate in the reference."""
    np.testing.assert_allclose(floats(rows, width), expected, rtol=2e-2 if transform == "PROBIT" else 1e-3, atol=5e-3)


@checks("LinearRegressor", domain=ML)
@many
@given(matrices, st.integers(1, 3), seeds, transforms, st.booleans())
def test_linear_regressor(shape, targets, rng, transform, has_intercepts):
    x, coefficients, tally = drawn(rng, *shape), drawn(rng, targets, shape[1]), Tally()
    intercepts = drawn(rng, targets).tolist() if has_intercepts else []
    said = {"coefficients": coefficients.ravel().tolist(), "targets": targets}
    said |= {"intercepts": intercepts} if has_intercepts else {}
    scores = [classical.linear(row, coefficients, intercepts, tally) for row in rows_of(tally, x)]
    if has_intercepts:
        check_scores(scores, classical.computed("LinearRegressor", [x], **said)[0], targets, "NONE")
    for row in scores:
        classical.transformed(row, transform, tally)
    call = ml("LinearRegressor", ts(*shape), post_transform=transform, **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(shape[0], targets),)


@checks("LinearClassifier", domain=ML)
@many
@given(matrices, st.integers(1, 3), seeds, transforms, st.booleans())
def test_linear_classifier(shape, classes, rng, transform, has_strings):
    """With one set of coefficients there are two labels; PROBIT can't take the negative score that this makes."""
    x, coefficients, tally = drawn(rng, *shape), drawn(rng, classes, shape[1]), Tally()
    names = ["a", "b", "c"][: max(classes, 2)]
    labels = {"classlabels_strings": names} if has_strings else {"classlabels_ints": [*range(len(names))]}
    intercepts = drawn(rng, classes).tolist()
    said = {"coefficients": coefficients.ravel().tolist(), "intercepts": intercepts, "post_transform": transform}
    tops, scores = [], []
    for row in rows_of(tally, x):
        score = classical.linear(row, coefficients, intercepts, tally)
        both = [-score[0], score[0]] if classes == 1 else score
        scores.append(classical.transformed(both, transform, tally))
        tops.append(classical.top(scores[-1], 0.0))
    if x.size and not (classes == 1 and transform == "PROBIT"):
        found, expected = classical.computed("LinearClassifier", [x], outputs=2, **said, **labels)
        check_scores(scores, expected, len(names), transform)
        if transform != "PROBIT":
            assert [list(names).index(one) if has_strings else one for one in found] == tops
    call = ml("LinearClassifier", ts(*shape), outputs=2, **said, **labels)
    assert counts(call) == tally.as_dict()
    label = TensorType(DType.STRING if has_strings else DType.INT64, (shape[0],))
    assert call.outputs == (label, ts(shape[0], len(names)))


def kernel_attributes(kind, transform="NONE"):
    return {"kernel_type": kind, "kernel_params": [GAMMA, COEF0, DEGREE], "post_transform": transform}


def kernels_of(row, vectors, kind, tally):
    return [classical.kernel(row, v, kind, GAMMA, COEF0, DEGREE, tally) for v in vectors]


@checks("SVMRegressor", domain=ML)
@many
@given(matrices, st.integers(0, 3), seeds, st.sampled_from(KERNELS), transforms, st.booleans())
def test_svm_regressor(shape, supports, rng, kind, transform, is_one_class):
    x, tally = drawn(rng, *shape), Tally()
    vectors, coefficients = drawn(rng, supports, shape[1]), drawn(rng, supports or shape[1])
    said = {"coefficients": coefficients.tolist(), "rho": [0.125], "n_supports": supports} | kernel_attributes(kind)
    said |= {"support_vectors": vectors.ravel().tolist()} if supports else {}
    said["one_class"] = int(is_one_class)
    results = []
    for row in rows_of(tally, x):
        factors = kernels_of(row, vectors, kind, tally) if supports else row
        result = classical.dot(factors, coefficients, tally) + 0.125
        results.append([tally.number(1.0 if result > 0.0 else -1.0) if is_one_class else result])
    if x.size:
        (expected,) = classical.computed("SVMRegressor", [x], **said)
        check_scores(results, expected, 1, "NONE")
    for row in results:
        classical.transformed(row, transform, tally)
    call = ml("SVMRegressor", ts(*shape), **(said | {"post_transform": transform}))
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(shape[0], 1),)


@st.composite
def machines(draw):
    """A random generator, X, how many support vectors each class has, and the attributes of an SVMClassifier."""
    rng, shape = draw(seeds), draw(matrices)
    per_class = draw(st.lists(st.integers(1, 2), min_size=2, max_size=4))
    pairs = len(per_class) * (len(per_class) - 1) // 2
    said = {
        "support_vectors": drawn(rng, sum(per_class), shape[1]),
        "coefficients": rng.uniform(-1, 1, (len(per_class) - 1, sum(per_class))).astype(np.float32),
        "rho": rng.uniform(-0.2, 0.2, pairs).astype(np.float32),
    }
    return rng, drawn(rng, *shape), per_class, said


def svm(x, said, **attributes):
    lists = {name: one.ravel().tolist() for name, one in said.items()}
    call = ml("SVMClassifier", ts(*x.shape), outputs=2, **lists, **attributes)
    return call, lists


def pair_scores(row, per_class, said, kind, tally):
    kernels = kernels_of(row, said["support_vectors"], kind, tally)
    return classical.pair_scores(kernels, per_class, said["coefficients"], said["rho"], tally)


@checks("SVMClassifier", domain=ML)
@many
@given(machines(), st.sampled_from(KERNELS), transforms)
def test_svm_classifier(machine, kind, transform):
    (_, x, per_class, said), tally = machine, Tally()
    labels = {"classlabels_ints": [*range(len(per_class))], "vectors_per_class": per_class}
    tops, plain = [], []
    for row in rows_of(tally, x):
        votes, scores = pair_scores(row, per_class, said, kind, tally)
        tops.append(classical.top(votes, 0.0))
        plain.append([-scores[0], scores[0]] if len(per_class) == 2 else scores)
        classical.transformed(plain[-1], transform, tally)
    call, lists = svm(x, said, **labels, **kernel_attributes(kind, transform))
    if x.size:
        given_ = {**lists, **labels, **kernel_attributes(kind)}
        found, expected = classical.computed("SVMClassifier", [x], outputs=2, **given_)
        check_scores(plain, expected, len(plain[0]), "NONE")
        if said["coefficients"].min() < 0:  # else the reference, of two classes, takes the second
            assert found.tolist() == tops
    assert counts(call) == tally.as_dict()
    width = {2: 2, 3: 3, 4: 6}[len(per_class)]
    assert call.outputs == (TensorType(DType.INT64, (len(x),)), ts(len(x), width))


def with_probabilities(machine, eps, tally):
    """Return what the loop gives for every row, and the call; eps says when the steps end."""
    rng, x, per_class, said = machine
    classes = len(per_class)
    a, b = (rng.uniform(-1, 1, classes * (classes - 1) // 2).astype(np.float32) for _ in range(2))
    probabilities = []
    for row in rows_of(tally, x):
        votes, scores = pair_scores(row, per_class, said, "RBF", tally)
        classical.top(votes, 0.0)
        r = classical.pair_probabilities(scores, a, b, classes)
        probabilities.append(classical.coupled(r, tally, eps))
    labels = {"classlabels_ints": [*range(classes)], "vectors_per_class": per_class}
    call, lists = svm(x, said | {"prob_a": a, "prob_b": b}, **labels, **kernel_attributes("RBF"))
    return probabilities, call, {**lists, **labels, **kernel_attributes("RBF")}


def ends(call):
    total = {}
    for term in terms(call):
        total[term.arith] = total.get(term.arith, Bounds(0, 0)) + term.bounds
    return total


@many
@given(machines())
def test_probabilities_of_two_classes_are_those_of_the_reference_and_all_sum_to_one(machine):
    _, x, per_class, _ = machine
    tally = Tally()
    probabilities, call, said = with_probabilities(machine, 0.005 / len(per_class), tally)
    for row in probabilities:
        assert math.isclose(sum(map(float, row)), 1.0, rel_tol=1e-6)
    if x.size and len(per_class) == 2:  # for more, the reference adds up what LIBSVM keeps apart
        _, expected = classical.computed("SVMClassifier", [x], outputs=2, **said)
        np.testing.assert_allclose(floats(probabilities, 2), expected, rtol=1e-2)
    for arith, done in tally.as_dict().items():
        assert ends(call)[arith].low <= done <= ends(call)[arith].high
    assert call.outputs == (TensorType(DType.INT64, (len(x),)), ts(len(x), len(per_class)))


@settings(max_examples=40, deadline=None)
@given(machines())
def test_probabilities_take_one_check_at_least_and_a_hundred_steps_at_most(machine):
    least, most = Tally(), Tally()
    with_probabilities(machine, math.inf, least)
    _, call, _ = with_probabilities(machine, -math.inf, most)
    assert {arith: end.low for arith, end in ends(call).items() if end.low} == least.as_dict()
    assert {arith: end.high for arith, end in ends(call).items() if end.high} == most.as_dict()


@many
@given(matrices, st.integers(1, 3), seeds, transforms)
def test_a_classifier_without_support_vectors_is_linear(shape, classes, rng, transform):
    x, coefficients, tally = drawn(rng, *shape), drawn(rng, classes, shape[1]), Tally()
    said = {"coefficients": coefficients.ravel().tolist(), "rho": [0.125], "classlabels_ints": [*range(classes)]}
    scores, tops = [], []
    for row in rows_of(tally, x):
        scores.append(classical.linear(row, coefficients, [0.125] * classes, tally))
        tops.append(classical.top(classical.transformed(scores[-1], transform, tally), 0.0))
    if x.size and classes > 1:
        _, expected = classical.computed("SVMClassifier", [x], outputs=2, **said, **kernel_attributes("LINEAR"))
        check_scores(scores, expected, classes, "NONE")
    call = ml("SVMClassifier", ts(*shape), outputs=2, **said, post_transform=transform)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (TensorType(DType.INT64, (shape[0],)), ts(shape[0], classes))


def test_integers_are_computed_as_floats():
    call = ml("LinearRegressor", ts(2, 3, dtype=DType.INT64), coefficients=[1.0] * 3, post_transform="SOFTMAX")
    assert {term.dtype for term in terms(call)} == {DType.FLOAT32}
    assert {term.dtype for term in terms(replace(call, inputs=(ts(2, 3, dtype=DType.FLOAT64),)))} == {DType.FLOAT64}


def test_a_vector_is_one_row_and_what_is_unknown_stays_so():
    said = {"coefficients": [1.0] * 6, "intercepts": [0.0, 1.0], "classlabels_ints": [0, 1]}
    assert ml("LinearClassifier", ts(3), outputs=2, **said).outputs[1] == ts(1, 2)
    for shape, dims in (((None, 3), (None, 2)), ((None, None), (None, 2))):
        call = ml("LinearClassifier", TensorType(DType.FLOAT32, shape), outputs=2, **said)
        assert call.outputs[1] == TensorType(DType.FLOAT32, dims)


def test_coefficients_that_were_left_on_disk_are_counted():
    call = ml("LinearRegressor", ts(2, 3), coefficients=[1.0] * 3)
    left = replace(call, inputs=(ts(2, 9_000),), attributes={"coefficients": TensorType(DType.FLOAT32, (9_000,))})
    assert counts(left) == {Arith.MAC: 18_000}
    assert list(registry.types_of("LinearRegressor", ML)(left)) == [ts(2, 1)]


SVM = {"classlabels_ints": [0, 1], "vectors_per_class": [1, 1], "support_vectors": [1.0] * 6, "rho": [0.0]}


@pytest.mark.parametrize(
    ("op_type", "said", "message"),
    [
        ("LinearRegressor", {"coefficients": [1.0] * 4}, "wants 1 \\* 3 coefficients, there are 4"),
        ("LinearRegressor", {"coefficients": [1.0] * 3, "targets": 0}, "wants targets of 1 or more, it is 0"),
        ("LinearRegressor", {"coefficients": [1.0] * 3, "targets": 2}, "wants coefficients for each of 2 targets"),
        ("LinearRegressor", {"coefficients": [1.0] * 3, "post_transform": "TANH"}, "it is 'TANH'"),
        ("LinearClassifier", {"coefficients": [1.0] * 4}, "wants coefficients for each of 3 features, there are 4"),
        ("SVMRegressor", {"coefficients": [1.0], "n_supports": 2}, "wants 2 coefficients, there are 1"),
        (
            "SVMRegressor",
            {"coefficients": [1.0], "n_supports": 1, "support_vectors": [1.0] * 3, "kernel_type": "CUBE"},
            "it is 'CUBE'",
        ),
        ("SVMClassifier", SVM | {"coefficients": [1.0]}, "wants 2 \\* 1 coefficients, there are 1"),
        ("SVMClassifier", {"coefficients": [1.0], "classlabels_ints": [0, 1]}, "wants coefficients for each of 2"),
    ],
)
def test_what_breaks_the_specification_is_named(op_type, said, message):
    with pytest.raises(NodeError, match=message):
        terms(ml(op_type, ts(2, 3), outputs=2 if "Classifier" in op_type else 1, **said))
