"""Linear attention: a state per head that every token writes to and reads from, and the gates that feed it.

The recurrence is counted token by token, as the specifications write it; a kernel that works in chunks does other
work for the same result. A first state of zeros counts as any other, and the type is that of the query.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.causal_conv import reads_last_state
from graphcost.rules.elementwise import TABLE
from graphcost.rules.registry import MICROSOFT, rule
from graphcost.rules.shared.scaled_dot_product import dims_of
from graphcost.terms import Arith, in_type, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

MICROSOFT.signature(
    "LinearAttention",
    "query key value past_state? decay? beta? -> output present_state",
    chunk_size=64,
    state_window=0,
    scale=0.0,
    update_rule="gated_delta",
)
MICROSOFT.signature("LinearAttentionGate", "a dt_bias decay_scale b? -> decay beta?")
MICROSOFT.signature(
    "GatedDeltaNet",
    "query key? value? cu_seqlens? decay? beta? initial_state? a_log? dt_bias? capture_count? state_update_active?"
    " -> output final_state? state_update?",
    state_update_capacity=0,
    chunk_size=64,
    beta_activation="none",
    gate_activation="none",
    scale=0.0,
    qk_l2_norm=0,
    update_rule="gated_delta",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """The sizes of a linear attention."""

    tokens: int
    """Tokens of all sequences."""
    heads: int
    """Heads of keys and values: those that have a state."""
    readers: int
    """Heads that read a state."""
    k_size: int
    """Elements of a key and of a query."""
    v_size: int
    """Elements of a value."""


def _recurrence(call: Call, sizes: Heads, state: DType | None = None) -> Iterator[Term]:
    """Yield the work of S = exp(g) * S, S = S + k * (beta * (v - S*k)), o = scale * q*S for every token.

    `state` is the type in which the state decays, where it isn't that of the query.
    """
    tokens, heads, k_size, v_size = sizes.tokens, sizes.heads, sizes.k_size, sizes.v_size
    if _decays(call):
        yield work("exp(g)", Arith.EXP, dtype=state, elements=call.input("decay").elements)
        elements = k_size * v_size
        yield work("exp(g) * S", Arith.MUL, dtype=state, tokens=tokens, heads=heads, elements=elements)
    if _corrects(call):
        yield work("S*k", Arith.MAC, wrt=("S", "key"), tokens=tokens, heads=heads, k_size=k_size, v_size=v_size)
        yield work("v - S*k", Arith.ADD, tokens=tokens, heads=heads, v_size=v_size)
        yield work("beta * (v - S*k)", Arith.MUL, tokens=tokens, heads=heads, v_size=v_size)
    yield work("S + k*v", Arith.MAC, wrt=("key", "value"), tokens=tokens, heads=heads, k_size=k_size, v_size=v_size)
    reads = sizes.readers
    yield work("q*S", Arith.MAC, wrt=("query", "S"), tokens=tokens, heads=reads, k_size=k_size, v_size=v_size)
    if call.attr("scale", float) != 1 and (call.attr("scale", float) or k_size != 1):
        yield work("scale * q*S", Arith.MUL, tokens=tokens, heads=reads, v_size=v_size)


def _decays(call: Call) -> bool:
    return _rule(call) in {"gated", "gated_delta"}


def _corrects(call: Call) -> bool:
    return _rule(call) in {"delta", "gated_delta"}


def _rule(call: Call) -> str:
    return call.choice("update_rule", ("linear", "gated", "delta", "gated_delta"))


@rule("LinearAttention", since=27, not_weights="past_state", state="present_state")
@MICROSOFT.rule(
    "LinearAttention",
    traffic=reads_last_state,
    not_weights="past_state",
    state="present_state",
)
def linear_attention(call: Call) -> Iterator[Term]:
    """S = exp(g) * S + beta * k * (v - (exp(g) * S)^T k), o = scale * q^T S, token by token, for each head.

    query: (batch, tokens, q_num_heads*k_size), key, value: (batch, tokens, kv_num_heads*...), S: (k_size, v_size) per
    head of the values. `update_rule` says whether S decays by exp(g), taken once per element of `decay`, and whether
    what S holds already is subtracted from v before beta, then k multiply it. Heads of the query that share a state
    read it each; com.microsoft also lets several states share a query. The scale, 1 / sqrt(k_size) unless it is given,
    multiplies the output.

    Source: https://onnx.ai/onnx/operators/onnx__LinearAttention.html,
    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.LinearAttention
    """
    yield from _recurrence(call, _heads(call))


def _heads(call: Call) -> Heads:
    query, key, value = call.input("query"), call.input("key"), call.input("value")
    readers, heads = call.attr("q_num_heads", int), call.attr("kv_num_heads", int)
    k_size, v_size = _per_head(call, "query", readers), _per_head(call, "value", heads)
    if key.dims != (*query.dims[:2], heads * k_size):
        raise call.error(f"wants key of shape {(*query.dims[:2], heads * k_size)}, it is {key.dims}")
    if value.dims[:2] != query.dims[:2]:
        raise call.error(f"wants value of shape {(*query.dims[:2], '...')}, it is {value.dims}")
    if max(readers, heads) % min(readers, heads) or (not call.domain and heads > readers):
        raise call.error(f"wants q_num_heads to be a multiple of kv_num_heads = {heads}, it is {readers}")
    tokens = query.dims[0] * query.dims[1]
    return Heads(tokens=tokens, heads=heads, readers=max(readers, heads), k_size=k_size, v_size=v_size)


def _per_head(call: Call, name: str, heads: int) -> int:
    dims = shape_of(call.partial(name))
    if len(dims) != 3:
        raise call.error(f"wants {name} of rank 3, it is of rank {len(dims)}")
    size = dims[2]
    if not isinstance(size, int):
        raise UnknownShapeError(f"the width of {name} is not known")
    if heads < 1 or size % heads:
        raise call.error(f"wants {name} to have a multiple of {heads} heads' elements, it has {size}")
    return size // heads


@MICROSOFT.types("LinearAttention")
def linear_attention_types(call: Call) -> Iterator[TensorType]:
    """The output has the value heads' elements for each head that reads; the state one (k_size, v_size) per head."""
    query = call.partial("query")
    readers, heads = call.attr("q_num_heads", int), call.attr("kv_num_heads", int)
    k_size, v_size = _per_head(call, "query", readers), _per_head(call, "value", heads)
    batch, tokens, _ = query.shape or (None, None, None)
    yield TensorType(query.dtype, (batch, tokens, max(readers, heads) * v_size))
    past, window = call.optional("past_state"), call.attr("state_window", int)
    state = (batch, heads, k_size, v_size)
    yield TensorType(past.dtype if past else query.dtype, (window, *state) if window else state)


@MICROSOFT.rule("LinearAttentionGate")
def linear_attention_gate(call: Call) -> Iterator[Term]:
    """Decay = decay_scale * Softplus(a + dt_bias), beta = Sigmoid(b).

    a, b: (batch, tokens, heads), dt_bias, decay_scale: (heads,). The decay is computed in the type of dt_bias.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.LinearAttentionGate
    """
    a, dtype = call.input("a"), call.input("dt_bias").dtype
    yield work("a + dt_bias", Arith.ADD, dtype=dtype, elements=a.elements)
    yield from in_type(dtype, TABLE["Softplus"].over(a.elements))
    yield work("decay_scale * Softplus", Arith.MUL, dtype=dtype, elements=a.elements)
    if b := call.optional("b"):
        yield from TABLE["Sigmoid"].over(b.elements)


@MICROSOFT.types("LinearAttentionGate")
def gate_types(call: Call) -> Iterator[TensorType]:
    """Decay and beta are as the projections that they come from."""
    yield call.partial("a")
    if call.has_output("beta"):
        yield call.partial("b")


@MICROSOFT.rule("GatedDeltaNet", not_weights="initial_state", state="final_state")
def gated_delta_net(call: Call) -> Iterator[Term]:
    """S = exp(g) * S + k * (beta * (v - (exp(g) * S)^T k)), o = scale * S^T q, token by token, for each value head.

    query, key: (*tokens, heads, k_size), value: (*tokens, v_heads, v_size), or side by side in query; initial_state:
    (batch, v_heads, v_size, k_size). Several value heads share a key, a query. The rest as for LinearAttention, and:
    gate_activation qwen makes g = -exp(a_log) * Softplus(decay + dt_bias), with -exp(a_log) once per head;
    beta_activation sigmoid makes beta = Sigmoid(beta); qk_l2_norm divides every key and query of a head by the root of
    the sum of its squares. The state decays in float32, its type, whatever the query's. state_update holds copies of
    what was computed.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GatedDeltaNet
    """
    sizes, k_heads = _packed_heads(call)
    if call.attr("qk_l2_norm", int):
        yield from _unit_length(vectors=2 * sizes.tokens * k_heads, size=sizes.k_size)
    if _decays(call) and _activated(call, "gate_activation", "qwen"):
        yield from _gate(call)
    if _corrects(call) and _activated(call, "beta_activation", "sigmoid"):
        beta = call.input("beta")
        yield from in_type(beta.dtype, TABLE["Sigmoid"].over(beta.elements))
    yield from _recurrence(call, sizes, DType.FLOAT32)


def _activated(call: Call, attribute: str, name: str) -> bool:
    return call.choice(attribute, ("none", name)) == name


def _gate(call: Call) -> Iterator[Term]:
    decay, a_log = call.input("decay"), call.input("a_log")
    yield work("-exp(a_log)", Arith.EXP, dtype=a_log.dtype, heads=a_log.elements)
    yield work("-exp(a_log)", Arith.SIGN, dtype=a_log.dtype, heads=a_log.elements)
    yield work("decay + dt_bias", Arith.ADD, dtype=decay.dtype, elements=decay.elements)
    yield from in_type(decay.dtype, TABLE["Softplus"].over(decay.elements))
    yield work("-exp(a_log) * Softplus", Arith.MUL, dtype=decay.dtype, elements=decay.elements)


def _unit_length(vectors: int, size: int) -> Iterator[Term]:
    yield work("x * x", Arith.MUL, vectors=vectors, size=size)
    yield work("sum(x * x)", Arith.ADD, vectors=vectors, additions=max(size - 1, 0))
    yield work("sqrt(sum(x * x))", Arith.SQRT, vectors=vectors)
    yield work("x / sqrt(sum(x * x))", Arith.DIV, vectors=vectors, size=size)


def _packed_heads(call: Call) -> tuple[Heads, int]:
    """Return the sizes and the heads of the keys."""
    query, key, value = call.input("query"), call.optional("key"), call.optional("value")
    if key and value:
        rank = 4 if query.rank == 4 else 3
        *tokens, k_heads, k_size = dims_of(call, "query", rank)
        *_, v_heads, v_size = dims_of(call, "value", rank)
    else:
        _, v_heads, v_size, k_size = dims_of(call, "initial_state", 4)
        if not query.rank:
            raise call.error("wants query of rank 2 or 3, it is of rank 0")
        tokens, k_heads = list(query.dims[:-1]), (query.dims[-1] - v_heads * v_size) // (2 * k_size or 1)
    if k_heads < 1 or v_heads % k_heads:
        raise call.error(f"wants the value's heads to be a multiple of the query's {k_heads}, there are {v_heads}")
    return Heads(tokens=prod(tokens), heads=v_heads, readers=v_heads, k_size=k_size, v_size=v_size), k_heads


@MICROSOFT.types("GatedDeltaNet")
def gated_delta_net_types(call: Call) -> Iterator[TensorType | None]:
    """The output is as the value, a state one (v_size, k_size) per head, an update C decays, keys and values."""
    query, initial = call.input("query"), call.optional("initial_state")
    sizes, k_heads = _packed_heads(call)
    packed = call.optional("key") is None
    yield TensorType(query.dtype, (*query.dims[: -1 if packed else -2], sizes.heads, sizes.v_size))
    batch = dims_of(call, "initial_state", 4)[0] if initial else dims_of(call, "cu_seqlens", 1)[0] - 1
    yield TensorType(DType.FLOAT32, (batch, sizes.heads, sizes.v_size, sizes.k_size))
    captured = sizes.heads + k_heads * sizes.k_size + sizes.heads * sizes.v_size
    yield TensorType(DType.FLOAT32, (batch, call.attr("state_update_capacity", int) * captured))
