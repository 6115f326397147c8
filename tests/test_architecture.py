"""The shape of the code base: who may import whom, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import graphcost

PACKAGE = Path(__file__).parents[1] / "graphcost"

LAYERS = (
    {"errors", "units", "collector"},
    {"types", "terms", "bounds", "results", "totals", "call", "convention"},
    {"load"},
    {"order", "graph"},
    {"rules"},
    {"shapes"},
    {"conventions", "custom", "devices"},
    {"cost", "parameters", "patterns", "quantization", "recast", "tally"},
    {"memory", "rows", "state"},
    {"latency", "layers"},
    {"analysis"},
    {"differences", "explanation", "export", "matching", "operators"},
    {"comparison"},
    {"report"},
    {"chart"},
    {"cli"},
    {"__main__", "__init__"},
)
"""Each room may import from its own layer and those above it."""

UPWARD = {("results", "report"), ("results", "layers"), ("explanation", "report"), ("comparison", "report")}
"""A Report, an Explanation and a Comparison print themselves through report/, locally; a Report knows its layers."""


def _imports(path: Path):
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "graphcost":
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (one.name.split(".")[1] for one in node.names if one.name.startswith("graphcost."))


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downward(path):
    floor = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    upward = {there for there in _imports(path) if there != here and floor[there] > floor[here]}
    assert {(here, there) for there in upward} <= UPWARD


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_below_400_lines(path):
    assert len(path.read_text("utf-8").splitlines()) <= 400


def _modules_after(code: str) -> set[str]:
    listed = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy():
    assert _modules_after("import graphcost").isdisjoint({"onnx", "networkx", "numpy", "tensorflow", "onnxruntime"})


def test_analysing_imports_neither_frameworks_nor_plotting():
    seen = _modules_after("import graphcost\ngraphcost.analyze")
    assert "onnx" in seen
    assert seen.isdisjoint({"tensorflow", "onnxruntime", "matplotlib", "plotly", "pandas"})


PUBLIC = {
    "Arith", "Call", "Comparison", "DType", "Explanation", "Export", "GraphcostError", "IncompleteError",
    "InvalidModelError", "Report", "SourceError", "TensorType", "Term", "UsageError", "analyze", "compare", "convert",
    "explain", "list_conventions", "list_devices", "list_operators", "plot", "render", "rule", "work",
}  # fmt: skip
"""A promise to users: a name that goes is a line in the changelog."""


def test_the_public_names_are_exactly_those_promised():
    assert set(graphcost.__all__) == PUBLIC
    assert all(getattr(graphcost, name).__module__.startswith("graphcost.") for name in PUBLIC)
