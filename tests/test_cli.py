"""The command line prints what the library returns, and ends with the promised exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from build import model

import graphcost
from graphcost.cli import main

FOLDER = Path(__file__).parents[1] / "models"
MNIST = str(FOLDER / "mnist_cnn.onnx")
BILSTM = str(FOLDER / "bilstm.onnx")


def run(capsys, *args):
    """Run a command; return its exit code, what it printed, and what it said."""
    code = main([str(one) for one in args])
    return code, *capsys.readouterr()


def python(*args, **options):
    command = [sys.executable, *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # our own


@pytest.fixture
def odd(tmp_path):
    path = tmp_path / "odd.onnx"
    built = model("float[1,4] x => float[a] y", "h = Relu(x)", "y = my.Odd(h)", domains=', "my": 1')
    path.write_bytes(built.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ([], {}),
        (["--format", "markdown"], {"format_": "markdown"}),
        (["--format", "csv"], {"format_": "csv"}),
        (["--format", "json"], {"format_": "json"}),
        (["--by", "operator"], {"by": "operator"}),
        (["--columns", "node, macs,bytes"], {"columns": ["node", "macs", "bytes"]}),
        (["--sort", "macs", "--top", "3"], {"sort": "macs", "top": 3}),
        (["--depth", "0", "--exact"], {"depth": 0, "exact": True}),
    ],
)
def test_analyze_prints_what_render_returns(capsys, args, options):
    code, out, _ = run(capsys, "analyze", MNIST, *args)
    assert (code, out) == (0, graphcost.render(graphcost.analyze(MNIST), **options))


@pytest.mark.parametrize(
    ("args", "options"),
    [
        (["--dim", "batch=8"], {"dims": {"batch": 8}}),
        (["--shape", "image=2,1,28,28"], {"shapes": {"image": (2, 1, 28, 28)}}),
        (["--convention", "textbook"], {"convention": "textbook"}),
        (["--device", "cpu-1gflops", "--device", "raspberry-pi-5"], {"devices": ["cpu-1gflops", "raspberry-pi-5"]}),
    ],
)
def test_analyze_hands_its_options_on(capsys, args, options):
    _, out, _ = run(capsys, "analyze", MNIST, "--format", "json", *args)
    assert json.loads(out) == json.loads(json.dumps(graphcost.analyze(MNIST, **options).to_dict()))


def test_explain_prints_an_explanation(capsys):
    code, out, err = run(capsys, "explain", MNIST, "conv1/Conv", "--dim", "batch=2", "--convention", "macs")
    assert (code, err) == (0, "")
    assert out == str(graphcost.explain(MNIST, "conv1/Conv", dims={"batch": 2}, convention="macs"))


@pytest.mark.parametrize("command", ["operators", "conventions", "devices"])
def test_a_list_holds_what_the_library_lists(capsys, command):
    code, out, err = run(capsys, command, "--format", "json")
    listed = {"operators": "list_operators", "conventions": "list_conventions", "devices": "list_devices"}[command]
    names = {next(iter(record.values())) for record in json.loads(out)}
    assert (code, err) == (0, "")
    assert names == {getattr(one, "name", None) or one.op_type for one in getattr(graphcost, listed)()}
    assert not names.isdisjoint(line.split()[0] for line in run(capsys, command)[1].splitlines()[2:4])


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["analyze", "missing.onnx"], 3, "missing.onnx: can't be read: No such file or directory"),
        (["analyze", __file__], 3, "is plain text"),
        (["analyze", str(FOLDER)], 3, "an ONNX model is a file, this is a directory"),
        (["analyze"], 2, "Missing argument 'MODEL'. See graphcost analyze --help."),
        (["frob"], 2, "No such command 'frob'. See graphcost --help."),
        (["analyze", MNIST, "--frob"], 2, "No such option"),
        (["analyze", MNIST, "--dim", "batch"], 2, "wants NAME=SIZE, got 'batch'"),
        (["analyze", MNIST, "--dim", "batch=-1"], 2, "wants NAME=SIZE, got 'batch=-1'"),
        (["analyze", MNIST, "--dim", "batch=1,2"], 2, "wants NAME=SIZE, got 'batch=1,2'"),
        (["analyze", MNIST, "--dim", "batch=" + "9" * 5000], 2, "wants NAME=SIZE, got 'batch=9999"),
        (["analyze", MNIST, "--dim", "batch=1", "--dim", "batch=2"], 2, "binds 'batch' twice"),
        (["analyze", MNIST, "--dim", "foo=1"], 2, "no input has a dimension 'foo'"),
        (["analyze", MNIST, "--shape", "image=1;2"], 2, "wants INPUT=SIZE,SIZE, got 'image=1;2'"),
        (["analyze", MNIST, "--shape", "image=1,2"], 2, "input 'image' has 4 dimensions, the shape given for it 2"),
        (["analyze", MNIST, "--convention", "foo"], 2, "there is no convention 'foo'"),
        (["analyze", MNIST, "--device", "foo"], 2, "there is no device 'foo'"),
        (["analyze", MNIST, "--device", "cpu-1gflops", "--convention", "macs"], 2, "counts MACs"),
        (["analyze", MNIST, "--columns", "foo"], 2, "there is no column 'foo'"),
        (["analyze", MNIST, "--top", "-1"], 2, "-1 is not in the range"),
        (["analyze", MNIST, "--format", "xml"], 2, "'xml' is not one of"),
        (["analyze", MNIST, "-o", "missing/report.csv"], 2, "can't write missing/report.csv"),
        (["explain", MNIST, "conv1"], 2, "did you mean 'conv1/Conv' or 'conv1/Relu'?"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(capsys, args, code, message):
    found, out, err = run(capsys, *args)
    assert (found, out) == (code, "")
    assert err.startswith("graphcost: ")
    assert err.count("\n") == 1
    assert message in err


def test_debug_shows_where_an_error_came_from(capsys):
    for args in (["--debug", "analyze", "missing.onnx"], ["analyze", "missing.onnx", "--debug"]):
        with pytest.raises(graphcost.SourceError):
            run(capsys, *args)


def test_a_fault_of_our_own_is_told_from_one_of_the_input(capsys, monkeypatch):
    monkeypatch.setattr(graphcost, "analyze", lambda *_args, **_options: {}["key"], raising=False)
    code, out, err = run(capsys, "analyze", MNIST)
    assert (code, out) == (70, "")
    assert err.startswith("graphcost: unexpected KeyError, please report it")


def test_an_interrupt_ends_quietly(capsys, monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(graphcost, "analyze", interrupted, raising=False)
    code, out, err = run(capsys, "analyze", MNIST)
    assert (code, out, err.strip()) == (130, "", "")


def test_a_hostile_file_name_reaches_the_terminal_as_text(capsys):
    code, _, err = run(capsys, "analyze", "\x1b[31m\u202ex\n.onnx")
    assert (code, err[:38]) == (3, r"graphcost: \x1b[31m\u202ex\n.onnx: can"[:38])


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_strict_prints_the_report_all_the_same(capsys, odd, form):
    lenient, loose_out, _ = run(capsys, "analyze", odd, "--format", form)
    strict, out, err = run(capsys, "analyze", odd, "--format", form, "--strict")
    assert (lenient, strict) == (0, 4)
    assert out == loose_out
    assert "graphcost: strict: no upper bound for macs" in err


def test_strict_refuses_a_guess_until_it_is_bound(capsys):
    assert run(capsys, "analyze", BILSTM, "--strict")[0] == 4
    assert run(capsys, "analyze", BILSTM, "--strict", "--dim", "sequence=10")[0] == 0


def test_csv_says_on_stderr_what_the_others_say_below_the_table(capsys, odd):
    _, out, err = run(capsys, "analyze", odd, "--format", "csv")
    assert out.startswith("node,operator,")
    assert err == "graphcost: unpriced: 1 node: my.Odd (1)\ngraphcost: unknown shapes: 1 value: y\n"
    assert "graphcost: assumed: sequence = 128, a guess" in run(capsys, "analyze", BILSTM, "--format", "csv")[2]


@pytest.mark.parametrize(
    ("name", "args", "format_"),
    [
        ("report.md", [], "markdown"),
        ("report.csv", [], "csv"),
        ("report.json", [], "json"),
        ("report.txt", [], "table"),
        ("report.md", ["--format", "csv"], "csv"),
    ],
)
def test_a_file_is_written_in_the_format_of_its_suffix(capsys, tmp_path, name, args, format_):
    code, out, _ = run(capsys, "analyze", MNIST, "-o", tmp_path / name, *args)
    assert (code, out) == (0, "")
    assert (tmp_path / name).read_text("utf-8") == graphcost.render(graphcost.analyze(MNIST), format_)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from graphcost.cli import main; code = main(['--help']); main(['analyze', '--help'])\n"
        "print(code, sorted({'onnx', 'networkx', 'numpy', 'tabulate'} & set(sys.modules)))"
    )
    done = python("-c", code)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_python_m_is_the_command_line():
    done = python("-m", "graphcost", "analyze", MNIST, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["totals"]["parameters"] == 121_930
    assert python("-m", "graphcost", "analyze", "missing.onnx").returncode == 3


def test_without_a_command_the_help_is_shown():
    done = python("-m", "graphcost")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: graphcost [OPTIONS] [COMMAND]")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_a_reader_that_has_seen_enough_is_no_error():
    command = [sys.executable, "-m", "graphcost", "conventions"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # our own
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_terminal_that_knows_ascii_alone_gets_escapes():
    command = ("-m", "graphcost", "analyze", MNIST, "--device", "raspberry-pi-5")
    done = python(*command, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\xb5s" in done.stdout


def test_a_report_never_takes_the_models_place(capsys, tmp_path):
    copy = tmp_path / "model.onnx"
    copy.write_bytes(Path(MNIST).read_bytes())
    code, out, err = run(capsys, "analyze", str(copy), "-o", str(copy))
    assert (code, out) == (2, "")
    assert "is the model: the report needs a file of its own" in err
    assert copy.read_bytes() == Path(MNIST).read_bytes()
