"""Compares graphcost's multiply-accumulates with torch's own count, on models that torch exports to ONNX.

python tests/accuracy/against_torch.py                       every model and exporter: ten minutes
python tests/accuracy/against_torch.py --models bert lstm --exporters dynamo
python tests/accuracy/against_torch.py --write docs/accuracy.md

It wants an environment of its own, with the packages of `PACKAGES`:

python3 -m venv accuracy
accuracy/bin/pip install -e . torch==2.13.0 torchvision==0.28.0 transformers==5.23.0 onnxscript==0.7.2

Weights are random and nothing is fetched. The exit code is 1 where a count differs that should not.

torch's FlopCounterMode counts matrix products and convolutions, two FLOPs per multiply-accumulate. On a CPU three
settings decide whether it sees them all: attention by its formula (SDPBackend.MATH), no oneDNN (which runs an LSTM as
one operator that is not counted), and no fast path of MultiheadAttention (which is not counted either).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import platform
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from zoo import CASES

import graphcost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo import Case, Inputs

PACKAGES = ("torch", "torchvision", "transformers", "onnxscript", "onnx", "graphcost")
COUNTED = {"aten.mm", "aten.addmm", "aten.bmm", "aten.baddbmm", "aten.convolution"}
EXPORTERS: dict[str, dict[str, object]] = {
    "dynamo": {"dynamo": True},
    "opset 24": {"dynamo": True, "opset_version": 24},
    "free batch": {"dynamo": True},
    "TorchScript": {"dynamo": False},
}
"""What torch.onnx.export is told; for a free batch, which dimension is a symbol, too."""


@dataclass(frozen=True, slots=True)
class Count:
    """What graphcost says about one file."""

    macs: int | None
    "multiply-accumulates in each run; None where graphcost does not know them all, or there is no file"
    prepared: int = 0
    "those of preparation"
    refused: str = ""
    "why torch wrote no file"


def main() -> int:
    """Compare what the command line asks for, print the page, and write it where asked."""
    options = parse()
    expected, found = {}, {}
    for name in options.models:
        case = CASES[name]
        torch.manual_seed(0)
        model, inputs = case.build().eval(), case.inputs()
        expected[name] = by_torch(model, inputs)
        for exporter in options.exporters:
            found[name, exporter] = by_graphcost(model, inputs, exporter)
            progress(f"{name}, {exporter}: {expected[name]:,} {found[name, exporter]}")
    page = "\n".join([HEAD, *table(expected, found), "", *refusals(found), PUBLISHED, *published(found), "", ending()])
    sys.stdout.write(page)
    if options.write:
        options.write.write_text(page, encoding="utf-8")
    return int(any(differs(CASES[name], expected[name], one) for (name, _), one in found.items()))


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--exporters", nargs="+", choices=EXPORTERS, default=list(EXPORTERS))
    parser.add_argument("--write", type=Path, help="also write the page to this file")
    return parser.parse_args()


def by_torch(model: torch.nn.Module, inputs: Inputs) -> int:
    """Run a model once and return the multiply-accumulates that torch counts."""
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(*inputs)
    flops = {str(operator): count for operator, count in counter.get_flop_counts()["Global"].items()}
    if not flops.keys() <= COUNTED:
        raise ValueError(f"torch counted {sorted(flops.keys() - COUNTED)}, which are no products")
    return sum(flops.values()) // 2


def by_graphcost(model: torch.nn.Module, inputs: Inputs, exporter: str) -> Count:
    """Export a model to a file and return what graphcost counts in it."""
    arguments, dims = dict(EXPORTERS[exporter]), {}
    if exporter == "free batch":
        arguments["dynamic_shapes"] = tuple({0: "batch"} for _ in inputs)
        dims["batch"] = inputs[0].shape[0]
        inputs = tuple(torch.cat([one, one]) for one in inputs)  # a batch of 1 would be taken as fixed
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            with torch.no_grad(), contextlib.redirect_stdout(sys.stderr):
                torch.onnx.export(model, inputs, str(path), verbose=False, **arguments)
        except Exception as fault:  # noqa: BLE001  # exporters raise whatever; what they refuse is on the page
            return Count(None, refused=str(fault).strip().splitlines()[0])
        return counted(path, dims)


def counted(path: Path, dims: Mapping[str, int]) -> Count:
    """Return what graphcost counts in a file."""
    report = graphcost.analyze(path, dims=dims, convention="macs")
    total = report.total.macs
    return Count(total.high if total.low == total.high else None, report.preparation.macs.best)


def differs(case: Case, expected: int, one: Count) -> bool:
    """Return whether a count is not what it should be: torch's, without the products of weights alone."""
    right = one.macs == expected - case.weight_products and one.prepared in {0, case.weight_products}
    return not one.refused and not right


def table(expected: Mapping[str, int], found: Mapping[tuple[str, str], Count]) -> list[str]:
    """Return a row for each model and each count that exporters lead to, with those that do."""
    rows = []
    for name, count in expected.items():
        case, exporters = CASES[name], {}
        for (other, exporter), one in found.items():
            if other == name and not one.refused:
                exporters.setdefault(one.macs, []).append(exporter)
        for macs, names in exporters.items():
            ours, difference = ("not complete", "") if macs is None else (f"{macs:,}", f"{macs - count:,}")
            by = "all four" if len(names) == len(EXPORTERS) else ", ".join(names)
            rows.append(f"| {case.title} | {case.given} | {count:,} | {ours} | {difference} | {by} |")
    return rows


def refusals(found: Mapping[tuple[str, str], Count]) -> list[str]:
    """Return a line for each file that torch did not write."""
    lines = [
        f"- {CASES[name].title}, {exporter}: {one.refused}" for (name, exporter), one in found.items() if one.refused
    ]
    return ["Files that torch could not write:", "", *lines, ""] if lines else []


def published(found: Mapping[tuple[str, str], Count]) -> list[str]:
    """Return a row for each number that others published."""
    macs = {name: one.macs for (name, _), one in found.items() if one.macs is not None}
    return [
        f"| {CASES[name].title} | {in_words(*CASES[name].published)} | {agreement(count, *CASES[name].published[:2])} |"
        for name, count in macs.items()
        if CASES[name].published
    ]


def in_words(number: str, unit: str, who: str) -> str:
    """Return what was published, and where."""
    return f"{number}{' G' * ('.' in number)} {unit} | {who}"


def agreement(macs: int, number: str, unit: str) -> str:
    """Return whether a published number is graphcost's, as exact as it is given."""
    ours = macs * (2 if unit == "FLOPs" else 1)
    digits = f"{ours / 1e9:.{len(number.partition('.')[2])}f}" if "." in number else f"{ours:,}"
    return "equal" if digits == number else f"here {digits}"


HEAD = """\
# Accuracy

<!-- Written by tests/accuracy/against_torch.py; run it again, do not change this page. -->

How many multiply-accumulates graphcost counts in a file, beside what torch counts when it runs the model that the file
was exported from.

| model | input | torch | graphcost | difference | exported by |
|---|---|---:|---:|---:|---|"""
PUBLISHED = """\
## Numbers that others published

Those with a point are compared in the digits shown. torchvision calls its numbers GFLOPS; they are MACs. nanoGPT counts
the products of GPT-2, its head included; no biases, normalizations or softmax.

| model | published | by | graphcost |
|---|---:|---|---|"""
ENDING = """\
## How it was measured

- torch's count is that of `FlopCounterMode` for matrix products and convolutions, halved: it takes two FLOPs for one
  multiply-accumulate. On a CPU it misses products that run inside a fused operator, so attention goes by its formula
  (`SDPBackend.MATH`), oneDNN is off (an LSTM would count 0), and so is the fast path of `MultiheadAttention`.
- graphcost's count is `analyze(path, convention="macs").total.macs`, and it must be complete.
- Exported by: `dynamo` is `torch.onnx.export` as it is; `opset 24` is the same with attention as one operator; `free
  batch` is the same with the batch as a symbol in the file, bound for the analysis; `TorchScript` is the older exporter
  (`dynamo=False`).
- Weights are random: they do not change the count. T5 and Whisper are given both their source and their target.
- The dense layer with a correction `B*A` is there for the one difference that is wanted: a product of weights alone is
  the same in every run. torch computes it in each; an exporter folds it, or graphcost lists it as preparation.
- A wrong count ends the script with exit code 1.

{versions}.

Run it again with `python tests/accuracy/against_torch.py --write docs/accuracy.md`; its first lines say what it wants.
"""


def ending() -> str:
    """Return the end of the page, with the versions of what was used."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return ENDING.format(versions=", ".join([f"Python {platform.python_version()}", *versions]))


def progress(line: str) -> None:
    """Say on stderr what is going on."""
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.backends.mkldnn.enabled = False
    torch.backends.mha.set_fastpath_enabled(value=False)
    sys.exit(main())
