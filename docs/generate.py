"""Write the parts of the documentation that follow from the code.

Usage, from the repository's root: python docs/generate.py

The reference pages are written from the registries. In every other page, what stands below a `$ graphcost ...` line of
a `console` block is replaced by what the command prints now.
"""

from __future__ import annotations

import io
import re
import shlex
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

from click.testing import CliRunner

import graphcost
from graphcost.cli import cli, main as run
from graphcost.rules import registry

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
CONSOLE = re.compile(r"(?<=```console\n)(.*?)(?=```)", re.DOTALL)


def main() -> None:
    """Write every page that differs from what the code says."""
    for path, text in pages().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


def pages() -> dict[Path, str]:
    """Return every page with the text that it should have."""
    written = [path for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")) if path.parent != REFERENCE]
    texts = {path: path.read_text("utf-8") for path in written}
    return {
        REFERENCE / "operators.md": operators(),
        REFERENCE / "conventions.md": conventions(),
        REFERENCE / "devices.md": devices(),
        REFERENCE / "command-line.md": command_line(),
        **{path: with_output(text) for path, text in texts.items() if "```console" in text},
    }


def with_output(text: str) -> str:
    """Return a page with the output of each command in its console blocks."""
    return CONSOLE.sub(lambda block: _run_all(block[1]), text)


def _run_all(block: str) -> str:
    lines = [line for line in block.splitlines() if line.startswith("$ ")]
    return "\n".join(line + "\n" + _output(line) for line in lines)


def _output(line: str) -> str:
    """Return what a command prints; one that is no command of graphcost prints nothing here."""
    program, *arguments = shlex.split(line.removeprefix("$ "))
    if program != "graphcost":
        return ""
    with redirect_stdout(io.StringIO()) as printed:
        run(arguments)
    return printed.getvalue()


def operators() -> str:
    """Return the reference of operators."""
    listed = graphcost.list_operators()
    counts = Counter(one.pricing for one in listed)
    rows = [
        f"| {one.op_type} | {one.domain or 'ai.onnx'} | {one.pricing} | "
        f"{', '.join(map(str, sorted(one.since))) or '-'} | {_cell(one.formula)} |"
        for one in listed
    ]
    reasons = [f"- **{one.op_type}**: {_first(one.doc)}" for one in registry.entries() if one.is_free]
    return _page(
        "Operators",
        f"How each of {len(listed)} operators is priced: {counts['rule']} by a rule, {counts['free']} declared to compute "
        f"nothing, {counts['body']} by the graph that they run or that the specification gives them, "
        f"{counts['unpriced']} not yet. An operator that is not priced is listed in every report that meets it.",
        "| operator | domain | priced by | since opset | formula |\n|---|---|---|---|---|\n" + "\n".join(rows),
        "## Why an operator is free",
        "\n".join(dict.fromkeys(reasons)),
    )


def conventions() -> str:
    """Return the reference of conventions."""
    sections = []
    for one in graphcost.list_conventions():
        weights = ", ".join(f"{arith.value} {weight}" for arith, weight in one.weights.items())
        formulas = "\n".join(f"| {name} | {_cell(_meaning(formula))} |" for name, formula in sorted(one.formulas.items()))
        patterns = "\n".join(f"| {name} (pattern) | {_cell(_meaning(formula))} |" for name, formula in one.patterns.items())
        table = "\n".join(part for part in (formulas, patterns) if part)
        sections.append(
            "\n\n".join(
                part
                for part in (
                    f"## `{one.name}`",
                    f"{one.title[0].upper()}{one.title[1:]}.",
                    f"Unit: {one.unit}. Source: {one.source}.",
                    f"Weights per scalar operation: {weights}." if weights else "",
                    f"| operator | own formula |\n|---|---|\n{table}" if table else "",
                )
                if part
            )
        )
    return _page("Conventions", "A convention says what scalar work is worth. `--convention NAME` chooses one.", *sections)


def _meaning(formula: object) -> str:
    doc = getattr(formula, "__doc__", None) or getattr(formula, "__name__", "")
    return _first(doc)


def devices() -> str:
    """Return the reference of devices."""
    sections = []
    for one in graphcost.list_devices():
        figures = [("rate", one.rate, "FLOP/s"), *((f"peak, {dtype}", figure, "FLOP/s") for dtype, figure in one.peak.items())]
        figures += [("bandwidth", one.bandwidth, "B/s"), ("memory", one.memory, "B")]
        rows = [f"| {name} | {figure.value:.4g} {unit} | {_cell(figure.source)} |" for name, figure, unit in figures if figure]
        sections += [f"## `{one.name}`", f"{one.title}.", "| figure | value | source |\n|---|---|---|\n" + "\n".join(rows)]
    return _page("Devices", "`--device NAME` chooses one; several can be given. Peaks are dense, in SI units.", *sections)


def command_line() -> str:
    """Return the help of every command."""
    calls = [[], *([name] for name in cli.commands)]
    blocks = []
    for call in calls:
        shown = CliRunner().invoke(cli, [*call, "--help"], prog_name="graphcost", terminal_width=100).output
        blocks += [f"## `graphcost {' '.join(call)}`".replace(" `", "`") if call else "## `graphcost`", f"```text\n{shown}```"]
    return _page("Command line", "What `--help` prints.", *blocks)


def _page(title: str, *parts: str) -> str:
    note = "<!-- Written by docs/generate.py; change the code, not this page. -->"
    return "\n\n".join((f"# {title}", note, *parts)) + "\n"


def _first(doc: str) -> str:
    return doc.strip().partition("\n")[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
