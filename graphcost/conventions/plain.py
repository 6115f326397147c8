"""graphcost's own convention, and the two that count multiply-accumulates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.convention import Convention
from graphcost.conventions.quantities import biased, elements_out, products
from graphcost.terms import Arith

if TYPE_CHECKING:
    from graphcost.results import NodeCost

GRAPHCOST = Convention(
    name="graphcost",
    title="2 per multiply-accumulate, 1 per any other scalar operation: transcendentals and comparisons count 1",
    source="https://en.wikipedia.org/wiki/FLOPS for the 2 of a multiply-accumulate; the rest is this project's choice",
    unit="FLOP",
    weights={arith: 2 if arith is Arith.MAC else 1 for arith in Arith},
)

MACS = Convention(
    name="macs",
    title="1 per multiply-accumulate of a product; bias, activation and everything else is not counted",
    source="https://en.wikipedia.org/wiki/Multiply-accumulate_operation",
    unit="MAC",
    weights={Arith.MAC: 1},
)


def _with_bias(node: NodeCost) -> int:
    """1 per multiply-accumulate, and 1 per output where there is a bias."""
    return products(node) + biased(node)


MACS_WITH_BIAS = Convention(
    name="macs-with-bias",
    title="1 per multiply-accumulate of a product, and 1 per output for its bias",
    source="Course sheets that write a layer's output as one more multiply-accumulate for the bias (lab 10)",
    unit="MAC",
    weights={Arith.MAC: 1},
    formulas={"Conv": _with_bias, "ConvTranspose": _with_bias, "Gemm": _with_bias},
    patterns={"bias": elements_out},
)
