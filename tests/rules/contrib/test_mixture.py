"""Mixtures of experts against loops that count, and against onnxruntime's kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import experts as oracle
from oracles import kernels
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.fused import each
from oracles.weight_only import unpack

from graphcost.bounds import Bounds
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MICROSOFT = "com.microsoft"
many = settings(max_examples=200, deadline=None)
few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 999).map(np.random.default_rng)
flags = st.booleans()
LAYERS = ("fc1", "fc2", "fc3")


def real(rng, *shape):
    return rng.uniform(-1, 1, shape).astype(np.float32)


def called(op_type, inputs, **attributes):
    types = [one if one is None else TensorType(DType(one.dtype.name), one.shape) for one in inputs]
    return make_call(op_type, *types, domain=MICROSOFT, **attributes)


def bounds(call):
    """Return the fewest and the most of each kind of work."""
    found = {}
    for term in terms(call):
        low, high = found.get(term.arith, (0, 0))
        found[term.arith] = (low + term.bounds.low, high + term.bounds.high)
    return found


def check(call, tally):
    """Assert that what the loop did lies between the ends; where they are one, that it is that."""
    found = bounds(call)
    assert {arith for arith, count in tally.as_dict().items() if count} <= set(found)
    assert all(low <= tally[arith] <= high for arith, (low, high) in found.items())


@st.composite
def routers(draw, unit=1):
    """How many rows, experts and chosen ones there are, the sizes of an expert, and the attributes."""
    rows, experts = draw(st.integers(1, 3)), draw(st.integers(2, 4))
    said = {
        "k": draw(st.integers(1, experts)),
        "activation_type": draw(st.sampled_from([*sorted(oracle.ACTIVATIONS), "swiglu", "swiglu"])),
        "normalize_routing_weights": draw(st.integers(0, 1)),
    }
    if said["activation_type"] == "swiglu":
        said["swiglu_fusion"] = draw(st.integers(0, 2))
        said |= draw(st.sampled_from(({}, {"activation_alpha": 1.5, "activation_beta": 1.0}, {"swiglu_limit": 0.5})))
    has_third = draw(flags) if said["activation_type"] != "swiglu" else said["swiglu_fusion"] == 0
    sizes = {"hidden": unit * draw(st.integers(1, 3)), "inter": unit * draw(st.integers(1, 2))}
    return rows, experts, sizes, has_third, said


def shapes_of(sizes, has_third, said):
    """Return (columns, rows) of the weights of each layer."""
    wide = 2 if said.get("swiglu_fusion") else 1
    found = {"fc1": (wide * sizes["inter"], sizes["hidden"]), "fc2": (sizes["hidden"], sizes["inter"])}
    return found | ({"fc3": (sizes["inter"], sizes["hidden"])} if has_third else {})


@st.composite
def mixtures(draw):
    """The inputs of MoE, its layers by name as (weights, biases), and its attributes."""
    rows, experts, sizes, has_third, said = draw(routers())
    rng, layers = draw(seeds), {}
    for name, (columns, inner) in shapes_of(sizes, has_third, said).items():
        layers[name] = real(rng, experts, columns, inner), real(rng, experts, columns) if draw(flags) else None
    return real(rng, rows, sizes["hidden"]), real(rng, rows, experts), layers, said


def moe_inputs(x, scores, layers):
    return [x, scores, *(part for name in LAYERS for part in layers.get(name, (None, None)))]


def layers_of(tally, layers, which):
    """Return the layers of one expert, as numbers."""
    found = []
    for name in LAYERS:
        weights, biases = layers.get(name, (None, None))
        numbers = None if weights is None else tally.tensor(weights[which])
        found.append(None if weights is None else (numbers, None if biases is None else tally.tensor(biases[which])))
    return found


def moe(tally, x, scores, layers, said):
    normalizes = said["normalize_routing_weights"] == 1
    routes = [oracle.weighted(row, said["k"], tally, normalizes=normalizes) for row in tally.tensor(scores)]
    return oracle.mixture(tally.tensor(x), routes, lambda which: layers_of(tally, layers, which), said, tally)


@checks("MoE", domain=MICROSOFT)
@many
@given(mixtures(), flags)
def test_moe(case, is_batched):
    x, scores, layers, said = case
    tally = Tally()
    moe(tally, x, scores, layers, said)
    x = x[np.newaxis] if is_batched else x
    call = called("MoE", moe_inputs(x, scores, layers), **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*x.shape),)
    assert all(term.least is None for term in terms(call))


def has_kernel(case):
    """Return whether onnxruntime has one on the CPU: none for fc3, nor for halves that lie one after the other."""
    _, _, layers, said = case
    return "fc3" not in layers and said.get("swiglu_fusion", 1) == 1


@few
@given(mixtures().filter(has_kernel))
def test_the_loop_computes_moe(case):
    x, scores, layers, said = case
    y = moe(Tally(), x, scores, layers, said)
    (found,) = kernels.computed("MoE", moe_inputs(x, scores, layers), **said)
    np.testing.assert_allclose(values(y), found, rtol=1e-3, atol=1e-4)


@many
@given(st.integers(1, 3), st.integers(2, 8), seeds, st.sampled_from((0.01, 0.3)))
def test_a_sparse_mixer_lies_between_its_ends(rows, experts, rng, jitter):
    x, scores = real(rng, rows, 2), real(rng, rows, experts)
    layers = {"fc1": (real(rng, experts, 3, 2), None), "fc2": (real(rng, experts, 2, 3), None)}
    said, tally = {"k": 2, "activation_type": "silu", "use_sparse_mixer": 1}, Tally()
    routes = [oracle.sparse_mixer(row, jitter, tally) for row in tally.tensor(scores)]
    oracle.mixture(tally.tensor(x), routes, lambda which: layers_of(tally, layers, which), said, tally)
    check(called("MoE", moe_inputs(x, scores, layers), **said), tally)


@pytest.mark.parametrize(("scores", "end"), [([0.0, -1.0, -2.0], "low"), ([0.5, 0.5, 0.5], "high")])
def test_both_ends_of_a_sparse_mixer_are_reached(scores, end):
    tally = Tally()
    oracle.sparse_mixer(tally.tensor(np.array(scores)), 0.01, tally)
    weights = ts(3, 3, 2), None, ts(3, 2, 3), None
    call = make_call("MoE", ts(1, 2), ts(1, 3), *weights, domain=MICROSOFT, k=2, use_sparse_mixer=1)
    (found,) = [term for term in terms(call) if term.arith is Arith.EXP]
    assert tally[Arith.EXP] == getattr(found.bounds, end)


@st.composite
def quantized_mixtures(draw):
    """The inputs of QMoE, its layers by name as (numbers, zero points, scales, biases), and its attributes."""
    bits = draw(st.sampled_from((2, 4, 8)))
    rows, experts, sizes, has_third, said = draw(routers(unit=8 // bits))
    rng, layers, stored = draw(seeds), {}, {}
    for name, (columns, inner) in shapes_of(sizes, has_third, said).items():
        packed = rng.integers(0, 256, (experts, columns, inner * bits // 8)).astype(np.uint8)
        scales, bias = real(rng, experts, columns), real(rng, experts, columns) if draw(flags) else None
        numbers = unpack(packed, bits)
        layers[name] = numbers, np.full(numbers.shape, 2 ** (bits - 1)), scales[..., np.newaxis], bias
        stored[name] = [packed, scales, bias]
    weights = np.abs(real(rng, rows, experts)) if draw(flags) else None
    inputs = [real(rng, rows, sizes["hidden"]), real(rng, rows, experts)]
    inputs += [part for name in LAYERS for part in stored.get(name, [None] * 3)] + [None, None, None, weights]
    return inputs, layers, said | {"expert_weight_bits": bits}


def qmoe(tally, inputs, layers, said):
    x, scores, weights = inputs[0], inputs[1], inputs[14]
    dequantized = {}

    def expert(which):
        if which not in dequantized:
            dequantized[which] = [_dequantized(tally, layers.get(name), which) for name in LAYERS]
        return dequantized[which]

    routes = []
    for place, row in enumerate(tally.tensor(scores)):
        others = None if weights is None else tally.tensor(weights[place])
        normalizes = said["normalize_routing_weights"] == 1
        routes.append(oracle.weighted_after(row, others, said["k"], tally, normalizes=normalizes))
    return oracle.mixture(tally.tensor(x), routes, expert, said, tally)


def _dequantized(tally, layer, which):
    if layer is None:
        return None
    numbers, zeros, scales, bias = (None if part is None else part[which] for part in layer)
    weights = each(lambda q, z, s: (q - z) * s, tally.tensor(numbers), zeros, scales)
    return weights, None if bias is None else tally.tensor(bias)


@checks("QMoE", domain=MICROSOFT)
@many
@given(quantized_mixtures())
def test_qmoe(case):
    inputs, layers, said = case
    tally = Tally()
    qmoe(tally, inputs, layers, said)
    call = called("QMoE", inputs, **said)
    check(call, tally)
    assert call.outputs == (ts(*inputs[0].shape),)
    ranges = {term.what.split()[0].strip("(") for term in terms(call) if term.least is not None}
    assert ranges <= set(LAYERS)
    packed = registry.of(call).packed
    assert all(packed[f"{name}_experts_weights"](call) == layers[name][0].size for name in layers)


@few
@given(quantized_mixtures().filter(lambda case: has_kernel((*case[0][:2], *case[1:])) and case[2]["k"] < 3))
def test_the_loop_computes_qmoe(case):
    inputs, layers, said = case
    y = qmoe(Tally(), inputs, layers, said)
    (found,) = kernels.computed("QMoE", inputs, **said)
    np.testing.assert_allclose(values(y), found, rtol=1e-2, atol=1e-2 * max(1.0, np.abs(found).max()))


@pytest.mark.parametrize(("second", "end"), [([3, 2, 1, 0], 0), ([0, 1, 2, 3], 1)])
def test_both_ends_of_what_is_dequantized_are_reached(second, end):
    """Two rows choose the same two of four experts, or all of them."""
    scores = np.array([[3, 2, 1, 0], second])
    weights = {name: (np.ones((4, 2, 2)), np.ones((4, 2, 2)), np.ones((4, 2, 1)), None) for name in LAYERS[:2]}
    said = {"k": 2, "activation_type": "identity", "normalize_routing_weights": 0}
    tally, inputs = Tally(), [np.ones((2, 2)), scores, *[None] * 13]
    qmoe(tally, inputs, weights, said)
    stored = ts(4, 2, 2, dtype=DType.UINT8)
    types = [ts(2, 2), ts(2, 4), stored, None, None, stored]
    call = make_call("QMoE", *types, domain=MICROSOFT, expert_weight_bits=8, **said)
    assert {arith: found[end] for arith, found in bounds(call).items() if found[end]} == tally.as_dict()


@pytest.mark.parametrize(
    ("said", "numbers"),
    [({}, 2), ({"expert_weight_bits": 8}, 1), ({"quant_type": "fp4"}, 2), ({"quant_type": "fp8"}, 1),
     ({"expert_weight_bits": 8, "fc1_expert_weight_bits": 2}, 4)],
)  # fmt: skip
def test_bytes_hold_as_many_numbers_as_their_type_says(said, numbers):
    stored = ts(4, 8, 8 // numbers, dtype=DType.UINT8)
    call = make_call("QMoE", ts(3, 8), ts(3, 4), stored, None, None, stored, domain=MICROSOFT, **said)
    assert registry.of(call).packed["fc1_experts_weights"](call) == 4 * 8 * 8


def test_weights_of_floats_have_no_zero_point():
    stored = ts(4, 8, 4, dtype=DType.UINT8)
    call = make_call("QMoE", ts(3, 8), ts(3, 4), stored, None, None, stored, domain=MICROSOFT, quant_type="nvfp4")
    assert not [term for term in terms(call) if "zero_point" in term.what and term.arith is Arith.ADD]


def test_the_products_of_a_mixture_are_exact():
    """k * rows * (gate + up + down): Mixtral's sizes, at one row."""
    stored = [ts(8, 14_336, 4096), None, ts(8, 4096, 14_336), None, ts(8, 14_336, 4096), None]
    call = make_call("MoE", ts(1, 1, 4096), ts(1, 8), *stored, domain=MICROSOFT, k=2, activation_type="silu")
    assert counts(call)[Arith.MAC] == 2 * 3 * 4096 * 14_336


@pytest.mark.parametrize(
    ("rows", "k", "experts_read"),
    [(1, 4, (4, 4)), (1, 2, (2, 2)), (3, 1, (1, 3)), (3, 2, (2, 4))],  # of 4 experts: those of one row, of all rows
)
def test_of_the_experts_those_are_read_that_some_row_chooses(rows, k, experts_read):
    weights = ts(4, 3, 2), None, ts(4, 2, 3), None
    call = make_call("MoE", ts(rows, 2), ts(rows, 4), *weights, domain=MICROSOFT, k=k)
    low, high = (4 * (rows * (2 + 4) + chosen * (3 * 2 + 2 * 3)) for chosen in experts_read)
    assert registry.of(call).traffic(call) == (Bounds(low, high), 4 * rows * 2)


def test_level_4_lets_products_be_computed_in_int8():
    stored = ts(4, 8, 4, dtype=DType.UINT8)
    call = make_call("QMoE", ts(3, 8), ts(3, 4), stored, None, None, stored, domain=MICROSOFT, accuracy_level=4)
    assert {term.dtype for term in terms(call) if term.arith is Arith.MAC} == {DType.INT8}


def test_activations_of_which_nothing_is_said_are_unknown():
    stored = ts(4, 8, 4, dtype=DType.UINT8)
    call = make_call("QMoE", ts(3, 8), ts(3, 4), stored, None, None, stored, domain=MICROSOFT, quant_type="wfp4afp8")
    with pytest.raises(UnknownShapeError, match="how quant_type wfp4afp8 quantizes activations is not known"):
        terms(call)


def test_only_weights_and_biases_are_weights():
    names = set(registry.signature_of("QMoE", MICROSOFT).inputs) - registry.find("QMoE", MICROSOFT, 1).not_weights
    kept = {f"{name}_experts_{what}" for name in LAYERS for what in ("weights", "bias")}
    assert names == kept | {"input", "router_probs", "router_weights"}


PLAIN = make_call("MoE", ts(3, 2), ts(3, 4), ts(4, 5, 2), None, ts(4, 2, 5), None, domain=MICROSOFT)
WRONG = [
    ({"router": ts(2, 4)}, {}, r"wants router_probs of shape \(3, experts\), it is \(2, 4\)"),
    ({}, {"k": 5}, "wants k from 1 to the 4 experts, it is 5"),
    ({"fc1": ts(4, 6, 2)}, {}, r"wants fc1 of 4 \* 5 \* 2 weights, it has 48"),
    ({}, {"activation_type": "tanh"}, "one of swiglu, relu, gelu, silu, identity, it is 'tanh'"),
    ({}, {"activation_type": "swiglu"}, "wants fc3 or swiglu_fusion for swiglu, there is neither"),
    ({}, {"use_sparse_mixer": 1, "k": 3}, "wants k to be 2 for a sparse mixer, it is 3"),
]


@pytest.mark.parametrize(("inputs", "said", "message"), WRONG)
def test_what_breaks_the_specification_is_an_error(inputs, said, message):
    given_inputs = [*PLAIN.inputs]
    for name, one in inputs.items():
        given_inputs[{"router": 1, "fc1": 2}[name]] = one
    with pytest.raises(NodeError, match=message):
        terms(replace(PLAIN, inputs=tuple(given_inputs), attributes=said))
