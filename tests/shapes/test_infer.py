"""Every shape that is claimed for an output of onnx's own backend tests is that of the output."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.backend.test import loader

from graphcost import analyze, shapes
from graphcost.load import load
from graphcost.results import Status
from graphcost.types import SequenceType, TensorType

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")


@pytest.fixture(scope="module")
def cases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, about what the cases compute
        return [case for kind in KINDS for case in loader.load_model_tests(kind=kind)]


@pytest.fixture(scope="module")
def claims(cases):
    """Return (case, type that is claimed, value that is computed) for each output of all cases."""
    return [(case.name, *claim) for case in cases for claim in claimed(case)]


def claimed(case):
    built, inputs, outputs = case.model, [], []
    if built is None:
        built = onnx.load(Path(case.model_dir) / "model.onnx")
        files = [Path(case.model_dir) / "test_data_set_0" / f"output_{i}.pb" for i in range(len(built.graph.output))]
        outputs = [TensorProto.FromString(path.read_bytes()) for path in files]
    else:
        inputs, outputs = case.data_sets[0]
    loaded = load(built)
    given = zip((one.name for one in built.graph.input), inputs, strict=False)
    sizes = {name: shape_of(value) for name, value in given if isinstance(loaded.values[name].type, TensorType)}
    found = shapes.infer(loaded, {}, sizes).graph
    return [(found.type_of(name), value) for name, value in zip(loaded.outputs, outputs, strict=True)]


def shape_of(value):
    """Return the shape of a tensor; None for a sequence."""
    if isinstance(value, list):
        return None
    return tuple(value.dims) if isinstance(value, TensorProto) else np.shape(value)


def agrees(one, shape):
    """Return whether a type holds for a value of this shape; an unknown dimension holds for any size."""
    if one.shape is None:
        return True
    return len(one.shape) == len(shape) and all(dim in {None, size} for dim, size in zip(one.shape, shape, strict=True))


def test_no_claim_is_wrong(claims):
    tensors = [(name, one, shape_of(value)) for name, one, value in claims if isinstance(one, TensorType)]
    assert [(name, str(one), shape) for name, one, shape in tensors if not agrees(one, shape)] == []


def test_most_is_claimed(claims):
    """2,057 of 2,463 outputs are; the others follow from the elements of inputs, or are sequences or images."""
    assert sum(isinstance(one, TensorType) and one.is_known for _, one, _ in claims) >= 2_057


def test_a_sequence_is_claimed_as_one(claims):
    listed = [one for _, one, value in claims if isinstance(value, list)]
    assert sum(isinstance(one, SequenceType) for one in listed) > 20


def test_every_case_is_analysed_and_none_is_called_invalid(cases):
    reports = ((case.name, analyze(case.model or Path(case.model_dir) / "model.onnx")) for case in cases)
    rows = ((name, row.cost) for name, report in reports for row in report.rows)
    assert [(name, cost.reason) for name, cost in rows if cost.status is Status.INVALID] == []
