"""Measures graphcost, its baselines and its peers on large models: wall time and peak memory of whole processes.

python tests/benchmarks/run.py                                        graphcost and onnx alone, every case
python tests/benchmarks/run.py --peers-python peers/bin/python        the other tools too
python tests/benchmarks/run.py --cases resnet50 chain-2000 --tools graphcost onnx
python tests/benchmarks/run.py --peers-python peers/bin/python --write docs/performance.md

The peers live in an environment of their own (onnx-opcounter 0.1.0 wants Python 3.12):

python3.12 -m venv peers
peers/bin/pip install onnx onnx-tool==1.0.1 onnxsim==0.8.1 onnx-opcounter==0.1.0

Every tool runs once to warm up, then the tools take turns. A tool that needed longer than `--once-above` seconds is
not run again; its first run is shown. `crash` and `timeout` are results. The largest case wants 16 GiB of memory.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from cases import CASES
from measure import Sample
from tools import BASELINE, PACKAGES, TOOLS

ROOT = Path(__file__).parents[2]
MIB, GIB = 2**20, 2**30
HEADER = """\
| | wall, s | x baseline | CPU, s | peak, MiB | x baseline | runs |
|---|---:|---:|---:|---:|---:|---:|"""
METHOD = """\
Wall time and peak memory of whole processes, output thrown away: medians, with the fastest and the slowest run. The
tools took turns after one run each to warm up, so files come from the page cache. Where a tool failed or was slow,
that first run is the only one and is shown. Peak memory is the most that was resident at once, mapped file pages
included. A crash can be the memory limit below; the run's stderr says.
"""


def main() -> None:
    """Measure what the command line asks for, print the page, and write it where asked."""
    options = parse()
    page = [heading(options)]
    sys.stdout.write(page[0])
    for name in options.cases:
        case = CASES[name]
        progress(f"{name}: making the model")
        samples = measure_all(options, case.made_in(options.cache.absolute(), name))
        page.append(f"\n## {name}\n\n{case.title}.\n\n{table(samples)}\n")
        sys.stdout.write(page[-1])
        sys.stdout.flush()
    if options.write:
        options.write.write_text("".join(page), encoding="utf-8")


def parse() -> argparse.Namespace:
    """Return the options, the tools without the peers where they have no interpreter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument(
        "--peers-python", type=Path, help="path of the interpreter of the environment that holds the peers"
    )
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "graphcost-benchmarks")
    parser.add_argument("--runs", type=int, default=3, help="runs after the warm-up")
    parser.add_argument("--limit", type=float, default=120, help="seconds until a timeout")
    parser.add_argument("--once-above", type=float, default=20, help="seconds from which one run is enough")
    parser.add_argument("--memory-limit", type=int, default=16, help="GiB of addresses that a process may take")
    parser.add_argument("--write", type=Path, help="also write the page to this file")
    options = parser.parse_args()
    chosen = {BASELINE, *options.tools}
    options.tools = [one for one in TOOLS if one in chosen and (options.peers_python or not TOOLS[one].peer)]
    return options


def measure_all(options: argparse.Namespace, model: Path) -> dict[str, list[Sample]]:
    """Return each tool's runs: the warm-up alone where it failed or took too long, else those after it."""
    found = {tool: [measure(options, tool, model)] for tool in options.tools}
    again = [tool for tool, (first,) in found.items() if first.outcome == "ok" and first.wall <= options.once_above]
    found |= {tool: [] for tool in again}
    for _ in range(options.runs):
        for tool in again:
            found[tool].append(measure(options, tool, model))
    return found


def measure(options: argparse.Namespace, name: str, model: Path) -> Sample:
    """Run one tool once."""
    tool = TOOLS[name]
    python = str(options.peers_python.absolute()) if tool.peer else sys.executable
    launcher = [sys.executable, Path(__file__).with_name("measure.py"), options.limit, options.memory_limit * GIB]
    sample = Sample(**json.loads(output_of([*map(str, launcher), *tool.command(python, str(model))])))
    progress(f"  {name}: {sample.outcome}, {sample.wall:.2f} s, {sample.peak / MIB:.0f} MiB")
    if sample.outcome == "crash":
        progress(f"    {sample.complaint}")
    return sample


def table(samples: dict[str, list[Sample]]) -> str:
    """Return the Markdown table of one case."""
    base = samples[BASELINE]
    return "\n".join([HEADER, *(row(TOOLS[tool].title, runs, base) for tool, runs in samples.items())])


def row(title: str, runs: list[Sample], base: list[Sample]) -> str:
    """Return one tool's row: medians, spread, and ratios to the baseline's medians."""
    walls = [run.wall for run in runs]
    wall, cpu, peak = median(walls), median(run.cpu for run in runs), median(run.peak for run in runs)
    seconds = f"{wall:.2f}" + (f" ({min(walls):.2f} to {max(walls):.2f})" if len(runs) > 1 else "")
    if runs[0].outcome != "ok":
        return f"| {title} | {runs[0].outcome} after {seconds} | | {cpu:.2f} | {peak / MIB:,.0f} | | {len(runs)} |"
    slower, larger = wall / median(run.wall for run in base), peak / median(run.peak for run in base)
    return f"| {title} | {seconds} | {slower:.1f} | {cpu:.2f} | {peak / MIB:,.0f} | {larger:.1f} | {len(runs)} |"


def heading(options: argparse.Namespace) -> str:
    """Return the page's head: how, when, on what, with which versions."""
    lines = [f"- graphcost and onnx: {versions(sys.executable)}."]
    if options.peers_python:
        lines.append(f"- The peers: {versions(str(options.peers_python.absolute()))}.")
    limits = f"- Limits: {options.limit:g} s and {options.memory_limit} GiB of addresses for each process."
    today = dt.datetime.now(tz=dt.UTC).date()
    return "\n".join(["# Performance\n", METHOD, f"- {today}, {machine()}.", *lines, limits, ""])


def versions(python: str) -> str:
    """Return the interpreter's version and those of the packages that matter, where they are installed."""
    code = """
import importlib.metadata, platform, sys
installed = {one.name.lower().replace("_", "-"): one.version for one in importlib.metadata.distributions()}
found = [f"{name} {installed[name]}" for name in sys.argv[1:] if name in installed]
print(f"Python {platform.python_version()}", *found, sep=", ")
"""
    return output_of([python, "-c", code, *PACKAGES]).strip()


def machine() -> str:
    """Return the machine in words, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    load = os.getloadavg()[0]
    return (
        f"{processor()}, {os.cpu_count()} cores, {memory / GIB:.0f} GiB, {platform.system()} ({platform.machine()}), "
        f"load average {load:.1f} at the start"
    )


def processor() -> str:
    """Return the CPU's model name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "an unnamed CPU")


def output_of(command: list[str]) -> str:
    """Run a command in the repository's root, where `python -m graphcost` works uninstalled, and return its output."""
    return subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout  # our own commands


def progress(line: str) -> None:
    """Say on stderr what is going on."""
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
