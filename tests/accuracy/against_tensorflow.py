"""Compares graphcost's convention `tf-profiler` with TensorFlow's own profiler, on Keras models at batch 1.

python tests/accuracy/against_tensorflow.py                  every model: one minute
python tests/accuracy/against_tensorflow.py --models lab3 resnet50
python tests/accuracy/against_tensorflow.py --write docs/accuracy-tensorflow.md

It wants the packages of `PACKAGES`. Weights are random and nothing is fetched. The exit code is 1 where a count differs
by anything but what the conversion to ONNX rewrote; accuracy/rewritten.py says what that is.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import platform
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))  # where pytest finds `accuracy`, too

from accuracy.keras_zoo import CASES
from accuracy.rewritten import compared

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping

    from accuracy.rewritten import Compared, Region

PACKAGES = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "graphcost")


def main() -> int:
    """Compare what the command line asks for, print the page, and write it where asked."""
    options = parse()
    found = {}
    for name in options.models:
        case = CASES[name]
        found[case.title] = one = compared(case.build(), case.shape)
        sys.stderr.write(f"{case.title}: {one.profiled:,} {one.total:,} {'right' if one.is_right else 'WRONG'}\n")
    page = "\n".join([HEAD, *overview(found), "", READING, *sections(found), ending()])
    sys.stdout.write(page)
    if options.write:
        options.write.write_text(page, encoding="utf-8")
    return int(not all(one.is_right for one in found.values()))


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--write", type=Path, help="also write the page to this file")
    return parser.parse_args()


def overview(found: Mapping[str, Compared]) -> Iterator[str]:
    """Yield a row for each model: both totals, and whether the two graphs explain how they differ."""
    for title, one in found.items():
        by = "yes" if one.is_right else "NO"
        yield f"| {title} | {one.profiled:,} | {one.total:,} | {one.profiled - one.total:,} | {by} |"


def sections(found: Mapping[str, Compared]) -> Iterator[str]:
    """Yield what is said about each model."""
    for title, one in found.items():
        yield from (f"## {title}", "", *kinds(one), "", *rewrites(one))


def kinds(one: Compared) -> Iterator[str]:
    """Yield a table of what both count, by kind of operation."""
    yield from ("| operation | TensorFlow | graphcost | difference |", "|---|---:|---:|---:|")
    for kind in sorted(kind for kind, count in (one.theirs | one.ours).items() if count):
        theirs, ours = one.theirs[kind], one.ours[kind]
        yield f"| {kind} | {theirs:,} | {ours:,} | {theirs - ours:,} |"


def rewrites(one: Compared) -> Iterator[str]:
    """Yield a table of what the conversion rewrote, and of what TensorFlow does not look into."""
    if not one.rewrites and not one.hidden:
        yield from ("The conversion rewrote nothing that counts.", "")
        return
    yield "| times | in TensorFlow | in ONNX | TensorFlow | graphcost | difference | why |"
    yield "|---:|---|---|---:|---:|---:|---|"
    for (went, came), regions in one.rewrites.items():
        theirs, ours = (sum(counts.total() for counts in side) for side in sides(regions))
        why = ", ".join({at.reason or "NOT KNOWN": None for at in regions})
        yield f"| {len(regions)} | {went} | {came or 'nothing'} | {theirs:,} | {ours:,} | {theirs - ours:,} | {why} |"
    for kind, count in sorted(one.hidden.items()):
        yield f"| | {kind} | {kind} | 0 | {-count:,} | {count:,} | TensorFlow does not look into functions |"
    yield ""


def sides(regions: list[Region]) -> tuple[list[Counter[str]], list[Counter[str]]]:
    """Return what TensorFlow counts of some regions, and what it would of the nodes that came in their place."""
    return [one.theirs for one in regions], [one.worded for one in regions]


HEAD = """\
# Accuracy against TensorFlow's profiler

<!-- Written by tests/accuracy/against_tensorflow.py; run it again, do not change this page. -->

What `graphcost analyze MODEL --convention tf-profiler` counts, beside the `total_float_ops` that TensorFlow's own
profiler gives for the same Keras model at batch 1.

| model | TensorFlow | graphcost | difference | explained by both graphs |
|---|---:|---:|---:|---|"""
READING = """\
graphcost counts in the ONNX graph that tf2onnx makes of TensorFlow's, and that is not the same graph. Below, for each
model: what both count by kind of operation, graphcost's by the kind that an ONNX operator is for TensorFlow; then what
the conversion rewrote, with what that counts on either side. The differences in the first table are those of the
second, kind by kind.
"""
ENDING = """\
## How it was measured

- TensorFlow's total is that of `tf.compat.v1.profiler.profile` on the model's concrete function; by kind it is what the
  profiler's registry says of each operation, and the sum is the total.
- graphcost's total is `analyze(model, convention="tf-profiler", dims={{"batch": 1}}).total.value`; it must be exact.
- The rewrites are computed from the two graphs alone. An operation and the ONNX node of its name belong together, an
  operation that is gone belongs to what reads it, and a pair of one kind is unchanged, whatever it counts. What is left
  is priced by TensorFlow's registry on both sides: each ONNX node is built again as the operation that it is for
  TensorFlow, with the shapes that it has in onnxruntime. graphcost's prices have no part in it, so that a wrong one
  shows, and so does a shape that the conversion changed.
- Two things are the convention's own choice: a Reciprocal of a Sqrt counts as the Rsqrt that it was, and what follows
  from shapes alone counts nothing.
- Recurrent layers are left out. The profiler does not look into loops and counts one stray step; graphcost says that
  the convention does not count them.
- Anything that the two graphs do not explain ends the script with exit code 1.

{versions}.

Run it again with `python tests/accuracy/against_tensorflow.py --write docs/accuracy-tensorflow.md`; its first lines say
what it wants.
"""


def ending() -> str:
    """Return the end of the page, with the versions of what was used."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return ENDING.format(versions=", ".join([f"Python {platform.python_version()}", *versions]))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.exit(main())
