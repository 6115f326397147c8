"""What stands below the table, read as labels with their lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import showcase
from build import model

import graphcost
from graphcost.report.ink import TERMINAL
from graphcost.report.summary import facts
from graphcost.results import Finding
from graphcost.totals import Latency

FOLDER = Path(__file__).parents[2] / "models"


def below(report):
    """Return the lines of each label."""
    found: dict[str, list[str]] = {}
    for label, text in facts(report, TERMINAL):
        found.setdefault(label or next(reversed(found)), []).append(text)
    return found


MNIST = below(graphcost.analyze(FOLDER / "mnist_cnn.onnx", devices=["cpu-1gflops", "raspberry-pi-5"]))
ODD = below(graphcost.analyze(showcase.ODD))
SHAPED = below(graphcost.analyze(showcase.SHAPED))


@pytest.mark.parametrize(
    ("found", "label", "text"),
    [
        (MNIST, "model", "mnist_cnn, onnx, opset 17, made by graphcost models/make.py"),
        (MNIST, "parameters", "121,930 (122 k)"),
        (MNIST, "MACs", "2,528,000 (2.53 M)"),
        (MNIST, "weights", "487,720 B (476 KiB) stored: float32 476 KiB"),  # 121,930 * 4
        (MNIST, "assumed", "batch = 1: leading dimension: one sample"),
        (ODD, "MACs", ">= 64"),
        (ODD, "unpriced", "1 node: my.domain.Mystery (1)"),
        (ODD, "unknown", "3 nodes: Loop (1), Add (1), Relu (1)"),
        (ODD, "invalid", "1 node: MatMul (1)"),
        (ODD, "unknown shapes", "4 values: u, p, y, … and 1 more"),
        (SHAPED, "parameters", "96"),
    ],
)
def test_a_label_begins_with_its_number(found, label, text):
    assert found[label][0] == text


def test_the_digits_of_a_lab_sheet_can_be_read():
    report = graphcost.analyze(FOLDER / "mlp.onnx", convention="textbook")
    assert below(report)["FLOPs (textbook)"][0] == "1,131,649 (1.13 M)"
    assert below(report)["weights"][0] == "2,265,092 B (2.16 MiB) stored: float32 2.16 MiB"


def test_preparation_is_told_from_what_is_stored():
    assert SHAPED["weights"] == ["384 B stored: float32 384 B", "prepared: 256 B more, resident: 640 B"]
    assert SHAPED["apart"] == [
        "1 preparation node: computed once, when the model is loaded",
        "2 shape nodes: known once the dimensions are bound",
    ]


def test_the_peak_says_where_it_is_and_what_is_alive_there():
    """After the first pool: 32*26*26 floats in, 32*13*13 out."""
    assert MNIST["ideal peak"][0].startswith("108,160 B (106 KiB) at pool1/MaxPool, ")
    assert MNIST["ideal peak"][1] == "alive there: r1 84.5 KiB, p1 21.1 KiB"


def test_a_latency_says_what_it_rests_on_and_whether_it_is_a_bound():
    flat, roofline, legend = MNIST["latency"]
    assert flat == "cpu-1gflops  5.14 ms (flat)"
    assert roofline.startswith("raspberry-pi-5  >= ")
    assert roofline.endswith(" (compute-bound, datasheet)")
    assert legend == "'>=' is a lower bound: a run takes at least this long"


def test_a_measured_device_tells_its_error():
    report = graphcost.analyze(showcase.SHAPED)
    measured = Latency("board", 0.25, "memory", "calibrated", 0.05, is_lower_bound=False)
    assert below(replace(report, latency=(measured,)))["latency"] == [
        "board  250 ms (memory-bound, calibrated, ± 5.0 %)"
    ]


def test_only_the_causes_of_a_gap_are_listed():
    report = graphcost.analyze(
        model(
            "float[8] x => float[a] y",
            "y = local.outer(x)",
            functions='<domain: "local", opset_import: ["" : 22, "my": 1]> outer (a) => (b) { b = my.Odd(a) }',
            domains=', "my": 1, "local": 1',
        )
    )
    assert len(report.unpriced) == 2  # the function, and what it calls
    assert below(report)["unpriced"] == ["1 node: my.Odd (1)"]


def test_of_findings_of_a_kind_the_first_few_are_shown():
    report = graphcost.analyze(showcase.chain("a"))
    many = tuple(Finding("odd-thing", "warning", f"v{index}", "is odd") for index in range(5))
    assert below(replace(report, findings=many))["findings"] == [
        "warning, odd-thing, v0: is odd",
        "warning, odd-thing, v1: is odd",
        "warning, odd-thing, v2: is odd",
        "… and 2 more of odd-thing; the JSON has all",
    ]


def test_a_guess_is_called_one_and_stands_among_the_assumptions_alone():
    found = below(graphcost.analyze(FOLDER / "bilstm.onnx"))
    assert found["assumed"][1].startswith("sequence = 128, a guess: ")
    assert "findings" not in found


def test_a_convention_is_named_with_what_it_counts():
    found = below(graphcost.analyze(showcase.SHAPED, convention="macs-with-bias"))
    assert "MACs" not in found
    assert found["MACs (macs-with-bias)"][1].startswith("macs-with-bias: 1 per multiply-accumulate")
