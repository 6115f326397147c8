"""Classical machine learning as plain loops over rows, and what onnx's reference computes of it.

A table's keys are looked up by `look_up`, which counts what it does. Rows are lists of counting numbers.
"""

from __future__ import annotations

import math
from itertools import combinations
from statistics import NormalDist

import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator
from oracles import rows as row_loops
from oracles.counting import Number

from graphcost.terms import Arith


def computed(op_type, inputs, opset=3, outputs=1, **attributes):
    """Return the outputs of an operator of ai.onnx.ml for arrays, by onnx's reference."""
    names = [f"x{i}" for i in range(len(inputs))]
    results = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op_type, names, results, domain="ai.onnx.ml", **attributes)],
        "one",
        [onnx.ValueInfoProto(name=name) for name in names],
        [onnx.ValueInfoProto(name=name) for name in results],
    )
    imports = [helper.make_opsetid("ai.onnx.ml", opset), helper.make_opsetid("", 20)]
    return ReferenceEvaluator(helper.make_model(graph, opset_imports=imports)).run(
        None, dict(zip(names, inputs, strict=True))
    )


def look_up(tally, table, key, default):
    tally.counts[Arith.CMP] += 1
    return table.get(key, default)


# Features


def scaled(row, offset, scale):
    shifted = [x - offset[i % len(offset)] for i, x in enumerate(row)] if offset else row
    return [x * scale[i % len(scale)] for i, x in enumerate(shifted)] if scale else shifted


def normalized(row, norm, tally):
    if norm == "L2":
        squares = [x * x for x in row]
        total = row_loops.total(squares, tally)
        return row if total.equals(0.0) else [(square / total).sqrt() for square in squares]
    divisor = row_loops.maximum(row, tally) if norm == "MAX" else row_loops.total([abs(x) for x in row], tally)
    return row if divisor.equals(0.0) else [x / divisor for x in row]


# Scores


def linear(row, sets, intercepts, tally):
    scores = [dot(row, weights, tally) for weights in sets]
    return [score + intercepts[i] for i, score in enumerate(scores)] if intercepts else scores


def dot(row, weights, tally):
    score = tally.number(0.0)
    for x, weight in zip(row, weights, strict=True):
        score = score.mac(x, weight)
    return score


def transformed(scores, name, tally):
    if name == "LOGISTIC":
        return [1.0 / (1.0 + (-score).exp()) for score in scores]
    if name == "SOFTMAX":
        return softmax(scores, tally)
    if name == "SOFTMAX_ZERO":
        is_zero = [score.equals(0.0) for score in scores]
        assert not any(is_zero), "every score is counted as one that is not zero"
        return softmax(scores, tally)
    if name == "PROBIT":
        return [probit(score) for score in scores]
    return scores


def softmax(scores, tally):
    _, powers, whole = row_loops.exponentials(scores, tally)
    return [power / whole for power in powers]


def probit(score):
    z = 2.0 * score - 1.0
    z.tally.counts[Arith.ERF] += 1
    return math.sqrt(2.0) * Number(inverse_erf(float(z)), z.tally)


def inverse_erf(z):
    return NormalDist().inv_cdf((z + 1.0) / 2.0) / math.sqrt(2.0) if -1.0 < z < 1.0 else math.nan


def top(scores, threshold):
    """Return the place of the first highest score, or for a lone one whether it reaches the threshold."""
    if len(scores) == 1:
        return int(scores[0] > threshold)
    best = 0
    for i in range(1, len(scores)):
        if scores[i] > scores[best]:
            best = i
    return best


# Support vector machines


def kernel(x, v, kind, gamma, coef0, degree, tally):
    if kind == "RBF":
        differences = [a - b for a, b in zip(x, v, strict=True)]
        return (-gamma * row_loops.total([d * d for d in differences], tally)).exp()
    product = dot(x, v, tally)
    if kind == "POLY":
        return (gamma * product + coef0).pow(degree)
    return (gamma * product + coef0).tanh() if kind == "SIGMOID" else product


def pair_scores(kernels, per_class, coefficients, rho, tally):
    """Return the votes for each class and the score of each pair; coefficients: (classes - 1, vectors)."""
    places = [range(sum(per_class[:i]), sum(per_class[: i + 1])) for i in range(len(per_class))]
    votes, scores = [tally.number(0.0) for _ in per_class], []
    for pair, (i, j) in enumerate(combinations(range(len(per_class)), 2)):
        score = tally.number(0.0)
        for place in places[i]:
            score = score.mac(coefficients[j - 1][place], kernels[place])
        for place in places[j]:
            score = score.mac(coefficients[i][place], kernels[place])
        score = score + rho[pair]
        winner = i if score > 0.0 else j
        votes[winner] = votes[winner] + 1.0
        scores.append(score)
    return votes, scores


def pair_probabilities(scores, a, b, classes):
    r = [[None] * classes for _ in range(classes)]
    for pair, (i, j) in enumerate(combinations(range(classes), 2)):
        p = 1.0 / (1.0 + (a[pair] * scores[pair] + b[pair]).exp())
        r[i][j] = p.maximum(1e-7).minimum(1.0 - 1e-7)
        r[j][i] = 1.0 - r[i][j]
    return r


def coupled(r, tally, eps):
    """Return the probabilities of the classes, as LIBSVM computes them, until the error is below eps."""
    k = len(r)
    q = [[None] * k for _ in range(k)]
    for i in range(k):
        q[i][i] = row_loops.total([r[j][i] * r[j][i] for j in range(k) if j != i], tally)
    for i, j in combinations(range(k), 2):
        q[i][j] = q[j][i] = -(r[j][i] * r[i][j])
    p = [tally.number(1.0 / k) for _ in range(k)]
    for _ in range(max(100, k)):
        qp = [dot(row, p, tally) for row in q]
        pqp = dot(p, qp, tally)
        error = tally.number(0.0)
        for one in qp:
            error = error.maximum(abs(one - pqp))
        if error < eps:
            break
        p = updated(p, q, qp, pqp)
    return p


def updated(p, q, qp, pqp):
    k = len(p)
    for i in range(k):
        diff = (pqp - qp[i]) / q[i][i]
        divisor = 1.0 + diff
        p[i] = p[i] + diff
        pqp = (pqp + diff * (diff * q[i][i] + 2.0 * qp[i])) / divisor / divisor
        qp = [(qp[j] + diff * q[i][j]) / divisor for j in range(k)]
        p = [one / divisor for one in p]
    return p
