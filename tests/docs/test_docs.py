"""The documentation says what the code does now."""

from __future__ import annotations

import doctest
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
KERAS = re.compile(r">>> import .*keras")
"""Pages that begin so are run by test_keras_pages.py."""
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.fixture(scope="module")
def generated():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date(generated):
    pages = generated.pages().items()
    assert [str(path.relative_to(ROOT)) for path, text in pages if path.read_text("utf-8") != text] == []


def test_a_page_keeps_no_output_of_a_command_that_fails(generated):
    with pytest.raises(RuntimeError, match=r"analyze missing\.onnx' ends with exit code 3"):
        generated.with_output("```console\n$ graphcost analyze missing.onnx\nold output\n```")


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if not KERAS.search(path.read_text("utf-8"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_python_examples_run(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    examples = "\n".join(block for block in PYTHON.findall(path.read_text("utf-8")) if ">>>" in block)
    test = doctest.DocTestParser().get_doctest(examples, {}, path.name, str(path), 0)
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test).failed == 0


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    missing = [link for link in LINK.findall(path.read_text("utf-8")) if not (path.parent / link).exists()]
    assert not missing
