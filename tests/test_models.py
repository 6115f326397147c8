"""The example models are what their script writes; the labs' models hold what the labs' sheet says."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import onnx
import pytest
from labs import LABS

FOLDER = Path(__file__).parents[1] / "models"
MODELS = runpy.run_path(str(FOLDER / "make.py"))["MODELS"]
PARAMETERS = {
    "mlp": 566_273,  # lab 1
    "mnist_cnn": 121_930,  # lab 3
    "bilstm": 256 * 16 + 2 * 4 * 24 * (16 + 24 + 2) + 2 * 24 * 4 + 4,  # embedding, two LSTMs with two biases, head
    "decoder": 64 + 2 * 64 * 64 + 2 * 64 * 16 + 64 * 1000,
    "transformer_block": 4 * (32 * 32 + 32) + (32 * 128 + 128) + (128 * 32 + 32) + 2 * 2 * 32,
}


def float_elements(model):
    return sum(int(np.prod(w.dims)) for w in model.graph.initializer if w.data_type == onnx.TensorProto.FLOAT)


def test_every_model_in_the_folder_has_its_maker():
    assert {path.stem for path in FOLDER.glob("*.onnx")} == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_the_script_writes_the_committed_bytes(name):
    assert MODELS[name]().SerializeToString(deterministic=True) == (FOLDER / f"{name}.onnx").read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_the_checker_accepts_the_committed_file(name):
    onnx.checker.check_model(FOLDER / f"{name}.onnx", full_check=True)


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_a_model_stores_as_many_parameters_as_its_layers_have(name, parameters):
    assert float_elements(onnx.load(FOLDER / f"{name}.onnx")) == parameters


@pytest.mark.parametrize("name", MODELS)
def test_the_batch_is_symbolic(name):
    model = onnx.load(FOLDER / f"{name}.onnx")
    assert {value.type.tensor_type.shape.dim[0].dim_param for value in model.graph.input} == {"batch"}


@pytest.mark.parametrize("build", LABS)
def test_the_checker_accepts_a_lab_and_its_declared_output(build):
    onnx.checker.check_model(build(), full_check=True)


@pytest.mark.parametrize(("build", "expected"), LABS.items())
def test_a_lab_stores_the_parameters_of_its_sheet(build, expected):
    assert float_elements(build()) == expected.parameters


def test_a_labs_batch_is_symbolic():
    assert {build().graph.input[0].type.tensor_type.shape.dim[0].dim_param for build in LABS} == {"N"}
