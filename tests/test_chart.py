"""A chart draws the numbers of its reports, and marks those that are not exact."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest
from build import model
from labs import LABS, lab3, lab4

from graphcost.analysis import analyze
from graphcost.bounds import Bounds
from graphcost.chart import plot
from graphcost.cli import main
from graphcost.errors import UsageError

figures = pytest.importorskip("matplotlib.figure")

IF = """y = If <then_branch = then () => (float[4] a) { a = Mul(x, x) },
               else_branch = other () => (float[4] b) { b = MatMul(x, w) }> (c)"""


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Return what draws reports and returns for each panel its title, its bars and their labels."""
    kept = []
    original = figures.Figure.savefig

    def keeping(self, *args, **options):
        kept.append(self)
        original(self, *args, **options)

    monkeypatch.setattr(figures.Figure, "savefig", keeping)

    def draw(reports, **options):
        plot(reports, tmp_path / "chart.svg", **options)
        return kept[-1]

    return draw


def bars(figure):
    return {axes.get_title(): [patch.get_width() for patch in axes.patches] for axes in figure.axes}


def labels(figure):
    return {axes.get_title(): [text.get_text() for text in axes.texts] for axes in figure.axes}


def hatches(figure):
    return {axes.get_title(): [bool(patch.get_hatch()) for patch in axes.patches] for axes in figure.axes}


def notes(figure):
    return figure.get_supxlabel()


def odd():
    return model("float[1,4] x => float[a] y <float[4,8] w>", "h = MatMul(x, w)", "y = my.Odd(h)", domains=', "my": 1')


def test_two_models_parameters_size_work_and_time(drawn):
    reports = [analyze(build(), convention="textbook", devices=["cpu-1gflops"]) for build in (lab3, lab4)]
    sheets = [LABS[lab3], LABS[lab4]]
    figure = drawn(reports, names=["lab 3", "lab 4"])
    assert bars(figure) == {
        "parameters": [one.parameters for one in sheets],
        "weights": [4 * one.parameters for one in sheets],
        "FLOPs (textbook)": [one.textbook for one in sheets],
        "time on cpu-1gflops": pytest.approx([one.textbook / 1e9 for one in sheets]),
    }
    assert labels(figure) == {
        "parameters": ["122 k", "357 k"],
        "weights": ["476 KiB", "1.36 MiB"],  # 487,720 / 1024 and 1,427,240 / 1024^2
        "FLOPs (textbook)": ["5.11 M", "10.8 M"],
        "time on cpu-1gflops": ["5.11 ms", "10.8 ms"],
    }
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["lab 3", "lab 4"]
    assert all(one == [False, False] for one in hatches(figure).values())
    assert notes(figure) == ""


def test_a_model_is_called_what_its_file_is_called(drawn, tmp_path):
    path = tmp_path / "small.onnx"
    path.write_bytes(lab3().SerializeToString())
    figure = drawn([analyze(path)])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["small.onnx"]


def test_a_lower_bound_is_hatched_and_labelled(drawn):
    figure = drawn([analyze(odd()), analyze(model("float[1,4] x => float[1,8] y <float[4,8] w>", "y = MatMul(x, w)"))])
    assert labels(figure)["FLOPs"] == [">= 64", "64"]  # 2 * 4 * 8
    assert hatches(figure)["FLOPs"] == [True, False]
    assert hatches(figure)["parameters"] == [False, False]
    assert "'>=' is a lower bound" in notes(figure)


def test_a_roofline_is_a_lower_bound(drawn):
    figure = drawn([analyze(lab3(), devices=["raspberry-pi-5"])])
    (label,) = labels(figure)["time on raspberry-pi-5"]
    assert label.startswith(">= ")
    assert hatches(figure)["time on raspberry-pi-5"] == [True]


def test_a_range_shows_both_ends(drawn):
    found = analyze(model("bool c, float[4] x => float[4] y <float[4,4] w>", IF), devices=["cpu-1gflops"])
    figure = drawn([found])
    assert labels(figure)["FLOPs"] == ["4–32"]  # 4 multiplications, or 2 * 4 * 4
    assert labels(figure)["time on cpu-1gflops"] == ["4 ns–32 ns"]
    assert bars(figure)["FLOPs"] == [32]
    assert hatches(figure)["FLOPs"] == [True]


def test_what_a_convention_does_not_count_is_no_zero(drawn):
    figure = drawn([analyze(model("float[4] x => float[4] y", "y = Relu(x)"), convention="macs")])
    assert labels(figure)["MACs (macs)"] == ["not counted"]


def test_a_guess_is_told(drawn):
    figure = drawn([analyze(model("float[1,sequence] x => float[a,b] y", "y = Relu(x)"))], names=["relu"])
    assert notes(figure).startswith("relu: nobody bound sequence = ")


def test_a_number_that_no_float_holds_is_labelled_all_the_same(drawn):
    found = analyze(lab3())
    immense = replace(found, total=replace(found.total, value=Bounds.exactly(2**1_100)))  # nested functions reach that
    figure = drawn([immense])
    (label,) = labels(figure)["FLOPs"]
    assert label.endswith(" Y")
    assert len(label) <= 30


def test_a_hostile_name_is_drawn_as_it_is(drawn):
    figure = drawn([analyze(lab3())], names=["$\\frac{a$\x1b[31m\n" + "x" * 200])
    (name,) = (text.get_text() for text in figure.axes[0].get_yticklabels())
    assert name.startswith("$\\frac{a$\\x1b[31m\\n")
    assert len(name) <= 60


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".SVG", b"<?xml"), (".pdf", b"%PDF")])
def test_the_suffix_says_how_it_is_written(tmp_path, suffix, start):
    path = plot([analyze(lab3())], tmp_path / f"chart{suffix}")
    assert path.read_bytes().startswith(start)


def test_reports_that_count_differently_do_not_stand_side_by_side(tmp_path):
    reports = [analyze(lab3()), analyze(lab4(), convention="textbook", devices=["cpu-1gflops"])]
    with pytest.raises(UsageError, match=r"one convention .* got graphcost and textbook on cpu-1gflops"):
        plot(reports, tmp_path / "chart.png")


@pytest.mark.parametrize(
    ("count", "name", "options", "problem"),
    [
        (0, "chart.png", {}, "wants one report or more, got none"),
        (1, "chart.png", {"names": ["a", "b"]}, "1 reports want as many names, got 2"),
        (1, "chart.txt", {}, r"ends in one of .*png.*; 'chart\.txt' doesn't"),
        (1, "missing/chart.png", {}, "can't write .*chart.png: No such file"),
    ],
)
def test_what_can_not_be_drawn_or_written_is_a_usage_error(tmp_path, count, name, options, problem):
    with pytest.raises(UsageError, match=problem):
        plot([analyze(lab3())] * count, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pip install 'graphcost\[plot\]'"):
        plot([analyze(lab3())], tmp_path / "chart.png")


def test_the_command_draws_what_its_files_hold(capsys, tmp_path):
    paths = [tmp_path / "lab3.onnx", tmp_path / "lab4.onnx"]
    for path, build in zip(paths, (lab3, lab4), strict=True):
        path.write_bytes(build().SerializeToString())
    options = ["--convention", "textbook", "--device", "cpu-1gflops", "--dim", "N=2"]
    assert main(["plot", *map(str, paths), "-o", str(tmp_path / "chart.svg"), *options]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'chart.svg'}\n"
    reports = [analyze(path, convention="textbook", devices=["cpu-1gflops"], dims={"N": 2}) for path in paths]
    plot(reports, tmp_path / "same.svg")
    assert shapes(tmp_path / "chart.svg") == shapes(tmp_path / "same.svg")


def shapes(path):
    """Return what an SVG draws, without its date and the names that it gives itself."""
    return re.findall(r' d="([^"]*)"', path.read_text("utf-8"))


def test_a_chart_does_not_take_a_models_place(tmp_path):
    path = tmp_path / "lab3.onnx"
    path.write_bytes(lab3().SerializeToString())
    assert main(["plot", str(path), "-o", str(path)]) == 2
    assert path.read_bytes() == lab3().SerializeToString()


def test_importing_it_imports_no_matplotlib():
    code = "import sys, graphcost.chart; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
