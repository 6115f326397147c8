"""What is said to be priced is what is priced."""

from __future__ import annotations

import importlib
from pathlib import Path

import oracles.checked
import pytest
from build import model
from onnx import defs

import graphcost
from graphcost.load import schema
from graphcost.rules import registry
from graphcost.rules.checked import CHECKED
from graphcost.shapes import control_flow

LISTED = {(one.domain, one.op_type): one for one in graphcost.list_operators()}


def test_every_operator_of_the_newest_opset_is_listed_once():
    newest = {one.name for one in defs.get_all_schemas() if one.domain == "" and not one.deprecated}
    assert newest <= {op_type for domain, op_type in LISTED if not domain}
    assert [(one.domain, one.op_type) for one in graphcost.list_operators()] == [*LISTED]


@pytest.mark.parametrize(
    ("op_type", "pricing"),
    [("Conv", "rule"), ("Relu", "rule"), ("Reshape", "free"), ("If", "body"), ("Loop", "body"), ("Scan", "body")],
)
def test_an_operator_is_priced_as_listed(op_type, pricing):
    assert LISTED["", op_type].pricing == pricing


def test_only_rules_and_free_operators_have_an_opset_and_all_but_unpriced_a_formula():
    for one in LISTED.values():
        assert bool(one.since) == (one.pricing in {"rule", "free"})
        assert bool(one.formula) == (one.pricing != "unpriced")


ISSUED = """
    Attention BiasGelu CausalConvWithState DecoderMaskedMultiHeadAttention DecoderMaskedSelfAttention
    DynamicQuantizeLSTM DynamicQuantizeMatMul EmbedLayerNormalization FastGelu FusedConv FusedGemm FusedMatMul
    GatherBlockQuantized Gelu GroupQueryAttention LinearAttention MatMulBnb4 MatMulIntegerToFloat MatMulNBits MoE
    MultiHeadAttention NhwcMaxPool PackedAttention QAttention QGemm QLinearAdd QLinearAveragePool QLinearConcat
    QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearSigmoid QLinearSoftmax QMoE QuickGelu RotaryEmbedding
    SimplifiedLayerNormalization SkipLayerNormalization SkipSimplifiedLayerNormalization
    """
"""The operators of com.microsoft that onnxruntime's optimizer and quantizer write, and exporters of transformers."""
FEWEST = {"": 204, "ai.onnx.ml": 19, "ai.onnx.preview": 1, "ai.onnx.preview.training": 4, "com.microsoft": 117}
"""How many operators of each domain had a price before; a list that shrinks is a promise broken."""


def test_every_operator_that_is_listed_has_a_price():
    assert [key for key, one in LISTED.items() if one.pricing == "unpriced"] == []


def test_what_exporters_and_optimizers_write_has_a_price():
    assert [name for name in ISSUED.split() if ("com.microsoft", name) not in LISTED] == []


@pytest.mark.parametrize(("domain", "fewest"), FEWEST.items())
def test_the_list_does_not_shrink(domain, fewest):
    assert sum(key[0] == domain for key in LISTED) >= fewest


def versions():
    """Yield each version of each operator that a model of opset 7 or newer can mean."""
    found = {}
    for one in defs.get_all_schemas_with_history():
        found.setdefault((one.domain, one.name), []).append(one)
    for key, history in found.items():
        history.sort(key=lambda one: one.since_version)
        ends = [one.since_version for one in history[1:]] + [None]
        for one, end in zip(history, ends, strict=True):
            if not one.deprecated and (one.domain or end is None or end > 7):
                yield (*key, max(one.since_version, 1 if one.domain else 7))


@pytest.mark.parametrize(("domain", "op_type", "opset"), sorted({*versions()}))
def test_every_version_of_every_operator_has_a_price(domain, op_type, opset):
    has_rule = registry.find(op_type, domain, opset) is not None
    walks = not domain and op_type in control_flow.WALKS
    assert has_rule or walks or schema.find(op_type, domain, opset).has_body


def test_what_is_said_to_be_checked_is_what_the_tests_compare_with_loops(monkeypatch):
    for path in (Path(__file__).parent / "rules").rglob("test_*.py"):
        monkeypatch.syspath_prepend(path.parent)
        importlib.import_module(path.stem)
    said = {(domain, op_type) for domain, names in CHECKED.items() for op_type in names}
    assert said == oracles.checked.CHECKED


@pytest.mark.parametrize("name", ["MeanVarianceNormalization", "Celu", "HardSwish"])
def test_an_operator_with_a_body_in_the_specification_is_priced(name):
    built = model("float[1,2,4,4] x => float[1,2,4,4] y", f"y = {name}(x)")
    assert LISTED["", name].pricing in {"rule", "body"}
    assert not any(row.cost.status.is_open for row in graphcost.analyze(built).rows)


def test_conventions_and_devices_are_those_that_analyze_takes():
    source = model("float[1,4] x => float[1,4] y", "y = Relu(x)")
    for convention in graphcost.list_conventions():
        assert graphcost.analyze(source, convention=convention.name).settings.convention is convention
    names = [one.name for one in graphcost.list_devices()]
    assert [one.device for one in graphcost.analyze(source, devices=names).latency] == names
