"""Cached keys and values are told as state, whether an operator keeps them or a Concat does."""

from __future__ import annotations

import pytest
from build import model

import graphcost

HEADS, SIZE, PAST, NEW = 2, 8, 5, 3
CACHE = 2 * HEADS * (PAST + NEW) * SIZE * 4
PASTS = f"float[1,{HEADS},{PAST},{SIZE}] pk, float[1,{HEADS},{PAST},{SIZE}] pv"
SIGNATURE = (
    f"float[1,{NEW},{HEADS * SIZE}] q, {PASTS} => float[1,{NEW},{HEADS * SIZE}] y, "
    f"float[1,{HEADS},k,{SIZE}] nk, float[1,{HEADS},k,{SIZE}] nv"
)
KEPT = {
    "ai.onnx": model(
        SIGNATURE,
        f"y, nk, nv = Attention <q_num_heads = {HEADS}, kv_num_heads = {HEADS}, is_causal = 1> (q, q, q, , pk, pv)",
        opset=24,
    ),
    "com.microsoft": model(
        SIGNATURE,
        f"y, nk, nv = com.microsoft.MultiHeadAttention <num_heads = {HEADS}, unidirectional = 1>"
        " (q, q, q, , , , pk, pv)",
        domains=', "com.microsoft": 1',
    ),
}


@pytest.mark.parametrize("built", KEPT.values(), ids=KEPT)
def test_what_attention_keeps_is_state(built):
    report = graphcost.analyze(built)
    assert report.memory.state.high == CACHE
    assert f"state          {CACHE:,} B" in str(report)
    assert report.to_dict()["memory"]["state_bytes"] == CACHE


def test_a_cache_that_is_appended_to_is_state():
    built = model(
        f"float[1,{HEADS},{NEW},{SIZE}] k, {PASTS} => float[1,{HEADS},t,{SIZE}] nk, float[1,{HEADS},t,{SIZE}] nv,"
        f" float[1,{HEADS},t,{SIZE}] y",
        *("nk = Concat <axis = 2> (pk, k)", "e = Exp(k)", "nv = Concat <axis = 2> (pv, e)", "y = Add(nk, nv)"),
    )
    assert graphcost.analyze(built).memory.state.high == CACHE


def test_a_skip_connection_is_no_state():
    built = model(
        "float[1,3,8,8] x => float[1,n,8,8] y, float[1,n,8,8] z <float[4,3,1,1] w>",
        *("c = Conv(x, w)", "y = Concat <axis = 1> (x, c)", "z = Relu(y)"),
    )
    assert graphcost.analyze(built).memory.state.high == 0


def test_keys_that_nobody_takes_are_no_state():
    built = model(
        SIGNATURE.partition(", float[1,2,k")[0],
        f"y, nk, nv = Attention <q_num_heads = {HEADS}, kv_num_heads = {HEADS}> (q, q, q, , pk, pv)",
        opset=24,
    )
    assert graphcost.analyze(built).memory.state.high == 0


def test_a_concat_of_other_values_is_none():
    built = model("float[2] a, float[2] b => float[n] y", "e = Exp(a)", "y = Concat <axis = 0> (e, b)")
    assert graphcost.analyze(built).memory.state.high == 0


@pytest.mark.parametrize("built", KEPT.values(), ids=KEPT)
def test_what_a_causal_mask_hides_is_said_and_counted(built):
    """Every query meets every key; the first of three queries may not look at the last two keys, the second at one."""
    report = graphcost.analyze(built)
    assert report.total.macs.best == 2 * HEADS * NEW * (PAST + NEW) * SIZE
    (finding,) = [one for one in report.findings if one.code == "causal-mask"]
    assert f"causal masks hide {2 * HEADS * (2 + 1) * SIZE} of" in finding.message
    assert "of which a causal mask hides" in str(graphcost.explain(built, report.rows[0].id))
