"""Fourier transforms against transforms over counting numbers, and against numpy's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import fourier
from oracles.checked import checks
from oracles.counting import Tally
from oracles.reference import computed, opsets

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MICROSOFT = "com.microsoft"
seeds = st.integers(0, 999).map(np.random.default_rng)


def as_complex(x):
    """Return the complex numbers of an array whose last axis holds their parts."""
    return x[..., 0] + 1j * x[..., 1] if x.shape[-1] == 2 else x[..., 0]


def as_parts(x):
    """Return an array whose last axis holds the parts of complex numbers, or the one of real ones."""
    return np.stack([x.real, x.imag], axis=-1) if np.iscomplexobj(x) else x[..., np.newaxis]


def rows(x, axis):
    """Return the samples of each transform along an axis, each a list of its parts."""
    moved = np.moveaxis(x, axis, -2)
    return [[list(sample) for sample in row] for row in moved.reshape(-1, *moved.shape[-2:])]


# DFT


@st.composite
def transforms(draw):
    """Draw an opset, a signal's shape, an axis, a length, and the flags."""
    opset = draw(st.sampled_from(opsets("DFT")))
    inverse, onesided = draw(st.booleans()), draw(st.booleans())
    parts = (2 if inverse else 1) if onesided else draw(st.integers(1, 2))
    dims = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))
    place = draw(st.integers(0, len(dims)))
    dims.insert(place, draw(st.integers(2, 9)))
    length = draw(st.integers(1, 9) | st.none())
    return opset, (*dims, parts), place, length, {"inverse": int(inverse), "onesided": int(onesided)}


def expected_dft(x, axis, length, inverse, onesided):
    x, axis = as_complex(x), axis - x.ndim + 1
    if onesided:
        return as_parts(np.fft.irfft(x, length, axis) if inverse else np.fft.rfft(x, length, axis))
    found = np.fft.ifft(x, length, axis) if inverse else np.fft.fft(x, length, axis)
    return as_parts(found)


def looped_dft(tally, x, axis, length, inverse, onesided):
    if length is None:
        length = 2 * (x.shape[axis] - 1) if inverse and onesided else x.shape[axis]
    is_real = bool(inverse and onesided)
    found = []
    for samples in rows(tally.tensor(x), axis):
        ready = fourier.mirrored(tally, samples, length) if is_real else fourier.fitted(tally, samples, length)
        kept = length // 2 + 1 if onesided and not inverse else length
        found.append(fourier.transform(tally, ready, inverse=bool(inverse), kept=kept, is_real_result=is_real))
    shape = np.moveaxis(x, axis, -2).shape
    stacked = np.array(found, object).reshape(*shape[:-2], -1, 1 if is_real else 2)
    return np.moveaxis(stacked, -2, axis)


@checks("DFT")
@settings(max_examples=300, deadline=None)
@given(drawn=transforms(), rng=seeds)
def test_dft(drawn, rng):
    opset, shape, axis, length, flags = drawn
    x = rng.uniform(-1, 1, shape)
    tally = Tally()
    looped = looped_dft(tally, x, axis, length, **flags)
    given_length = None if length is None else np.array(length)
    inputs = [ts(*shape, dtype=DType.FLOAT64), given_length]
    call = (
        make_call("DFT", *inputs, opset=opset, axis=axis, **flags)
        if opset < 20
        else make_call("DFT", *inputs, np.array(axis - len(shape)), opset=opset, **flags)
    )
    assert counts(call) == tally.as_dict()
    expected = expected_dft(x, axis, length, **flags)
    assert call.outputs == (ts(*expected.shape, dtype=DType.FLOAT64),)
    np.testing.assert_allclose(looped.astype(float), expected, atol=1e-9)


def test_the_reference_transforms_as_numpy_does():
    x = np.random.default_rng(0).uniform(-1, 1, (2, 6, 1)).astype(np.float32)
    (found,) = computed("DFT", [x], 17, axis=1, onesided=1)
    np.testing.assert_allclose(found, expected_dft(x, 1, None, inverse=0, onesided=1), atol=1e-5)


def test_a_length_of_a_power_of_two_takes_the_fast_way():
    fast = counts(make_call("DFT", ts(1, 1024, 1)))
    assert fast == {Arith.MUL: 4 * 5120, Arith.ADD: 6 * 5120}
    assert sum(fast.values()) == 5 * 1024 * 10  # 5 N log2 N


def test_the_default_axis_is_the_first_after_the_batch_and_from_opset_20_the_last():
    assert make_call("DFT", ts(2, 8, 3, 1), opset=17, onesided=1).outputs == (ts(2, 5, 3, 2),)
    assert counts(make_call("DFT", ts(2, 8, 3, 1), opset=17)) == counts(make_call("DFT", ts(2, 3, 8, 1), opset=20))


WRONG = {
    "wants a last axis of 1 or 2, real or complex, it is 3": (ts(2, 8, 3), None),
    "wants a transform of length 1 or more, it is 0": (ts(2, 8, 1), np.array(0)),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_signal_that_cannot_be_transformed_is_an_error(message):
    x, length = WRONG[message]
    call = make_call("DFT", ts(2, 8, 1), np.array(8), opset=17)
    with pytest.raises(NodeError, match=message):
        terms(
            replace(call, inputs=(x, *call.inputs[1:]), constants=(None, length if length is not None else np.array(8)))
        )


def test_the_axis_of_the_parts_is_none_to_transform_along():
    call = make_call("DFT", ts(2, 8, 1), opset=17)
    with pytest.raises(NodeError, match="wants an axis before the last, it is 2 of 3"):
        terms(replace(call, attributes={"axis": 2}))


def test_a_length_that_is_not_known_is_unknown():
    with pytest.raises(UnknownShapeError):
        terms(make_call("DFT", ts(2, 8, 1), ts(dtype=DType.INT64)))


# STFT


@checks("STFT")
@settings(max_examples=300, deadline=None)
@given(data=st.data(), rng=seeds)
def test_stft(data, rng):
    opset = data.draw(st.sampled_from(opsets("STFT")))
    batch, parts, length = data.draw(st.integers(1, 2)), data.draw(st.integers(0, 2)), data.draw(st.integers(1, 9))
    samples, step = length + data.draw(st.integers(0, 6)), data.draw(st.integers(1, 4))
    has_window, tells_length = data.draw(st.booleans()), data.draw(st.booleans())
    onesided = int(parts < 2 and data.draw(st.booleans()))
    length = length if has_window or tells_length else samples
    x = rng.uniform(-1, 1, (batch, samples, *([parts] if parts else [])))
    window = rng.uniform(0, 1, length) if has_window else None
    tally = Tally()
    weights = tally.tensor(window) if has_window else None
    spectra = [
        fourier.frames(tally, list(one), step, length, weights, onesided=onesided)
        for one in tally.tensor(x.reshape(batch, samples, -1))
    ]
    looped = np.array(spectra, object).astype(float)
    inputs = [ts(*x.shape), np.array(step), ts(length) if has_window else None]
    inputs += [np.array(length)] if tells_length else []
    call = make_call("STFT", *inputs, opset=opset, onesided=onesided)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*looped.shape),)
    cut = np.lib.stride_tricks.sliding_window_view(as_complex(x.reshape(batch, samples, -1)), length, axis=1)[:, ::step]
    framed = cut * (1 if window is None else window)
    expected = as_parts(np.fft.rfft(framed) if onesided else np.fft.fft(framed).astype(complex))
    np.testing.assert_allclose(looped, expected, atol=1e-9)


def test_the_reference_cuts_the_same_frames():
    x = np.random.default_rng(0).uniform(-1, 1, (1, 12, 1)).astype(np.float32)
    window = np.hanning(5).astype(np.float32)
    (found,) = computed("STFT", [x, np.array(3), window], 17)
    spectra = fourier.frames(Tally(), list(Tally().tensor(x[0])), 3, 5, window)
    np.testing.assert_allclose(found[0], np.array(spectra, object).astype(float), atol=1e-5)


def test_half_of_the_spectrum_of_16_samples_is_9_bins():
    call = make_call("STFT", ts(1, 64, 1), np.array(8), ts(16), opset=17)
    assert call.outputs == (ts(1, 7, 9, 2),)


def test_frames_that_are_not_known_leave_the_rest_known():
    step = make_call("STFT", ts(1, 64, 1), ts(dtype=DType.INT64), ts(16), opset=17)
    assert step.outputs == (TensorType(DType.FLOAT32, (1, None, 9, 2)),)
    length = make_call("STFT", ts(1, 64, 1), np.array(8), None, ts(dtype=DType.INT64), opset=17)
    assert length.outputs == (TensorType(DType.FLOAT32, (1, None, None, 2)),)
    with pytest.raises(UnknownShapeError, match="length of a frame"):
        terms(replace(length, outputs=(ts(1, 7, 9, 2),)))


def test_a_frame_longer_than_the_signal_is_an_error():
    with pytest.raises(NodeError, match="a frame from 1 to 8 long, they are 8, 16"):
        make_call("STFT", ts(1, 8, 1), np.array(8), ts(16), opset=17)


def test_a_window_of_another_length_than_the_frame_is_an_error():
    with pytest.raises(NodeError, match="wants a window as long as a frame, 4, it is 6 long"):
        make_call("STFT", ts(1, 8, 1), np.array(2), ts(6), np.array(4), opset=17)


def test_a_signal_of_another_rank_is_an_error():
    with pytest.raises(NodeError, match=r"wants a signal of shape \(batch, samples, 1 or 2\)"):
        make_call("STFT", ts(64), np.array(8), ts(16), opset=17)


# onnxruntime's own


@checks("Rfft", domain=MICROSOFT)
@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=2), st.integers(1, 10), seeds)
def test_rfft(batch, length, rng):
    x = rng.uniform(-1, 1, (*batch, length))
    tally = Tally()
    found = [
        fourier.transform(tally, samples, kept=length // 2 + 1)
        for samples in rows(tally.tensor(x)[..., np.newaxis], -2)
    ]
    call = make_call("Rfft", ts(*x.shape), domain=MICROSOFT, signal_ndim=1)
    assert counts(call) == tally.as_dict()
    expected = as_parts(np.fft.rfft(x))
    assert call.outputs == (ts(*expected.shape),)
    np.testing.assert_allclose(np.array(found, object).astype(float).reshape(expected.shape), expected, atol=1e-9)


@checks("Irfft", domain=MICROSOFT)
@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=2), st.integers(2, 7), seeds)
def test_irfft(batch, bins, rng):
    x, length = rng.uniform(-1, 1, (*batch, bins, 2)), 2 * (bins - 1)
    tally = Tally()
    found = [
        fourier.transform(tally, fourier.mirrored(tally, half, length), inverse=True, is_real_result=True)
        for half in rows(tally.tensor(x), -2)
    ]
    call = make_call("Irfft", ts(*x.shape), domain=MICROSOFT, signal_ndim=1)
    assert counts(call) == tally.as_dict()
    expected = np.fft.irfft(as_complex(x))
    assert call.outputs == (ts(*expected.shape),)
    np.testing.assert_allclose(np.array(found, object).astype(float).reshape(expected.shape), expected, atol=1e-9)


@pytest.mark.parametrize(("op_type", "shape"), [("Rfft", ()), ("Irfft", (2,))])
def test_signals_of_too_low_a_rank_are_an_error(op_type, shape):
    with pytest.raises(NodeError, match=r"wants X of rank . or more, it is of rank"):
        terms(make_call(op_type, ts(*shape), domain=MICROSOFT))


def test_what_no_kernel_supports_is_an_error():
    with pytest.raises(NodeError, match="wants normalized to be 0, it is 1"):
        terms(make_call("Rfft", ts(2, 8), domain=MICROSOFT, normalized=1))


@checks("ComplexMul", "ComplexMulConj", domain=MICROSOFT)
@pytest.mark.parametrize("op_type", ["ComplexMul", "ComplexMulConj"])
@settings(max_examples=200, deadline=None)
@given(data=st.data(), rng=seeds)
def test_complex_products(op_type, data, rng):
    dims = data.draw(st.lists(st.integers(1, 3), max_size=2))
    a, b = (rng.uniform(-1, 1, [*(1 if data.draw(st.booleans()) else one for one in dims), 2]) for _ in "ab")
    expected = as_complex(a) * (as_complex(b).conj() if op_type.endswith("Conj") else as_complex(b))
    tally = Tally()
    wide = [np.broadcast_to(tally.tensor(one), (*expected.shape, 2)).reshape(-1, 2) for one in (a, b)]
    found = [fourier.complex_product(x, y, conjugate=op_type.endswith("Conj")) for x, y in zip(*wide, strict=True)]
    call = make_call(op_type, ts(*a.shape), ts(*b.shape), domain=MICROSOFT)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*expected.shape, 2),)
    np.testing.assert_allclose(np.array(found, object).astype(float), as_parts(expected).reshape(-1, 2), atol=1e-9)


@pytest.mark.parametrize("op_type", ["DFT", "STFT"])
def test_every_opset_has_a_rule(op_type):
    assert all(registry.find(op_type, "", opset) for opset in opsets(op_type))
