"""Linear attention against loops over tokens."""

from __future__ import annotations

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import linear_attention as loops
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed

from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MS = "com.microsoft"
SIZES = st.integers(1, 3)
UPDATES = ("linear", "gated", "delta", "gated_delta")


def type_of(one):
    return None if one is None else TensorType(DType(str(one.dtype)), one.shape)


@st.composite
def cases(draw):
    """Draw (query, key, value, past, decay, beta) as plain arrays, or None, and the attributes."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    batch, tokens, heads, group, k_size, v_size = (draw(SIZES) for _ in range(6))
    rule = draw(st.sampled_from(UPDATES))

    def tensor(*shape):
        return rng.uniform(-1, 1, shape).astype(np.float32)

    query, key, value = (
        tensor(batch, tokens, width) for width in (heads * group * k_size, heads * k_size, heads * v_size)
    )
    past = tensor(batch, heads, k_size, v_size) if draw(st.booleans()) else None
    decay = tensor(batch, tokens, heads * draw(st.sampled_from([1, k_size]))) if "gated" in rule else None
    beta = tensor(batch, tokens, draw(st.sampled_from([1, heads]))) if "delta" in rule else None
    said = {"q_num_heads": heads * group, "kv_num_heads": heads, "update_rule": rule}
    return [query, key, value, past, decay, beta], said | {"scale": draw(st.sampled_from([0.0, 0.5, 1.0]))}


def looped(tally, inputs, said):
    """Return the output and the present state, sequence by sequence."""
    query, key, value, past, decay, beta = (None if one is None else tally.tensor(one) for one in inputs)
    heads, readers = said["kv_num_heads"], said["q_num_heads"]
    outputs, states = [], []
    for b in range(query.shape[0]):
        tokens = query.shape[1]
        k, v = key[b].reshape(tokens, heads, -1), value[b].reshape(tokens, heads, -1)
        state = tally.tensor(np.zeros((heads, k.shape[2], v.shape[2]))) if past is None else past[b]
        made, last = loops.recurrence(
            tally,
            *(query[b].reshape(tokens, readers, -1), k, v, state),
            decay=None if decay is None else decay[b].reshape(tokens, heads, -1),
            beta=None if beta is None else beta[b],
            scale=said["scale"],
        )
        outputs.append(made.reshape(tokens, -1))
        states.append(last)
    return np.stack(outputs), np.stack(states)


@checks("LinearAttention")
@checks("LinearAttention", domain=MS)
@settings(max_examples=250, deadline=None)
@given(cases())
def test_linear_attention_counts_what_the_loop_does(drawn):
    inputs, said = drawn
    tally = Tally()
    output, state = looped(tally, inputs, said)
    for domain in ("", MS):
        call = make_call("LinearAttention", *map(type_of, inputs), opset=27, domain=domain, outputs=2, **said)
        assert counts(call) == tally.as_dict()
        assert [one.dims for one in call.outputs] == [output.shape, state.shape]
    expected = computed("LinearAttention", inputs, 27, outputs=2, **said)
    np.testing.assert_allclose(values(output), expected[0], atol=1e-4)
    np.testing.assert_allclose(values(state), expected[1], atol=1e-4)


def test_a_query_may_be_shared_by_several_states():
    tally, said = Tally(), {"q_num_heads": 1, "kv_num_heads": 3, "update_rule": "delta", "scale": 0.5}
    shapes = [(1, 2, 4), (1, 2, 12), (1, 2, 6), None, None, (1, 2, 3)]
    inputs = [None if shape is None else np.ones(shape, np.float32) for shape in shapes]
    output, _ = looped(tally, inputs, said)
    call = make_call("LinearAttention", *map(type_of, inputs), domain=MS, outputs=2, **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*output.shape), ts(1, 3, 4, 2))


def test_of_a_window_of_states_only_the_last_is_read():
    inputs = [ts(1, 2, 4), ts(1, 2, 4), ts(1, 2, 6), ts(5, 1, 1, 4, 6)]
    said = {"q_num_heads": 1, "kv_num_heads": 1, "update_rule": "linear", "state_window": 5}
    call = make_call("LinearAttention", *inputs, domain=MS, outputs=2, **said)
    assert call.outputs[1] == ts(5, 1, 1, 4, 6)
    assert registry.traffic(call) == ((8 + 8 + 12 + 24) * 4, (12 + 5 * 24) * 4)


@pytest.mark.parametrize(
    ("inputs", "said", "message"),
    [
        ([ts(1, 2, 4), ts(1, 2, 6), ts(1, 2, 6)], {}, r"wants key of shape \(1, 2, 4\), it is \(1, 2, 6\)"),
        ([ts(1, 2, 4), ts(1, 2, 4), ts(1, 3, 6)], {}, "wants value of shape"),
        ([ts(1, 2, 5), ts(1, 2, 4), ts(1, 2, 6)], {"q_num_heads": 2}, "wants query to have a multiple of 2"),
        ([ts(2, 4), ts(1, 2, 4), ts(1, 2, 6)], {}, "wants query of rank 3, it is of rank 2"),
        ([ts(1, 2, 4)] * 3, {"update_rule": "none"}, "wants update_rule to be one of linear, gated, delta"),
    ],
)
def test_what_does_not_fit_is_named(inputs, said, message):
    with pytest.raises(NodeError, match=message):
        terms(make_call("LinearAttention", *inputs, domain=MS, **({"q_num_heads": 1, "kv_num_heads": 1} | said)))


@checks("LinearAttentionGate", domain=MS)
@settings(max_examples=200, deadline=None)
@given(SIZES, SIZES, SIZES, st.booleans())
def test_a_gate_counts_what_the_loop_does(batch, tokens, heads, has_b):
    tally = Tally()
    a, b, bias, factor = (tally.some(*shape) for shape in [(batch, tokens, heads)] * 2 + [(heads,)] * 2)
    for place in np.ndindex(a.shape):
        made = factor[place[-1]] * loops.softplus(a[place] + bias[place[-1]])
        x = float(a[place]) + float(bias[place[-1]])
        assert float(made) == pytest.approx(float(factor[place[-1]]) * np.log1p(np.exp(x)))
        if has_b:
            assert float(loops.sigmoid(b[place])) == pytest.approx(1 / (1 + np.exp(-float(b[place]))))
    inputs = [ts(*a.shape), ts(heads), ts(heads), ts(*b.shape) if has_b else None]
    call = make_call("LinearAttentionGate", *inputs, domain=MS, outputs=1 + has_b)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*a.shape),) * (1 + has_b)


@st.composite
def nets(draw):
    """Draw sizes, attributes, and whether q, k and v stand side by side."""
    sizes = {name: draw(SIZES) for name in ("batch", "length", "heads", "group", "k_size", "v_size")}
    said = {
        "update_rule": draw(st.sampled_from(UPDATES)),
        "qk_l2_norm": draw(st.integers(0, 1)),
        "gate_activation": draw(st.sampled_from(["none", "qwen"])),
        "beta_activation": draw(st.sampled_from(["none", "sigmoid"])),
        "scale": draw(st.sampled_from([0.0, 0.5])),
    }
    return sizes, said, draw(st.booleans()), draw(st.booleans())


@checks("GatedDeltaNet", domain=MS)
@settings(max_examples=200, deadline=None)
@given(nets())
def test_a_gated_delta_net_counts_what_the_loop_does(drawn):
    sizes, said, is_packed, per_element = drawn
    batch, length, heads, group, k_size, v_size = sizes.values()
    tally, v_heads, tokens, rule = Tally(), heads * group, batch * length, said["update_rule"]
    decays = (tokens, v_heads, k_size) if per_element else (tokens, v_heads)
    q, k, v = tally.some(tokens, heads, k_size), tally.some(tokens, heads, k_size), tally.some(tokens, v_heads, v_size)
    if said["qk_l2_norm"]:
        q, k = (np.array([[loops.unit(one) for one in token] for token in part], dtype=object) for part in (q, k))
    decay, beta = tally.some(*decays), tally.some(tokens, v_heads)
    if "gated" in rule and said["gate_activation"] == "qwen":
        rates, bias = [-one.exp() for one in tally.some(v_heads)], tally.some(v_heads)
        for place in np.ndindex(decay.shape):
            decay[place] = rates[place[1]] * loops.softplus(decay[place] + bias[place[1]])
    if "delta" in rule and said["beta_activation"] == "sigmoid":
        beta = np.array([[loops.sigmoid(one) for one in token] for token in beta], dtype=object)
    for b in range(batch):
        own = slice(b * length, (b + 1) * length)
        loops.recurrence(
            tally,
            *(q[own], np.repeat(k[own], group, axis=1), v[own], tally.some(v_heads, k_size, v_size)),
            decay=decay[own].reshape(length, v_heads, -1) if "gated" in rule else None,
            beta=beta[own] if "delta" in rule else None,
            scale=said["scale"],
        )
    inputs = [ts(tokens, heads, k_size), ts(tokens, heads, k_size), ts(tokens, v_heads, v_size)]
    if is_packed:
        inputs = [ts(tokens, 2 * heads * k_size + v_heads * v_size), None, None]
    inputs += [None, ts(*decays), ts(tokens, v_heads), ts(batch, v_heads, v_size, k_size), ts(v_heads), ts(v_heads)]
    call = make_call("GatedDeltaNet", *inputs, domain=MS, outputs=2, **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(tokens, v_heads, v_size), ts(batch, v_heads, v_size, k_size))


def test_a_gated_delta_net_tells_its_sequences_by_their_ends():
    inputs = [ts(7, 2, 4), ts(7, 2, 4), ts(7, 4, 3), ts(4, dtype=DType.INT32)]
    call = make_call("GatedDeltaNet", *inputs, domain=MS, outputs=3, update_rule="linear", state_update_capacity=2)
    assert [one.dims for one in call.outputs] == [(7, 4, 3), (3, 4, 3, 4), (3, 2 * (4 + 2 * 4 + 4 * 3))]
    assert counts(call)[Arith.MAC] == 2 * 7 * 4 * 4 * 3
