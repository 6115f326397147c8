"""Converts the models of keras.applications by their structure, and writes what that took.

python tests/accuracy/keras_applications.py                                   every model: five minutes
python tests/accuracy/keras_applications.py ResNet50 --write docs/accuracy-keras.md

Each model is built with random weights and analysed in a process of its own; the memory is what that took beyond what
it took to build the model. The exit code is 1 where a parameter is missed, a node has no price or no layer, or where
it took more than 30 s or 3 GiB.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

MOST_PARAMETERS, MOST_SECONDS, MOST_GIB = 150_000_000, 30, 3
PACKAGES = ("tensorflow", "keras", "tf2onnx", "onnx", "graphcost")
TITLES = ("model", "parameters", "trainable", "MACs", "nodes", "seconds", "GiB")


def main() -> int:
    """Measure the models that are named, all where none is, and return 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        say(json.dumps(measured(asked.measure)))
        return 0
    found = [one for one in map(in_a_process, asked.models or names()) if one["parameters"] <= MOST_PARAMETERS]
    if asked.write:
        asked.write.write_text(page(found), "utf-8")
    failed = [one["model"] for one in found if not one["is_right"]]
    say(f"{len(found)} models, {len(failed)} failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def say(text: str) -> None:
    """Print a line at once: the models take minutes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def names() -> list[str]:
    """Return the names of all models."""
    import keras  # noqa: PLC0415  # TensorFlow takes seconds, and each measurement pays them again

    return [name for name in dir(keras.applications) if name[0].isupper()]


def in_a_process(name: str) -> dict:
    """Measure one model in a process of its own."""
    command = [sys.executable, __file__, "--measure", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    say(" ".join(f"{found[title]}" for title in TITLES) + ("" if found["is_right"] else " WRONG"))
    return found


def measured(name: str) -> dict:
    """Return what one model costs, and what it took to find out."""
    import keras  # noqa: PLC0415  # as above

    import graphcost  # noqa: PLC0415  # as above

    model = getattr(keras.applications, name)(weights=None)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    report = graphcost.analyze(model)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trainable = sum(one.shape.num_elements() for one in model.trainable_weights)
    found = {
        "model": name,
        "parameters": model.count_params(),
        "trainable": trainable,
        "MACs": report.total.macs.best,
        "nodes": len(report.rows),
        "seconds": round(seconds, 1),
        "GiB": round((after - before) / 2**20, 2),
    }
    is_exact = report.total.parameters == model.count_params() and report.by_layer()[0].trainable == trainable
    is_whole = report.complete and not report.unpriced and all(row.layer is not None for row in report.rows)
    is_quick = seconds <= MOST_SECONDS and found["GiB"] <= MOST_GIB
    return {**found, "is_right": is_exact and is_whole and is_quick}


def page(found: list[dict]) -> str:
    """Return the page that says what was measured."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    rows = "\n".join("| " + " | ".join(_cell(one[title]) for title in TITLES) + " |" for one in found)
    return (
        "# Accuracy: keras.applications\n\n"
        "<!-- Written by tests/accuracy/keras_applications.py; run it again, do not change this page. -->\n\n"
        f"Every model of keras.applications up to {MOST_PARAMETERS:,} parameters, by its structure, at batch 1:\n"
        "parameters equal Keras' count_params, trainable and not; no node is unpriced or without a layer. *GiB* is\n"
        "what the analysis took beyond what it took to build the model.\n\n"
        f"| {' | '.join(TITLES)} |\n|---{'|---:' * (len(TITLES) - 1)}|\n{rows}\n\nMeasured with {versions}.\n"
    )


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main())
