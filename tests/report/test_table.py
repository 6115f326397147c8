from __future__ import annotations

from pathlib import Path

import pytest
import reading
import showcase

import graphcost
from graphcost.report import escape
from graphcost.report.layout import NARROWEST, fit, paragraph

FOLDER = Path(__file__).parents[2] / "models"
MNIST = graphcost.analyze(FOLDER / "mnist_cnn.onnx", devices=["cpu-1gflops", "raspberry-pi-5"])


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("name", ["mnist_cnn", "bilstm", "mlp"])
def test_a_table_fits_into_a_terminal(name, width):
    report = graphcost.analyze(FOLDER / f"{name}.onnx", devices=["raspberry-pi-5"])
    assert max(map(escape.width, graphcost.render(report, width=width).splitlines())) <= width


def test_a_narrow_terminal_cuts_names_and_no_number():
    _, wide = reading.terminal(graphcost.render(MNIST))
    _, narrow = reading.terminal(graphcost.render(MNIST, width=20, top=12, sort="node"))
    assert narrow[0][0] == "conv1/Conv"
    assert any("…" in row[0] for row in narrow)
    assert narrow[-2][0] == "… and 1 more"
    assert narrow[-1][3:] == wide[-1][3:]


def test_no_line_ends_in_a_blank():
    assert not any(line.endswith(" ") for line in graphcost.render(MNIST).splitlines())


def test_printing_a_report_prints_its_table():
    assert str(MNIST) == graphcost.render(MNIST)


def test_a_model_without_nodes_has_a_table():
    text = graphcost.render(graphcost.analyze(showcase.chain()))
    assert reading.terminal(text)[1][0][0] == "total"


def test_only_texts_give_way_and_the_widest_first():
    rows = [["a" * 30, "b" * 20, "1" * 30]]
    assert fit(["", "", ""], rows, [False, False, True], 74) == [20, 20, 30]
    assert fit(["", "", ""], rows, [False, False, True], 10) == [NARROWEST, NARROWEST, 30]
    assert fit(["", "", ""], rows, [False, False, True], 500) == [30, 20, 30]


def test_a_paragraph_goes_on_below_its_beginning():
    assert paragraph("label  ", "one two three four five six seven", 30).splitlines() == [
        "label  one two three four five",
        "       six seven",
    ]
    assert paragraph("label  ", "one two", None) == "label  one two"
