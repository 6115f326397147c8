"""How often a Loop runs can be given, where only the run can tell."""

from __future__ import annotations

import pytest
from build import model

import graphcost
from graphcost.errors import UsageError
from graphcost.results import Status

BODY = "<body = turn (int64 i, bool c, float[2,3] a) => (bool c2, float[2,3] b, float[2,3] s) {{ {} }}>"
GROWS = BODY.format("c2 = Identity(c) b = MatMul(a, w) s = Exp(b)")
SIGNATURE = "float[2,3] x, int64 n, bool on => float[2,3] y, float[t,2,3] z <float[3,3] w>"
OPEN = model(SIGNATURE, f'["again"] y, z = Loop(n, on, x) {GROWS}')
ONCE = 2 * 3 * 3


def test_a_loop_that_only_the_run_ends_is_unknown_and_says_how_to_bind_it():
    (row, *_) = graphcost.analyze(OPEN).rows
    assert row.cost.status is Status.UNKNOWN
    assert row.cost.reason == "how often its body runs is not known; bind it with --dim trips:again="


@pytest.mark.parametrize("turns", [0, 1, 7])
def test_a_bound_loop_costs_its_body_as_often_and_stacks_as_much(turns):
    report = graphcost.analyze(OPEN, dims={"trips:again": turns}, strict=True)
    assert report.total.macs.best == turns * ONCE
    assert str(report.rows[0].cost.call.outputs[1]) == f"float32[{turns}, 2, 3]"


def test_a_loop_without_a_name_is_called_by_its_first_output():
    built = model(SIGNATURE, f"y, z = Loop(n, on, x) {GROWS}")
    assert graphcost.analyze(built, dims={"trips:y": 3}).total.macs.best == 3 * ONCE


def test_a_loop_in_a_body_is_called_as_the_report_calls_it():
    inner = BODY.replace("turn", "inner").format("c2 = Identity(c) b = MatMul(a, w) s = Exp(b)")
    outer = (
        "<body = outer (int64 j, bool d, float[2,3] e) => (bool d2, float[2,3] f) "
        f'{{ d2 = Identity(d) ["inside"] f, g = Loop(n, on, e) {inner} }}>'
    )
    built = model(
        "float[2,3] x, int64 n, bool on => float[2,3] y <float[3,3] w, int64 four = {4}, bool go = {1}>",
        f'["outside"] y = Loop(four, go, x) {outer}',
    )
    assert graphcost.analyze(built, dims={"trips:outside/inside": 3}).total.macs.best == 4 * 3 * ONCE


def test_a_loop_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="the model has no Loop 'never', there is 'again'"):
        graphcost.analyze(OPEN, dims={"trips:never": 3})


def test_a_count_that_contradicts_what_is_known_is_refused():
    built = model(
        "float[2,3] x => float[2,3] y, float[t,2,3] z <float[3,3] w, int64 n = {4}, bool on = {1}>",
        f"y, z = Loop(n, on, x) {GROWS}",
    )
    assert graphcost.analyze(built, dims={"trips:y": 4}).total.macs.best == 4 * ONCE
    with pytest.raises(UsageError, match="Loop 'y' runs 4 times, not 5"):
        graphcost.analyze(built, dims={"trips:y": 5})


def test_what_a_turn_changes_is_work_of_every_run_though_it_starts_from_a_constant():
    """The Loop runs because of x; its body doubles a constant in every turn, which nobody can do beforehand."""
    built = model(
        "float[2,3] x => float[2,3] y <int64 n = {7}, bool on = {1}, float[2,3] h>",
        "y, z = Loop(n, on, x, h) <body = turn (int64 i, bool c, float[2,3] a, float[2,3] b)"
        " => (bool c2, float[2,3] a2, float[2,3] b2) { c2 = Identity(c) a2 = Exp(a) b2 = Add(b, b) }>",
    )
    assert graphcost.analyze(built).total.value.best == 7 * (6 + 6)


def test_a_count_above_the_limit_or_below_none_is_refused():
    built = model(
        "float[2,3] x, bool stop => float[2,3] y, float[t,2,3] z <float[3,3] w, int64 n = {5}, bool on = {1}>",
        f"y, z = Loop(n, on, x) {BODY.format('c2 = Identity(stop) b = MatMul(a, w) s = Exp(b)')}",
    )
    assert graphcost.analyze(built, dims={"trips:y": 5}).total.macs.best == 5 * ONCE
    with pytest.raises(UsageError, match="Loop 'y' runs at most 5 times, not 7"):
        graphcost.analyze(built, dims={"trips:y": 7})
    with pytest.raises(UsageError, match="trips:y"):
        graphcost.analyze(built, dims={"trips:y": -1})
