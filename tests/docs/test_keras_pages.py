"""Pages with Keras models run as they stand, from top to bottom: Python, and the commands between."""

from __future__ import annotations

import doctest
import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from graphcost.cli import main

keras = pytest.importorskip("keras")
pytest.importorskip("tf2onnx")
pytest.importorskip("matplotlib")

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow and Keras warn of their own insides

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if re.search(r">>> import .*keras", path.read_text("utf-8"))]
BLOCK = re.compile(r"```(python|sh)\n(.*?)```", re.DOTALL)


def run_python(block, names, page):
    test = doctest.DocTestParser().get_doctest(block, names, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    failed = runner.run(test, clear_globs=False).failed
    names.update(test.globs)
    return failed


def run_command(block):
    """Return a command and what it prints."""
    line, _, _ = block.partition("\n")
    with redirect_stdout(io.StringIO()) as printed:
        code = main(shlex.split(line.removeprefix("$ graphcost ")))
    assert code == 0, line
    return f"{line}\n{printed.getvalue()}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(DOCS.parent / "models")
    keras.utils.clear_session()  # layers are named as in a session that has just begun
    names = {}
    for language, block in BLOCK.findall(page.read_text("utf-8")):
        if language == "python":
            assert run_python(block, names, page) == 0
        elif block.startswith("$ graphcost "):
            assert run_command(block) == block


def test_the_labs_are_among_the_pages():
    assert DOCS / "labs.md" in PAGES
