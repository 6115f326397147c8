"""Scan runs its body once per slice."""

from __future__ import annotations

import pytest
from build import model
from onnx import TensorProto, helper
from typed import bodies, shape

from graphcost import analyze
from graphcost.load import load
from graphcost.results import Status
from graphcost.shapes import infer

SCAN = "{} = Scan <body = b ({}) => ({}) {{ {} }}, {}> ({})"

SCANS = {
    "a slice per turn": (
        SCAN.format("s, y", "float[3] s0, float[3] v", "float[3] s1, float[3] w", "s1 = Add(s0, v) w = Relu(s1)",
                    "num_scan_inputs = 1", "z, x"), (2, 3), 2,
    ),
    "along another axis": (
        SCAN.format("y", "float[2] v", "float[2] w", "w = Relu(v)",
                    "num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1]", "x"), (2, 3), 3,
    ),
    "along an axis from the end, stacked at the front": (
        SCAN.format("y", "float[2] v", "float[2] w", "w = Relu(v)",
                    "num_scan_inputs = 1, scan_input_axes = [-1]", "x"), (3, 2), 3,
    ),
    "two scanned inputs": (
        SCAN.format("y", "float[3] v, float[3] u", "float w", "a = Mul(v, u) w = ReduceSum <keepdims = 0> (a)",
                    "num_scan_inputs = 2", "x, x"), (2,), 2,
    ),
    "two of different lengths": (
        SCAN.format("y", "float[3] v, float[2] u", "float w", "w = ReduceSum <keepdims = 0> (v)",
                    "num_scan_inputs = 2, scan_input_axes = [0, 1]", "x, x"), (None,), None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SCANS)
def test_scan(case):
    node, expected, times = SCANS[case]
    signature = "float[2,3] x, float[3] z => float[] y"
    assert shape(node, signature=signature) == expected
    assert bodies(node, signature=signature) == [("body", times)]


def batches(lengths="", signature="float[4,3] z, float[4,7,2] x => float[] s, float[] y"):
    """Return a Scan as it was in opset 8, over 7 slices of each of 4 samples."""
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("s0", "v")]
    taken = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("s1", "w")]
    nodes = [helper.make_node("Relu", ["s0"], ["s1"]), helper.make_node("Transpose", ["v"], ["w"])]
    body = helper.make_graph(nodes, "b", given, taken)
    built = model(signature, "s = Relu(z)", opset=8)
    built.graph.node[0].CopyFrom(
        helper.make_node("Scan", [lengths, "z", "x"], ["s", "y"], num_scan_inputs=1, body=body)
    )
    return infer(load(built), {}, {}).graph


def test_scan_before_opset_9_runs_for_each_sample():
    found = batches()
    assert [found.type_of(name).shape for name in "sy"] == [(4, 3), (4, 7, 2)]
    assert [body.times for body in found.calls[0].bodies] == [4 * 7]
    assert [one.shape for one in found.calls[0].bodies[0].graph.calls[1].inputs] == [(2,)]


@pytest.mark.parametrize(("lengths", "times"), [("known", 1 + 2 + 3 + 7), ("given", None)])
def test_scan_before_opset_9_may_take_fewer_slices_of_a_sample(lengths, times):
    signature = "float[4,3] z, float[4,7,2] x, int64[4] given => float[] s, float[] y <int64[4] known = {1, 2, 3, 7}>"
    found = batches(lengths, signature)
    assert [body.times for body in found.calls[0].bodies] == [times]
    assert found.type_of("y").shape == (4, 7, 2)


BROKEN = {
    "num_scan_inputs": (3, "wants num_scan_inputs from 1 to its 1 inputs, it is 3"),
    "scan_input_axes": ([7], "wants to scan along one of 2 axes, it is 7"),
    "scan_input_axes from the end": ([-3], "wants to scan along one of 2 axes, it is -3"),
    "scan_input_axes of another number": ([0, 0], "wants 1 scan_input_axes, has 2"),
    "scan_input_axes of floats": ([1.5], "wants integers as scan_input_axes, it is '(1.5,)'"),
    "scan_input_axes, one": (1, "wants integers as scan_input_axes, it is '1'"),
    "scan_input_axes, a word": ("ab", "wants integers as scan_input_axes, it is 'ab'"),
    "scan_input_directions": ([5], "wants 0 or 1 as scan_input_directions, it is '(5,)'"),
    "scan_input_directions, one": (1, "wants integers as scan_input_directions, it is '1'"),
    "scan_output_axes": ([2], "wants one of 2 axes to stack what its turns give, it is 2"),
    "scan_output_axes from the end": ([-3], "wants one of 2 axes to stack what its turns give, it is -3"),
    "scan_output_axes of another number": ([0, 0], "wants 1 scan_output_axes, has 2"),
    "scan_output_axes, one": (3, "wants integers as scan_output_axes, it is '3'"),
    "scan_output_directions": ([-1], "wants 0 or 1 as scan_output_directions, it is '(-1,)'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_scan_that_breaks_its_specification_is_invalid(case):
    value, expected = BROKEN[case]
    built = model(
        "float[2,3] x => float[] y",
        SCAN.format("y", "float[3] v", "float[3] w", "w = Relu(v)", "num_scan_inputs = 1", "x"),
    )
    node = built.graph.node[0]
    kept = [one for one in node.attribute if one.name == "body" or case != "num_scan_inputs"]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(case.split(",")[0].split()[0], value)])
    cost = analyze(built).rows[0].cost
    assert (cost.status, cost.reason) == (Status.INVALID, expected)


def test_a_scan_without_the_number_of_its_inputs_is_invalid():
    node = SCAN.format("y", "float[3] v", "float[3] w", "w = Relu(v)", "", "x").replace(", >", ">")
    assert analyze(model("float[2,3] x => float[] y", node)).rows[0].cost.status is Status.INVALID


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("int64[4] n = {1, -2, 3, 7}", "wants sequence_lens from 0 to 7, they are '[1, -2, 3, 7]'"),
        ("int64[4] n = {1, 2, 3, 8}", "wants sequence_lens from 0 to 7, they are '[1, 2, 3, 8]'"),
        ("int64[3] n = {1, 2, 3}", "wants 4 sequence_lens, has 3"),
        ("float[4] n = {1, 2, 3, 4}", "wants int64 sequence_lens, they are float32[4]"),
        ('string[4] n = {"a", "b", "c", "d"}', "wants int64 sequence_lens, they are string[4]"),
    ],
)
def test_scan_before_opset_9_takes_as_many_slices_as_there_are(declared, expected):
    call = batches("n", f"float[4,3] z, float[4,7,2] x => float[] s, float[] y <{declared}>").calls[0]
    assert (call.problem, call.bodies) == (expected, ())


def test_scan_before_opset_9_over_unequal_samples_is_unknown():
    found = batches(signature="float[4,3] z, float[5,7,2] x => float[] s, float[] y")
    assert [body.times for body in found.calls[0].bodies] == [None]
    assert found.type_of("y").shape == (None, 7, 2)
