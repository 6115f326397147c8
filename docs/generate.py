"""Write the parts of the documentation that follow from the code.

Usage, from the repository's root: python docs/generate.py

The reference pages are what the command line lists, as Markdown. In every other page, what stands below a
`$ graphcost ...` line of a `console` block is replaced by what the command prints now.
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
from graphcost.cli import cli
from graphcost.cli import main as run
from graphcost.report import listing

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
        code = run(arguments)
    if code:
        raise RuntimeError(f"{line!r} ends with exit code {code}")
    return printed.getvalue()


def operators() -> str:
    """Return the reference of operators."""
    listed = graphcost.list_operators()
    counts = Counter(one.pricing for one in listed)
    about = (
        f"How each of {len(listed)} operators is priced: {counts['rule']} by a rule, {counts['free']} declared to "
        f"compute nothing, {counts['body']} by the graph that they run or that the specification gives them, "
        f"{counts['unpriced']} not yet. An operator that is not priced is listed in every report that meets it. "
        f"{sum(one.is_checked for one in listed)} rules are checked: the tests compare them with loops that count."
    )
    return _page("Operators", about, listing.operators(listed, "markdown"))


def conventions() -> str:
    """Return the reference of conventions."""
    about = (
        "A convention says what scalar work is worth: so much for each kind of it, unless there is a formula for the "
        "operator, or for a pattern that the node is part of. What is not listed is not counted. `--convention NAME` "
        "chooses one."
    )
    return _page("Conventions", about, listing.conventions(graphcost.list_conventions(), "markdown"))


def devices() -> str:
    """Return the reference of devices."""
    about = (
        "`--device NAME` chooses one; several can be given. Peaks are dense; every digit stands in what "
        "`graphcost devices --format json` prints."
    )
    return _page("Devices", about, listing.devices(graphcost.list_devices(), "markdown"))


def command_line() -> str:
    """Return the help of every command."""
    helps = (_help("graphcost"), *(_help("graphcost", name) for name in cli.commands))
    return _page("Command line", "What `--help` prints.", "\n".join(helps))


def _help(program: str, *command: str) -> str:
    shown = CliRunner().invoke(cli, [*command, "--help"], prog_name=program, terminal_width=100).output
    return f"## `{' '.join((program, *command))}`\n\n```text\n{shown}```\n"


def _page(title: str, about: str, body: str) -> str:
    return f"# {title}\n\n<!-- Written by docs/generate.py; change the code, not this page. -->\n\n{about}\n\n{body}"


if __name__ == "__main__":
    main()
