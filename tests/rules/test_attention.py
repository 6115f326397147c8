"""Attention of ai.onnx against loops over heads, queries and keys."""

from __future__ import annotations

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import attention as loops
from oracles import backend
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed

from graphcost.call import Call
from graphcost.errors import NodeError
from graphcost.load import schema
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

SIZES = st.integers(1, 3)
FLOAT = DType.FLOAT32


@st.composite
def applications(draw):
    """Draw an opset, the inputs as plain arrays, and the attributes."""
    opset = draw(st.sampled_from([23, 24, 25, 26]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    batch, kv_heads, group, size, v_size, queries, new = (draw(SIZES) for _ in range(7))
    heads, past = kv_heads * group, draw(st.integers(0, 2))
    flat, has_past = draw(st.booleans()), draw(st.booleans())

    def tensor(*shape):
        return rng.uniform(-1, 1, shape).astype(np.float32)

    q, k, v = (
        tensor(batch, heads, queries, size),
        tensor(batch, kv_heads, new, size),
        tensor(batch, kv_heads, new, v_size),
    )
    said = {"is_causal": draw(st.integers(0, 1)), "softcap": draw(st.sampled_from([0.0, 0.5]))}
    if flat:
        q, k, v = map(loops.joined, (q, k, v))
        said |= {"q_num_heads": heads, "kv_num_heads": kv_heads}
    if draw(st.booleans()):
        said["scale"] = draw(st.sampled_from([1.0, 0.25]))
    nonpad = None
    if opset >= 24 and not has_past and draw(st.booleans()):
        nonpad = rng.integers(0, new + 1, batch)
    if opset >= 25:
        said |= {name: draw(st.integers(-1, 2)) for name in ("left_window_size", "right_window_size")}
    total = new + past * has_past
    columns = draw(st.integers(1, total)) if opset >= 24 and nonpad is None else total
    mask = draw(st.sampled_from([None, bool, float]))
    if mask is not None:
        shape = draw(st.sampled_from([(queries, columns), (1, 1, queries, columns), (batch, heads, queries, columns)]))
        mask = rng.integers(0, 2, shape).astype(bool) if mask is bool else tensor(*shape)
    pasts = (tensor(batch, kv_heads, past, size), tensor(batch, kv_heads, past, v_size)) if has_past else (None, None)
    inputs = [q, k, v, mask, *pasts]
    return opset, [*inputs, nonpad] if opset >= 24 else inputs, said


def type_of(one):
    return None if one is None else TensorType(DType(str(one.dtype)), one.shape)


def looped(tally, inputs, said):
    q, k, v, mask, past_key, past_value, *nonpad = inputs
    q, k, v, past_key, past_value = (
        None if one is None else tally.tensor(one) for one in (q, k, v, past_key, past_value)
    )
    return loops.onnx_attention(tally, [q, k, v, mask, past_key, past_value, *(nonpad or [None])], said)


@checks("Attention")
@settings(max_examples=300, deadline=None)
@given(applications())
def test_attention_counts_what_the_loop_does(drawn):
    opset, inputs, said = drawn
    tally = Tally()
    made, present_key, present_value = looped(tally, inputs, said)
    call = make_call("Attention", *map(type_of, inputs), opset=opset, outputs=4, **said)
    assert counts(call) == tally.as_dict()

    y, *expected = computed("Attention", inputs, opset, outputs=4, **said)
    mine = values(loops.joined(made.output) if y.ndim == 3 else made.output)
    np.testing.assert_allclose(mine, y, atol=1e-5)
    np.testing.assert_allclose(values(present_key) / factor(inputs[0], said), expected[0], atol=1e-5)
    np.testing.assert_allclose(values(present_value), expected[1], atol=1e-5)
    assert [one.dims for one in call.outputs] == [one.shape for one in (y, *expected)]

    products = {term.what: term.masked for term in terms(call) if term.arith is Arith.MAC}
    size, v_size = expected[0].shape[3], expected[1].shape[3]
    if len(inputs) < 7 or inputs[6] is None:
        assert products == {"Q*K": made.hidden * size, "P*V": made.hidden * v_size}
    else:
        assert products["Q*K"] <= made.hidden * size
        assert products["P*V"] <= made.hidden * v_size


def factor(q, said):
    """Return what the loop multiplied the keys by."""
    size = q.shape[3] if q.ndim == 4 else q.shape[2] // said["q_num_heads"]
    return np.sqrt(said.get("scale", 1 / np.sqrt(size)))


CASES = {name: case for name, *case in backend.cases("Attention")}
NODES = {one.name: one.model for one in backend.backend._NodeTestCases if one.name in CASES}  # noqa: SLF001  # as there


@pytest.mark.parametrize("name", CASES)
def test_the_types_are_those_of_onnx_cases(name):
    inputs, outputs, said = CASES[name]
    node, given = NODES[name].graph.node[0], iter(inputs)
    call = make_call(
        "Attention",
        *(type_of(next(given)) if place else None for place in node.input),
        outputs=" ".join(place or "-" for place in node.output),
        opset=NODES[name].opset_import[0].version,
        **said,
    )
    found = [(one.dims, one.dtype) for one in call.outputs if one is not None]
    assert found == [(one.shape, type_of(one).dtype) for one in outputs]
    assert counts(call)[Arith.MAC] > 0


def test_attention_with_every_term():
    call = make_call(
        "Attention",
        *(ts(2, 4, 5, 8), ts(2, 2, 3, 8), ts(2, 2, 3, 6), ts(5, 7), ts(2, 2, 4, 8), ts(2, 2, 4, 6)),
        opset=24,
        is_causal=1,
        softcap=2.0,
    )
    scores, rows = 2 * 4 * 5 * 7, 2 * 4 * 5
    assert [(term.what, term.arith, term.count) for term in terms(call)] == [
        ("Q * sqrt(scale)", Arith.MUL, 2 * 4 * 5 * 8),
        ("K * sqrt(scale)", Arith.MUL, 2 * 2 * 7 * 8),
        ("Q*K", Arith.MAC, scores * 8),
        *(("softcap * tanh(x / softcap)", arith, scores) for arith in (Arith.DIV, Arith.TANH, Arith.MUL)),
        ("+ mask, bias", Arith.ADD, scores),
        ("max(x)", Arith.CMP, rows * 6),
        ("d = x - max(x)", Arith.ADD, scores),
        ("e = exp(d)", Arith.EXP, scores),
        ("sum(e)", Arith.ADD, rows * 6),
        ("e / sum(e)", Arith.DIV, scores),
        ("max(x) = -inf", Arith.CMP, rows),
        ("P*V", Arith.MAC, scores * 6),
    ]


def test_a_cache_multiplies_the_keys_that_a_query_meets():
    """12 past tokens and one new one, 4 heads of 8: 13 keys, not 1."""
    call = make_call(
        "Attention", ts(1, 4, 1, 8), ts(1, 4, 1, 8), ts(1, 4, 1, 8), None, ts(1, 4, 12, 8), ts(1, 4, 12, 8), opset=23
    )
    assert counts(call)[Arith.MAC] == 2 * 4 * 13 * 8


def test_shared_heads_cost_as_much_as_heads_of_their_own():
    own = make_call("Attention", ts(1, 4, 3, 8), ts(1, 4, 5, 8), ts(1, 4, 5, 8), opset=23, scale=1.0)
    shared = make_call("Attention", ts(1, 4, 3, 8), ts(1, 1, 5, 8), ts(1, 1, 5, 8), opset=23, scale=1.0)
    assert counts(own) == counts(shared)


def test_past_is_read_and_present_written():
    inputs = [ts(1, 2, 1, 8), ts(1, 2, 1, 8), ts(1, 2, 1, 8), None, ts(1, 2, 9, 8), ts(1, 2, 9, 8)]
    call = make_call("Attention", *inputs, opset=23, outputs=3)
    row = 2 * 8 * 4
    assert registry.traffic(call) == (3 * row + 2 * 9 * row, row + 2 * 10 * row)


def test_softmax_is_computed_in_the_precision_that_is_asked_for():
    half = ts(1, 1, 2, 4, dtype=DType.FLOAT16)
    call = make_call("Attention", half, half, half, opset=23, softmax_precision=1)
    assert {term.dtype for term in terms(call) if term.arith is Arith.EXP} == {FLOAT}
    assert {term.dtype for term in terms(call) if term.arith is Arith.MAC} == {None}


@pytest.mark.parametrize(
    ("inputs", "said", "message"),
    [
        ([ts(1, 4, 2, 8), ts(1, 3, 2, 8), ts(1, 3, 2, 8)], {}, "wants q_num_heads to be a multiple of the 3"),
        ([ts(1, 4, 2, 8), ts(1, 4, 2, 6), ts(1, 4, 2, 6)], {}, "wants K of batch 1 and head size 8, it has 1 and 6"),
        ([ts(1, 4, 2, 8), ts(1, 4, 2, 8), ts(1, 4, 3, 8)], {}, "wants V of 2 keys in 4 heads"),
        ([ts(1, 2, 10)] * 3, {"q_num_heads": 3, "kv_num_heads": 3}, "wants q_num_heads to be a divisor of the 10 of Q"),
        ([ts(1, 2, 10)] * 3, {}, "wants the attribute q_num_heads, there is none"),
        ([ts(2, 10)] * 3, {}, "wants Q of rank 3 or 4, it is of rank 2"),
        ([ts(1, 1, 2, 4)] * 3, {"softmax_precision": 7}, "wants softmax_precision to be one of 1, 10, 11, 16, it is 7"),
    ],
)
def test_what_breaks_the_specification_is_named(inputs, said, message):
    found = schema.find("Attention", "", 23)
    call = Call("Attention", opset=23, schema=found, attributes=said, inputs=tuple(inputs), outputs=(ts(1),))
    with pytest.raises(NodeError, match=message):
        terms(call)


@pytest.mark.parametrize("entry", [one for one in registry.entries() if one.state], ids=lambda one: one.op_type)
def test_the_state_is_an_output_of_its_operator(entry):
    known = schema.find(entry.op_type, entry.domain, 27) or registry.signature_of(entry.op_type, entry.domain)
    assert entry.state <= set(known.outputs)
