"""What a convention is: a named way to turn scalar work into one number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from graphcost.bounds import Bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphcost.results import NodeCost, Pattern
    from graphcost.terms import Arith

    Formula = Callable[[NodeCost], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """A named way to turn scalar work into FLOPs or MACs.

    A formula for an operator wins over the weights of its terms. An operator that has neither a formula nor a term
    with a weight is not counted by the convention, which is said; it is never a silent zero.
    """

    name: str
    """How the command line calls it."""
    title: str
    """What it counts, in one sentence."""
    source: str
    """Where it is defined."""
    unit: Literal["FLOP", "MAC"]
    """What its numbers are."""
    weights: Mapping[Arith, int] = field(default_factory=dict)
    """What one scalar operation of each kind is worth; a kind that is missing is not counted."""
    formulas: Mapping[str, Formula] = field(default_factory=dict)
    """Its own formulas, by operator of ai.onnx; a formula returns None for a form that the convention leaves out."""
    patterns: Mapping[Pattern, Formula] = field(default_factory=dict)
    """Its own formulas for nodes that are part of something larger."""
    includes_preparation: bool = False
    """Whether work on weights alone counts, although no run repeats it."""

    def formula(self, node: NodeCost) -> Formula | None:
        """Return the convention's own formula for a node, if it has one."""
        return self.patterns.get(node.pattern) or (None if node.node.domain else self.formulas.get(node.node.op_type))

    def value(self, node: NodeCost) -> Bounds | None:
        """Return what the convention counts for a node's own work; None where it does not count the operator.

        Raises UnknownShapeError where its formula needs a dimension that is not known.
        """
        formula = self.formula(node)
        if formula is not None:
            found = formula(node)
            return None if found is None else Bounds.exactly(found)
        counted = [term.bounds.times(self.weights[term.arith]) for term in node.terms if term.arith in self.weights]
        return Bounds.total(counted) if counted or not node.terms else None
