"""Mixtures of experts: a router chooses k of many small networks for every row, which alone compute it.

- Every row is computed by k experts, so the products are exact: k * rows * the products of one expert. With which
  experts makes no difference to them.
- An expert is fc2(activation(fc1(x))), with a third projection fc2(activation(fc1(x)) * fc3(x)). Its results, weighted,
  are added.
- The router's inputs are scores. The k largest of n are found in k passes, each over what is left: n - 1, n - 2, ...
  comparisons. MoE takes the softmax of all scores first, QMoE that of the k chosen: so do onnxruntime's CPU kernels.
- gelu is the one of tanh, as there. swiglu has its gate and its linear half in fc1 where `swiglu_fusion` says so, else
  in fc1 and fc3: G * sigmoid(alpha * G) * (L + beta), with G = min(g, limit), L = max(min(l, limit), -limit); there is
  no bound without `swiglu_limit`, and an alpha of 1 and a beta of 0 cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from graphcost.bounds import Bounds
from graphcost.errors import UnknownShapeError
from graphcost.rules import softmax
from graphcost.rules.contrib.weight_only import LEVELS
from graphcost.rules.elementwise import GELU, SILU, TABLE
from graphcost.rules.registry import MICROSOFT, each_once
from graphcost.rules.shared import axes
from graphcost.terms import Arith, work
from graphcost.types import size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.rules.registry import Moved
    from graphcost.terms import Term
    from graphcost.types import DType

ACTIVATIONS = {"relu": TABLE["Relu"], "gelu": GELU["tanh"], "silu": SILU, "identity": None}
"""What `activation_type` can name, beside swiglu."""

_DEFAULTS = {
    "k": 1,
    "activation_type": "relu",
    "activation_alpha": 1.0,
    "activation_beta": 0.0,
    "swiglu_fusion": 0,
    "normalize_routing_weights": 0,
    "use_sparse_mixer": 0,
}


@dataclass(frozen=True, slots=True)
class Routes:
    """How many rows go to how many experts."""

    rows: int
    """Rows of the input."""
    hidden: int
    """Elements of a row."""
    experts: int
    """Experts to choose from."""
    k: int
    """Experts that compute each row."""

    @property
    def passes(self) -> int:
        """Rows that all experts together compute."""
        return self.rows * self.k


def _reads_the_chosen(call: Call) -> Moved:
    """Return the traffic: of the experts, those that one row chooses at least, and at most those of all rows."""
    routes, (read, written) = _routes(call), each_once(call)
    given = zip(call.schema.inputs, call.inputs, strict=False)
    of_all = sum(size_of(one) or 0 for name, one in given if name.startswith("fc"))
    fewest, most = min(routes.k, routes.passes), min(routes.experts, routes.passes)
    unread = [of_all // routes.experts * (routes.experts - chosen) for chosen in (fewest, most)]
    return Bounds(read - unread[0], read - unread[1]), written


MICROSOFT.signature(
    "MoE",
    "input router_probs fc1_experts_weights fc1_experts_bias? fc2_experts_weights fc2_experts_bias? "
    "fc3_experts_weights? fc3_experts_bias? -> output",
    **_DEFAULTS,
)


@MICROSOFT.rule("MoE", traffic=_reads_the_chosen)
def moe(call: Call) -> Iterator[Term]:
    """Output = sum over the k chosen experts of weight * fc2(activation(fc1(input))), row by row.

    input: (..., hidden), router_probs: (rows, experts), fc1: (experts, width, hidden), fc2: (experts, hidden, inter);
    the weights are the softmax of all scores, divided by their sum where `normalize_routing_weights` says so.
    With `use_sparse_mixer` the router is the one of onnxruntime's CUDA kernel, see sparse_mixer.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MoE
    """
    routes = _routes(call)
    if call.attr("use_sparse_mixer", int):
        yield from sparse_mixer(call, routes)
    else:
        yield from softmax.shares(axes.Rows(routes.rows, routes.experts))
        yield _chosen(routes)
        yield from _normalized(call, routes)
    yield from _experts(call, routes, {name: _elements(call, name) for name in _layers(call)}, None)


_QUANTIZED = " ".join(
    f"{layer}_{name}"
    for layer in ("fc1", "fc2", "fc3")
    for name in ("scales", "zero_points", "global_scale", "act_scale", "act_block_scale")
)

MICROSOFT.signature(
    "QMoE",
    "input router_probs fc1_experts_weights fc1_scales? fc1_experts_bias? fc2_experts_weights fc2_scales? "
    "fc2_experts_bias? fc3_experts_weights? fc3_scales? fc3_experts_bias? fc1_zero_points? fc2_zero_points? "
    "fc3_zero_points? router_weights? fc1_global_scale? fc2_global_scale? fc1_act_scale? fc2_act_scale? "
    "fc1_act_block_scale? fc2_act_block_scale? -> output",
    **_DEFAULTS,
    expert_weight_bits=4,
    accuracy_level=0,
    quant_type="int",
)


def _logical(layer: str, call: Call) -> int:
    """Return how many numbers a layer's weights are: some to a byte."""
    stored, kind = call.input(f"{layer}_experts_weights").elements, call.attr("quant_type", str)
    if kind == "fp8":
        return stored
    bits = call.attr("expert_weight_bits", int) if kind == "int" else 4
    bits = call.attr_or(f"{layer}_expert_weight_bits", int, bits) if kind == "int" else bits
    if bits not in {2, 4, 8}:
        raise call.error(f"wants weights of 2, 4 or 8 bits, they are of {bits}")
    return stored * 8 // bits


@MICROSOFT.rule(
    "QMoE",
    traffic=_reads_the_chosen,
    not_weights=_QUANTIZED,
    packed={f"{layer}_experts_weights": partial(_logical, layer) for layer in ("fc1", "fc2", "fc3")},
)
def qmoe(call: Call) -> Iterator[Term]:
    """Output = sum over the k chosen experts of weight * fc2(activation(fc1(input))), with quantized weights.

    As MoE, but for this: the weights of experts are dequantized in every run, by (q - zero_point) * scale, which is
    2^(bits - 1) where it isn't given; those of floating-point types by q * scale, where scale is that of the block and
    the global one together, made beforehand. Only chosen experts are: k at least, where all rows choose the same, and
    as many as there are, or k for every row, at most. The softmax is that of the k chosen scores, which need no
    normalizing; with router_weights there is none, and the chosen of these are taken, and normalized where
    `normalize_routing_weights` says so. `accuracy_level`=4 lets the products be computed in int8.
    How wfp4afp8 quantizes its activations is not specified, and so not known.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QMoE
    """
    if call.attr("quant_type", str) == "wfp4afp8":
        raise UnknownShapeError("how quant_type wfp4afp8 quantizes activations is not known")
    routes = _routes(call)
    yield from _quantized_router(call, routes)
    layers = {name: _logical(name, call) for name in _layers(call)}
    for name, elements in layers.items():
        yield from _dequantized(call, routes, name, elements // routes.experts)
    yield from _experts(call, routes, layers, LEVELS[4] if call.attr("accuracy_level", int) == 4 else None)


MICROSOFT.like_input("MoE", "QMoE")


def _routes(call: Call) -> Routes:
    x, router, k = call.input("input"), call.input("router_probs"), call.attr("k", int)
    if x.rank < 1:
        raise call.error("wants an input of rank 1 or more, it is of rank 0")
    hidden = x.dims[-1]
    rows = x.elements // hidden if hidden else 0
    if router.rank != 2 or router.dims[0] != rows:
        raise call.error(f"wants router_probs of shape ({rows}, experts), it is {router.dims}")
    experts = router.dims[1]
    if not 1 <= k <= experts:
        raise call.error(f"wants k from 1 to the {experts} experts, it is {k}")
    return Routes(rows, hidden, experts, k)


def _layers(call: Call) -> list[str]:
    return ["fc1", "fc2", *(["fc3"] if call.optional("fc3_experts_weights") else [])]


def _elements(call: Call, layer: str) -> int:
    return call.input(f"{layer}_experts_weights").elements


def _chosen(routes: Routes) -> Term:
    comparisons = routes.k * routes.experts - routes.k * (routes.k + 1) // 2
    return work("the k largest scores", Arith.CMP, rows=routes.rows, comparisons=comparisons)


def _normalized(call: Call, routes: Routes) -> Iterator[Term]:
    if call.attr("normalize_routing_weights", int):
        yield work("sum(weights)", Arith.ADD, rows=routes.rows, additions=routes.k - 1)
        yield work("weight / sum(weights)", Arith.DIV, rows=routes.rows, k=routes.k)


def _quantized_router(call: Call, routes: Routes) -> Iterator[Term]:
    if call.attr("use_sparse_mixer", int):
        yield from sparse_mixer(call, routes)
        return
    yield _chosen(routes)
    if call.optional("router_weights"):
        yield from _normalized(call, routes)
    else:
        yield from softmax.shares(axes.Rows(routes.rows, routes.k))


def sparse_mixer(call: Call, routes: Routes) -> Iterator[Term]:
    """Weight = exp(m - m) / sum(exp(x - m)) over the scores x near the maximum m; then again without the first.

    Both times every expert is compared: m - x > 2 * jitter * max(|x|, m). Those near m take part in the sum: at least
    m itself, at most all that may still be chosen.

    Source: https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/contrib_ops/cuda/moe/qmoe_kernels.cu
    """
    if routes.k != 2:
        raise call.error(f"wants k to be 2 for a sparse mixer, it is {routes.k}")
    rows, experts = routes.rows, routes.experts
    yield _chosen(routes)
    yield work("|x|", Arith.SIGN, rows=rows, experts=experts, passes=2)
    yield work("max(|x|, m)", Arith.CMP, rows=rows, experts=experts, passes=2)
    yield work("2 * jitter * max(|x|, m)", Arith.MUL, rows=rows, experts=experts, passes=2)
    yield work("m - x", Arith.ADD, rows=rows, experts=experts, passes=2)
    yield work("m - x > 2 * jitter * max(|x|, m)", Arith.CMP, rows=rows, experts=experts, passes=2)
    yield work("e = exp(x - m)", Arith.EXP, least=2 * rows, rows=rows, near=2 * experts - 1)
    yield work("sum(e)", Arith.ADD, least=0, rows=rows, additions=2 * experts - 3)
    yield work("1 / sum(e)", Arith.DIV, rows=rows, passes=2)
    yield work("e * (1 / sum(e))", Arith.MUL, rows=rows, passes=2)


def _dequantized(call: Call, routes: Routes, layer: str, weights: int) -> Iterator[Term]:
    most = min(routes.experts, routes.passes)
    least = min(routes.k, most) * weights
    if call.attr("quant_type", str) == "int":
        yield work(f"{layer} - zero_point", Arith.ADD, least=least, experts=most, weights=weights)
    yield work(f"({layer} - zero_point) * scale", Arith.MUL, least=least, experts=most, weights=weights)


def _experts(call: Call, routes: Routes, layers: dict[str, int], dtype: DType | None) -> Iterator[Term]:
    inter = layers["fc2"] // (routes.experts * routes.hidden) if routes.hidden else 0
    width = inter * (2 if _is_fused(call) else 1)
    wanted = {"fc1": (width, routes.hidden), "fc2": (routes.hidden, inter), "fc3": (inter, routes.hidden)}
    for layer, elements in layers.items():
        columns, rows = wanted[layer]
        if elements != routes.experts * columns * rows:
            raise call.error(f"wants {layer} of {routes.experts} * {columns} * {rows} weights, it has {elements}")
        yield work(
            f"x*{layer}",
            Arith.MAC,
            wrt=("input" if layer != "fc2" else "fc1", f"{layer}_experts_weights"),
            dtype=dtype,
            passes=routes.passes,
            columns=columns,
            inner=rows,
        )
        if call.optional(f"{layer}_experts_bias"):
            yield work(f"+ {layer}_experts_bias", Arith.ADD, passes=routes.passes, columns=columns)
    yield from _activated(call, routes.passes * inter, is_gated="fc3" in layers)
    yield work("weight * y", Arith.MUL, passes=routes.passes, hidden=routes.hidden)
    yield work("sum of experts", Arith.ADD, rows=routes.rows, additions=routes.k - 1, hidden=routes.hidden)


def _is_fused(call: Call) -> bool:
    return call.attr("activation_type", str) == "swiglu" and call.attr("swiglu_fusion", int) != 0


def _activated(call: Call, outputs: int, *, is_gated: bool) -> Iterator[Term]:
    name = call.choice("activation_type", ("swiglu", *ACTIVATIONS))
    if name == "swiglu":
        if not is_gated and not _is_fused(call):
            raise call.error("wants fc3 or swiglu_fusion for swiglu, there is neither")
        yield from _swiglu(call, outputs)
        return
    if row := ACTIVATIONS[name]:
        yield from row.over(outputs)
    if is_gated:
        yield work("activation(x*fc1) * x*fc3", Arith.MUL, outputs=outputs)


def _swiglu(call: Call, outputs: int) -> Iterator[Term]:
    if "swiglu_limit" in call.attributes:
        yield work("G = min(g, limit), L = max(min(l, limit), -limit)", Arith.CMP, outputs=outputs, bounds=3)
    if call.attr("activation_alpha", float) != 1:
        yield work("alpha * G", Arith.MUL, outputs=outputs)
    yield from TABLE["Sigmoid"].over(outputs)
    if call.attr("activation_beta", float):
        yield work("L + beta", Arith.ADD, outputs=outputs)
    yield work("G * sigmoid(alpha * G) * (L + beta)", Arith.MUL, outputs=outputs, products=2)
