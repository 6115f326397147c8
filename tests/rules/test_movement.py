"""The operators that compute nothing: which they are, that they make no new value, and what they move."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import rows
from oracles.checked import checks
from oracles.counting import Tally
from oracles.elementwise import ORACLES
from oracles.reference import computed, opsets

from graphcost.call import NO_SCHEMA, Call, Schema
from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.types import DType, OptionalType, SequenceType

REVIEWED = {
    "view": "Reshape Flatten Squeeze Unsqueeze Identity BitCast Optional OptionalGetElement "
    "SequenceConstruct SequenceInsert SequenceErase SequenceAt",
    "constant or shape": "Constant ConstantOfShape EyeLike Shape Size OptionalHasElement SequenceEmpty SequenceLength",
    "copy": "Transpose Concat Split Slice Gather GatherElements GatherND Expand Tile Pad DepthToSpace "
    "SpaceToDepth ReverseSequence Trilu Scatter ScatterElements ScatterND TensorScatter SplitToSequence "
    "ConcatFromSequence Compress OneHot MaxUnpool StringConcat CenterCropPad",
}
"""Each was read in the specification: nothing in it compares, adds, interpolates, sorts or searches elements."""

FREE = {name for names in REVIEWED.values() for name in names.split()}
COUNTED = {*ORACLES, *rows.REDUCTIONS, "Softmax", "Hardmax", "LRN", "CumSum", "ArgMax"}


def free_entries():
    return [entry for entry in registry.entries() if entry.is_free and not entry.domain]


def traffic(call):
    return registry.find(call.op_type, "", call.opset).traffic(call)


def test_the_list_is_the_reviewed_one():
    assert {entry.op_type for entry in free_entries()} == FREE


def test_nothing_free_is_work_in_a_loop():
    assert not FREE & COUNTED


@pytest.mark.parametrize("op_type", sorted(FREE))
def test_every_opset_has_a_rule(op_type):
    assert all(registry.find(op_type, "", opset) for opset in opsets(op_type))


@pytest.mark.parametrize("entry", free_entries(), ids=lambda entry: entry.op_type)
def test_each_gives_a_reason(entry):
    assert entry.doc.endswith(".")


def ints(*values):
    return np.array(values, np.int64)


FLOATS = ts(2, 3)  # 24 bytes
MOVED = [
    (make_call("Reshape", FLOATS, ints(3, 2)), (0, 0)),  # a view
    (make_call("Flatten", FLOATS), (0, 0)),
    (make_call("Squeeze", ts(1, 3), ints(0)), (0, 0)),
    (make_call("Unsqueeze", FLOATS, ints(0)), (0, 0)),
    (make_call("Identity", FLOATS), (0, 0)),
    (make_call("BitCast", FLOATS, opset=26, to=6), (0, 0)),
    (make_call("Transpose", FLOATS), (24, 24)),  # read + write
    (make_call("Concat", FLOATS, ts(4, 3), axis=0), (24 + 48, 72)),
    (make_call("Split", FLOATS, outputs=3, num_outputs=3, axis=1), (24, 24)),
    (make_call("Slice", ts(100, 3), ints(0), ints(2), ints(0)), (24 + 3 * 8, 24)),  # what it writes + three indices
    (make_call("Gather", ts(1000, 3), ts(2, dtype=DType.INT64)), (24 + 16, 24)),  # what it writes + two indices
    (make_call("GatherElements", ts(1000, 3), ts(2, 3, dtype=DType.INT64)), (24 + 48, 24)),
    (make_call("GatherND", ts(1000, 3), ts(2, 1, dtype=DType.INT64)), (24 + 16, 24)),
    (make_call("Expand", ts(3), ints(2, 3)), (12 + 16, 24)),  # the input once + the shape
    (make_call("Tile", ts(1, 3), ints(2, 1)), (12 + 16, 24)),
    (make_call("Pad", FLOATS, ints(0, 0, 1, 0)), (24 + 32, 36)),  # input + four pads, a row more
    (make_call("Compress", FLOATS, np.array([True, False]), axis=0), (12 + 2, 12)),  # one row, and two bools
    (make_call("OneHot", ts(2, dtype=DType.INT64), np.array(4), ts(2)), (16 + 8 + 8, 32)),  # 2 x 4 floats
    (make_call("Trilu", ts(3, 3)), (36, 36)),
    (make_call("DepthToSpace", ts(1, 4, 1, 1), blocksize=2), (16, 16)),
    (make_call("SpaceToDepth", ts(1, 1, 2, 2), blocksize=2), (16, 16)),
    (make_call("ReverseSequence", FLOATS, ts(3, dtype=DType.INT64)), (24 + 24, 24)),
    (make_call("Shape", ts(100, 3)), (0, 16)),  # two int64
    (make_call("Size", ts(100, 3)), (0, 8)),
    (make_call("EyeLike", ts(3, 3)), (0, 36)),
    (make_call("ConstantOfShape", ints(2, 3)), (16, 24)),  # the shape, and what it fills
    (make_call("Constant", value_float=1.0), (0, 0)),  # there when the model is loaded
    (make_call("Scatter", FLOATS, ts(1, 3, dtype=DType.INT64), ts(1, 3), opset=9), (24 + 24 + 12, 24)),
    (make_call("ScatterND", FLOATS, ts(1, 1, dtype=DType.INT64), ts(1, 3)), (24 + 8 + 12, 24)),  # a copy of the data
    (make_call("ScatterElements", FLOATS, ts(1, 3, dtype=DType.INT64), ts(1, 3)), (24 + 24 + 12, 24)),
    (make_call("TensorScatter", ts(1, 9, 2), ts(1, 1, 2), opset=24), (72 + 8, 72)),
]


@pytest.mark.parametrize(("call", "expected"), MOVED, ids=lambda one: getattr(one, "op_type", ""))
def test_bytes_read_and_written(call, expected):
    assert traffic(call) == expected
    assert counts(call) == {}


LIST, MAYBE, INDEX = SequenceType(FLOATS), OptionalType(FLOATS), ts(dtype=DType.INT64)
SPLIT = Schema(11, ("input", "split"), (), {})


def by_hand(op_type, inputs, output, schema=NO_SCHEMA):
    """Return a call that make_call knows no types for."""
    return Call(op_type, opset=24, inputs=inputs, outputs=(output,), schema=schema)


WRAPPED = [
    (by_hand("SequenceConstruct", (FLOATS, FLOATS), LIST), (0, 0)),  # by reference
    (by_hand("SequenceInsert", (LIST, FLOATS), LIST), (0, 0)),
    (by_hand("SequenceErase", (LIST, INDEX), LIST), (0, 0)),
    (by_hand("SequenceAt", (LIST, INDEX), FLOATS), (0, 0)),
    (by_hand("SequenceEmpty", (), LIST), (0, 0)),
    (by_hand("SequenceLength", (LIST,), INDEX), (0, 8)),  # an int64
    (by_hand("ConcatFromSequence", (LIST,), ts(4, 3)), (48, 48)),  # all entries, read and written
    (by_hand("SplitToSequence", (FLOATS, INDEX), LIST, SPLIT), (24 + 8, 24)),
    (by_hand("Optional", (FLOATS,), MAYBE), (0, 0)),
    (by_hand("OptionalGetElement", (MAYBE,), FLOATS), (0, 0)),
    (by_hand("OptionalHasElement", (MAYBE,), ts(dtype=DType.BOOL)), (0, 1)),  # a bool
]


@pytest.mark.parametrize(("call", "expected"), WRAPPED, ids=lambda one: getattr(one, "op_type", ""))
def test_bytes_of_lists_and_options(call, expected):
    assert traffic(call) == expected


DATA = np.arange(2.0, 14.0, dtype=np.float32).reshape(3, 4)
APPLIED = [
    ("Reshape", [DATA, ints(4, 3)], {}),
    ("Flatten", [DATA], {}),
    ("Squeeze", [DATA[:1], ints(0)], {}),
    ("Unsqueeze", [DATA, ints(0)], {}),
    ("Identity", [DATA], {}),
    ("Transpose", [DATA], {}),
    ("Concat", [DATA, DATA], {"axis": 0}),
    ("Slice", [DATA, ints(0), ints(2)], {}),
    ("Gather", [DATA, ints(2, -1)], {}),
    ("GatherElements", [DATA, np.array([[2, -1, 0, 1]])], {}),
    ("GatherND", [DATA, np.array([[1, 1]])], {}),
    ("Compress", [DATA, np.array([True, False, True])], {"axis": 0}),
    ("OneHot", [ints(2, -1), np.array(4), np.array([3.0, 5.0], np.float32)], {}),
    ("Expand", [DATA, ints(2, 3, 4)], {}),
    ("Tile", [DATA, ints(2, 2)], {}),
    ("Pad", [DATA, ints(1, 1, 1, 1)], {}),
    ("Pad", [DATA, ints(1, 1, 1, 1)], {"mode": "reflect"}),
    ("Pad", [DATA, ints(1, 0, 0, 0)], {"mode": "edge"}),
    ("DepthToSpace", [DATA.reshape(1, 4, 1, 3)], {"blocksize": 2}),
    ("SpaceToDepth", [DATA.reshape(1, 3, 2, 2)], {"blocksize": 2}),
    ("ReverseSequence", [DATA, ints(3, 2, 1, 1)], {}),
    ("Trilu", [DATA], {}),
    ("EyeLike", [DATA], {}),
    ("ConstantOfShape", [ints(2, 3)], {}),
    ("ScatterND", [DATA, np.array([[1]]), -DATA[:1]], {}),
    ("ScatterElements", [DATA, np.array([[2, 1, 0, 1]]), -DATA[:1]], {}),
    ("TensorScatter", [DATA.reshape(1, 3, 4), -DATA[:1].reshape(1, 1, 4)], {}),
]


@pytest.mark.parametrize(("op_type", "inputs", "attributes"), APPLIED)
def test_nothing_free_makes_a_new_value(op_type, inputs, attributes):
    (output,) = computed(op_type, inputs, 24, **attributes)
    values = {float(value) for one in inputs for value in one.ravel()}
    assert {float(value) for value in output.ravel()} <= values | {0.0, 1.0}


REDUCTIONS = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "max": lambda a, b: a.maximum(b),
    "min": lambda a, b: a.minimum(b),
}
seeds = st.integers(0, 999).map(np.random.default_rng)
indices = st.lists(st.integers(0, 2), min_size=0, max_size=5)


@checks("ScatterND")
@settings(max_examples=200, deadline=None)
@given(indices, st.sampled_from(sorted(REDUCTIONS)), st.integers(18, 28), seeds)
def test_scattered_slices(places, reduction, opset, rng):
    data, updates = rng.uniform(1, 2, (3, 2)).astype(np.float32), rng.uniform(1, 2, (len(places), 2)).astype(np.float32)
    tally = Tally()
    output = tally.tensor(data)
    for i, place in enumerate(places):
        for j in range(2):
            output[place, j] = REDUCTIONS[reduction](output[place, j], tally.number(updates[i, j]))
    index = np.array(places, np.int64).reshape(-1, 1)
    inputs = [ts(3, 2), ts(*index.shape, dtype=DType.INT64), ts(*updates.shape)]
    assert counts(make_call("ScatterND", *inputs, opset=opset, reduction=reduction)) == tally.as_dict()
    (expected,) = computed("ScatterND", [data, index, updates], opset, reduction=reduction)
    np.testing.assert_allclose(output.astype(float), expected, rtol=1e-4)


@checks("ScatterElements")
@settings(max_examples=200, deadline=None)
@given(indices, st.sampled_from(sorted(REDUCTIONS)), st.integers(18, 28), seeds)
def test_scattered_elements(places, reduction, opset, rng):
    data, updates = rng.uniform(1, 2, 3).astype(np.float32), rng.uniform(1, 2, len(places)).astype(np.float32)
    tally = Tally()
    output = tally.tensor(data)
    for place, update in zip(places, updates, strict=True):
        output[place] = REDUCTIONS[reduction](output[place], tally.number(update))
    inputs = [ts(3), ts(len(places), dtype=DType.INT64), ts(len(places))]
    assert counts(make_call("ScatterElements", *inputs, opset=opset, reduction=reduction)) == tally.as_dict()
    (expected,) = computed("ScatterElements", [data, np.array(places, np.int64), updates], opset, reduction=reduction)
    np.testing.assert_allclose(output.astype(float), expected, rtol=1e-4)


def test_an_unknown_reduction_is_an_error():
    call = make_call("ScatterND", FLOATS, ts(1, 1, dtype=DType.INT64), ts(1, 3))
    with pytest.raises(NodeError, match="reduction to be one of none, add, mul, max, min, it is 'mean'"):
        counts(replace(call, attributes={"reduction": "mean"}))


@pytest.mark.parametrize("op_type", ["ScatterElements", "ScatterND"])
@pytest.mark.parametrize("reduction", ["max", "min"])
def test_a_scatter_knows_no_maximum_before_opset_18(op_type, reduction):
    call = make_call(op_type, FLOATS, ts(1, 1, dtype=DType.INT64), ts(*(1, 1) if "E" in op_type else (1, 3)), opset=16)
    with pytest.raises(NodeError, match=f"reduction to be one of none, add, mul, it is '{reduction}'"):
        counts(replace(call, attributes={"reduction": reduction}))


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.data(), shapes, st.sampled_from(opsets("Compress", first=9)))
def test_compress_keeps_as_many_slices_as_are_true(data, shape, opset):
    axis = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    length = np.prod(shape) if axis is None else shape[axis]
    condition = np.array(data.draw(st.lists(st.booleans(), min_size=1, max_size=int(length))))
    given_axis = {} if axis is None else {"axis": axis}
    (real,) = computed("Compress", [np.zeros(shape, np.float32), condition], opset, **given_axis)
    assert make_call("Compress", ts(*shape), condition, opset=opset, **given_axis).outputs == (ts(*real.shape),)


def test_compress_by_what_only_the_run_knows_keeps_the_other_axes():
    condition = ts(3, dtype=DType.BOOL)
    assert make_call("Compress", ts(3, 4), condition, axis=0).outputs[0].shape == (None, 4)
    assert make_call("Compress", ts(3, 4), condition).outputs[0].shape == (None,)


@settings(max_examples=200, deadline=None)
@given(st.data(), shapes, st.integers(1, 5), st.sampled_from([np.int64, np.int32, np.float32]))
def test_one_hot_has_an_axis_of_the_depth(data, shape, depth, dtype):
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    indices, values = np.zeros(shape, np.int64), np.array([0, 1], np.float16)
    (real,) = computed("OneHot", [indices, np.array(depth, dtype), values], 11, axis=axis)
    found = make_call("OneHot", ts(*shape, dtype=DType.INT64), np.array(depth, dtype), values, opset=11, axis=axis)
    assert found.outputs == (ts(*real.shape, dtype=DType.FLOAT16),)


def test_one_hot_of_a_depth_that_only_the_run_knows_keeps_the_other_axes():
    depth, values = ts(dtype=DType.INT64), ts(2)
    assert make_call("OneHot", ts(3, 4, dtype=DType.INT64), depth, values, axis=1).outputs[0].shape == (3, None, 4)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=3), st.data())
@settings(max_examples=200, deadline=None)
def test_a_cropped_centre_has_the_shape_that_onnx_computes(dims, data):
    axes = data.draw(st.permutations(range(len(dims))))[: data.draw(st.integers(1, len(dims)))]
    wanted = np.array([data.draw(st.integers(1, 6)) for _ in axes], np.int64)
    y = computed("CenterCropPad", [np.zeros(dims, np.float32), wanted], 18, axes=axes)[0]
    call = make_call("CenterCropPad", ts(*dims), wanted, axes=axes)
    assert call.outputs == (ts(*y.shape),)
    kept = math.prod(min(pair) for pair in zip(dims, y.shape, strict=True))
    assert registry.of(call).traffic(call) == (4 * kept + 8 * len(axes), y.nbytes)
    unknown = make_call("CenterCropPad", ts(*dims), ts(len(axes), dtype=DType.INT64), axes=axes)
    assert unknown.outputs[0].shape == tuple(None if axis in axes else size for axis, size in enumerate(dims))


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes"),
    [
        ("Compress", [ts(3), np.array([True])], {"axis": 1}),
        ("Compress", [ts(3, 2), np.array([True] * 4)], {"axis": 0}),
        ("Compress", [ts(3, 2), ts(7, dtype=DType.BOOL)], {}),
        ("OneHot", [ts(3), np.array(4), ts(3)], {}),
        ("OneHot", [ts(), np.array(4), ts(2)], {}),
        ("OneHot", [ts(3), np.array(4), ts(2)], {"axis": 2}),
        ("OneHot", [ts(3), np.array([4, 5]), ts(2)], {}),
        ("OneHot", [ts(3), np.array(-1), ts(2)], {}),
        ("OneHot", [ts(3), np.array(np.nan, np.float32), ts(2)], {}),
        ("CenterCropPad", [ts(3, 3), np.array([2])], {}),
    ],
)
def test_what_breaks_the_specification_has_no_type(op_type, inputs, attributes):
    with pytest.raises(NodeError):
        make_call(op_type, *inputs, **attributes)
