"""What comes out of onnxruntime's own operators that only move elements, against numpy; and what they move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import make_call, ts
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.types import DType, TensorType

MICROSOFT = "com.microsoft"
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3)
FREE = ("ExpandDims", "GatherND", "Pad", "SampleOp", "TorchEmbedding", "Trilu")


def call_of(op_type, *inputs, **attributes):
    return make_call(op_type, *inputs, domain=MICROSOFT, opset=1, **attributes)


def type_of(array):
    return (ts(*array.shape, dtype=DType(array.dtype.name)),)


@settings(max_examples=200, deadline=None)
@given(shapes, st.data())
def test_expand_dims(shape, data):
    x = np.zeros(shape, np.float32)
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    assert call_of("ExpandDims", ts(*shape), np.array(axis)).outputs == type_of(np.expand_dims(x, axis))


@settings(max_examples=200, deadline=None)
@given(shapes, st.booleans(), st.data())
def test_pad(shape, is_matrix, data):
    pads = [data.draw(st.integers(-1, 2)) if size > 2 else data.draw(st.integers(0, 2)) for size in (*shape, *shape)]
    grown = np.pad(np.zeros(shape, np.float32), [(max(a, 0), max(b, 0)) for a, b in pairs(pads)])
    cut = grown[
        tuple(slice(max(-a, 0), size - max(-b, 0)) for (a, b), size in zip(pairs(pads), grown.shape, strict=True))
    ]
    given_pads = np.array(pads).reshape(1, -1) if is_matrix else np.array(pads)
    assert call_of("Pad", ts(*shape), given_pads).outputs == type_of(cut)


def pairs(pads):
    return list(zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True))


@settings(max_examples=200, deadline=None)
@given(shapes, st.lists(st.integers(0, 3), max_size=2), st.data())
def test_gather_nd(shape, batch, data):
    x, length = np.zeros(shape, np.float32), data.draw(st.integers(1, len(shape)))
    indices = np.zeros((*batch, length), np.int64)
    gathered = x[tuple(np.moveaxis(indices, -1, 0))]
    assert call_of("GatherND", ts(*shape), ts(*indices.shape, dtype=DType.INT64)).outputs == type_of(gathered)


@settings(max_examples=200, deadline=None)
@given(shapes)
def test_torch_embedding(shape):
    rows = np.zeros((7, 5), np.float32)[np.zeros(shape, np.int64)]
    assert call_of("TorchEmbedding", ts(7, 5), ts(*shape, dtype=DType.INT64)).outputs == type_of(rows)


@pytest.mark.parametrize("op_type", ["Trilu", "SampleOp"])
def test_what_keeps_its_type(op_type):
    assert call_of(op_type, ts(2, 3)).outputs == (ts(2, 3),)


@pytest.mark.parametrize("op_type", FREE)
def test_each_is_free(op_type):
    entry = registry.find(op_type, MICROSOFT, 1)
    assert entry.is_free
    assert entry.doc.endswith(".")


def test_only_rows_that_are_named_are_read():
    call = call_of("TorchEmbedding", ts(1000, 5), ts(3, dtype=DType.INT64))
    assert registry.of(call).traffic(call) == (3 * 5 * 4 + 3 * 8, 3 * 5 * 4)


UNKNOWN_SIZES = {
    "ExpandDims": ([ts(2, 3), ts(dtype=DType.INT32)], {}, (None, None, None)),
    "GatherND": ([ts(2, 3), TensorType(DType.INT64, (4, None))], {}, None),
    "Pad": ([ts(2, 3), ts(4, dtype=DType.INT64)], {}, (None, None)),
}


@pytest.mark.parametrize("op_type", UNKNOWN_SIZES)
def test_what_is_not_known_stays_so(op_type):
    inputs, attributes, expected = UNKNOWN_SIZES[op_type]
    whole = [ts(*(3 if dim is None else dim for dim in one.shape), dtype=one.dtype) for one in inputs]
    known = replace(call_of("SampleOp", ts(2)), op_type=op_type, schema=registry.signature_of(op_type, MICROSOFT))
    call = replace(known, inputs=tuple(inputs), constants=(None,) * len(whole), attributes=attributes)
    assert list(registry.types_of(op_type, MICROSOFT)(call)) == [TensorType(DType.FLOAT32, expected)]


WRONG = {
    "wants indices of at most 2 numbers, they have 3": ("GatherND", [ts(2, 3), ts(4, 3, dtype=DType.INT64)], {}),
    "wants 4 pads, has 6": ("Pad", [ts(2, 3), np.zeros(6, np.int64)], {}),
    "wants an axis from -3 to 2, it is 5": ("ExpandDims", [ts(2, 3), np.array(5)], {}),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_does_not_fit_is_an_error(message):
    op_type, inputs, attributes = WRONG[message]
    with pytest.raises(NodeError, match=message):
        call_of(op_type, *inputs, **attributes)


@given(st.lists(st.integers(2, 5), min_size=1, max_size=3), st.data())
@settings(max_examples=200, deadline=None)
def test_unfolded_slices_are_those_of_a_sliding_window(dims, data):
    dim, step = data.draw(st.integers(-len(dims), len(dims) - 1)), data.draw(st.integers(1, 3))
    size = data.draw(st.integers(1, dims[dim]))
    windows = np.lib.stride_tricks.sliding_window_view(np.zeros(dims), size, axis=dim)
    expected = windows.take(range(0, windows.shape[dim % len(dims)], step), axis=dim % len(dims)).shape
    call = make_call("UnfoldTensor", ts(*dims), domain=MICROSOFT, opset=1, dim=dim, size=size, step=step)
    assert call.outputs == (ts(*expected),)


@pytest.mark.parametrize(("size", "step"), [(5, 1), (0, 1), (2, 0)])
def test_a_slice_that_does_not_fit_has_no_type(size, step):
    with pytest.raises(NodeError, match="wants slices of 1 to 4 elements"):
        make_call("UnfoldTensor", ts(4), domain=MICROSOFT, opset=1, size=size, step=step)
