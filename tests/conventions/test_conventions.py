from __future__ import annotations

import pytest
from build import model

from graphcost.analysis import analyze
from graphcost.conventions import conventions, find
from graphcost.errors import UsageError
from graphcost.terms import Arith


def test_the_default_comes_first():
    assert conventions()[0].name == "graphcost"


def test_every_convention_has_a_source_and_a_unit():
    assert all(one.source and one.unit in {"FLOP", "MAC"} and one.title for one in conventions())


def test_names_are_unique():
    names = [one.name for one in conventions()]
    assert len(set(names)) == len(names)


def test_an_unknown_convention_is_named_with_those_that_exist():
    with pytest.raises(UsageError, match=r"'flops'.*graphcost.*textbook"):
        find("flops")


def test_the_default_prices_every_kind_of_work():
    assert set(find("graphcost").weights) == set(Arith)


def test_a_mac_convention_gives_no_flops():
    report = analyze(model("float[1,4] x => float[M] y <float[4,4] w>", "y = MatMul(x, w)"), convention="macs")
    assert (report.total.value.best, report.settings.convention.unit) == (16, "MAC")
    assert "flops" not in report.bounds


def test_one_pass_serves_every_convention():
    """What a convention says never depends on what another one says: the terms are the same."""
    built = model("float[1,4] x => float[M] y <float[4,4] w>", "p = MatMul(x, w)", "y = Softmax(p)")
    terms = [[row.cost.terms for row in analyze(built, convention=one.name).rows] for one in conventions()]
    assert all(one == terms[0] for one in terms)
