"""The labs' numbers, digit for digit; the expectations are those of the course sheets."""

from __future__ import annotations

import pytest
from labs import LABS, lab1, lab4, lab9

from graphcost.analysis import analyze

CASES = [
    (build, convention, expected)
    for build, sheet in LABS.items()
    for convention, expected in (
        ("macs", sheet.macs),
        ("macs-with-bias", sheet.macs_with_bias),
        ("textbook", sheet.textbook),
        ("tf-profiler", sheet.tf_profiler),
    )
    if expected is not None
]


@pytest.mark.parametrize(("build", "convention", "expected"), CASES, ids=lambda one: getattr(one, "__name__", str(one)))
def test_the_sheet_holds(build, convention, expected):
    report = analyze(build(), convention=convention)
    assert report.total.value is not None
    assert (report.total.value.low, report.total.value.high) == (expected, expected)


@pytest.mark.parametrize("build", LABS, ids=lambda one: one.__name__)
def test_parameters_and_their_bytes_are_the_sheets(build):
    report = analyze(build())
    assert report.total.parameters == LABS[build].parameters
    assert report.weights.stored["float32"] == 4 * LABS[build].parameters


@pytest.mark.parametrize(("build", "milliseconds"), [(lab1, 1.131649), (lab4, 10.751228)])
def test_the_flat_cpu_takes_the_sheets_time(build, milliseconds):
    (latency,) = analyze(build(), convention="textbook", devices=["cpu-1gflops"]).latency
    assert latency.seconds * 1e3 == pytest.approx(milliseconds, rel=1e-12)
    assert not latency.is_lower_bound


def test_lab_9_layer_outputs_and_the_two_largest_consecutive_layers():
    report = analyze(lab9())
    assert report.memory.activations.best == 10_520_000  # (1,500,000 + 750,000 + 380,000) * 4
    assert report.memory.peak.best == 9_000_000  # the first two layers' outputs


def test_a_recurrent_layer_is_marked_as_not_counted_by_the_profiler():
    lab6 = next(build for build in LABS if build.__name__ == "lab6")
    report = analyze(lab6(), convention="tf-profiler")
    assert any(one.code == "not-counted" and "RNN" in one.message for one in report.findings)
