"""The LSTM on quantized numbers against a loop that counts, and against onnxruntime's kernel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import kernels, quantized_cells
from oracles.checked import checks
from oracles.counting import Tally, values

from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MICROSOFT = "com.microsoft"
flags = st.booleans()
sizes = st.integers(1, 3)
NAMES = [
    *("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"),
    *("W_scale", "W_zero_point", "R_scale", "R_zero_point"),
]
COUNTING = {"X", "W", "R", "B", "initial_h", "initial_c", "P"}


@st.composite
def layers(draw):
    """Arrays by name, and the attributes."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    direction = draw(st.sampled_from(("forward", "reverse", "bidirectional")))
    steps, batch, inputs, hidden = (draw(sizes) for _ in range(4))
    directions, dtype = 1 + (direction == "bidirectional"), draw(st.sampled_from((np.uint8, np.int8)))
    info, state = np.iinfo(dtype), (directions, batch, hidden)

    def real(*shape):
        return rng.uniform(-1, 1, shape).astype(np.float32)

    def weights(rows):
        size = (directions, 4 * hidden) if draw(flags) else (directions,)
        scale = rng.uniform(0.005, 0.01, size).astype(np.float32)
        q = rng.integers(info.min, info.max + 1, (directions, rows, 4 * hidden)).astype(dtype)
        return q, scale, np.full(size, 0 if dtype is np.int8 else 3, dtype)

    found = {"X": real(steps, batch, inputs)}
    for name, rows in (("W", inputs), ("R", hidden)):
        found[name], found[f"{name}_scale"], found[f"{name}_zero_point"] = weights(rows)
    optional = {"B": (directions, 8 * hidden), "initial_h": state, "initial_c": state, "P": (directions, 3 * hidden)}
    found |= {name: real(*shape) for name, shape in optional.items() if draw(flags)}
    return found, {"direction": direction, "hidden_size": hidden}


WEIGHTS = {"W", "R", "W_zero_point", "R_zero_point"}


def called(found, said, outputs=3, known=frozenset()):
    types = {name: TensorType(DType(one.dtype.name), one.shape) for name, one in found.items()}
    types |= {name: found[name] for name in known}
    return make_call("DynamicQuantizeLSTM", *map(types.get, NAMES), outputs=outputs, domain=MICROSOFT, **said)


def looped(tally, found, said, known=frozenset()):
    numbers = {name: tally.tensor(one) if name in COUNTING - known else one for name, one in found.items()}
    numbers |= {name: found[name].astype(float) for name in known}
    return quantized_cells.lstm(tally, numbers, said)


@checks("DynamicQuantizeLSTM", domain=MICROSOFT)
@settings(max_examples=200, deadline=None)
@given(layers(), flags, flags, st.sampled_from((frozenset(), WEIGHTS)))
def test_the_rule_counts_what_the_loop_does(case, coupled, clips, known):
    found, said = case
    said = said | ({"input_forget": 1} if coupled else {}) | ({"clip": 0.5} if clips else {})
    tally = Tally()
    y = looped(tally, found, said, known)
    call = called(found, said, known=known)
    assert counts(call) == tally.as_dict()
    state = ts(y.shape[1], *y.shape[2:])
    assert call.outputs == (ts(*y.shape), state, state)


@settings(max_examples=40, deadline=None)
@given(layers())
def test_the_loop_computes_the_operator(case):
    found, said = case
    y = looped(Tally(), found, said)
    expected = kernels.computed("DynamicQuantizeLSTM", [found.get(name) for name in NAMES], 3, **said)
    np.testing.assert_allclose(values(y), expected[0], atol=0.02)
    assert [one.shape for one in expected] == [one.dims for one in called(found, said).outputs]


PLAIN = {
    "X": np.zeros((5, 2, 3), np.float32),
    "W": np.zeros((1, 3, 16), np.int8),
    "R": np.zeros((1, 4, 16), np.int8),
    "W_scale": np.zeros(1, np.float32),
    "W_zero_point": np.zeros(1, np.int8),
    "R_scale": np.zeros(1, np.float32),
    "R_zero_point": np.zeros(1, np.int8),
}


def test_products_are_of_bytes_and_all_else_is_of_floats_or_of_the_weights():
    found = {term.what: term for term in terms(called(PLAIN, {}))}
    assert (found["X*W"].count, found["X*W"].dtype) == (5 * 2 * 4 * 4 * 3, DType.UINT8)
    assert (found["H*R"].count, found["H*R"].dtype) == (5 * 2 * 4 * 4 * 4, DType.UINT8)
    assert found["W - W_zero_point"].dtype is DType.INT8
    assert found["X*W + H*R"].dtype in {None, DType.FLOAT32}


def test_the_sizes_of_a_layer_are_known_without_the_length_of_its_sequences():
    types = {name: TensorType(DType(one.dtype.name), one.shape) for name, one in PLAIN.items()}
    types["X"] = TensorType(DType.FLOAT32, (None, 2, 3))
    call = make_call("DynamicQuantizeLSTM", *map(types.get, NAMES), outputs="Y - Y_c", domain=MICROSOFT)
    assert call.outputs == (TensorType(DType.FLOAT32, (None, 1, 2, 4)), None, ts(1, 2, 4))


def test_scales_and_states_are_no_weights():
    entry = registry.find("DynamicQuantizeLSTM", MICROSOFT, 1)
    assert set(NAMES) - entry.not_weights == {"X", "W", "R", "B", "P"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"W": np.zeros((1, 3, 12), np.int8)}, r"wants W of shape \(1, 16, 3\), it is \(1, 12, 3\)"),
        ({"R": np.zeros((4, 16), np.int8)}, "wants R of rank 3, it is of rank 2"),
        ({"W_scale": np.zeros(2, np.float32)}, r"wants W_scale of shape \(1,\) or \(1, 16\), it is \(2,\)"),
    ],
)
def test_what_breaks_the_specification_is_an_error(wrong, message):
    call = called(PLAIN, {"hidden_size": 4})
    inputs = {name: ts(*one.shape) for name, one in wrong.items()}
    places = [inputs.get(name, one) for name, one in zip(NAMES, call.inputs, strict=True)]
    with pytest.raises(NodeError, match=message):
        terms(replace(call, inputs=tuple(places)))


def test_a_matrix_where_a_sequence_is_wanted_is_an_error():
    with pytest.raises(NodeError, match="wants X of rank 3, it is of rank 2"):
        called(PLAIN | {"X": np.zeros((5, 3), np.float32)}, {})


def test_two_scales_meet_once_per_direction_or_once_per_column():
    per_tensor = counts(called(PLAIN, {}))[Arith.MUL]
    per_column = counts(called(PLAIN | {"W_scale": np.zeros((1, 16), np.float32)}, {}))[Arith.MUL]
    assert per_column - per_tensor == 16 - 1
