"""What a neural network costs, read from its graph: parameters, bytes, MACs, FLOPs and latency.

>>> import graphcost
>>> report = graphcost.analyze("models/mnist_cnn.onnx")
>>> report.total.parameters, report.total.macs.best, report.complete
(121930, 2528000, True)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphcost.analysis import analyze
    from graphcost.call import Call
    from graphcost.chart import plot
    from graphcost.comparison import Comparison, compare
    from graphcost.custom import rule
    from graphcost.errors import GraphcostError, InvalidModelError, SourceError, UsageError
    from graphcost.explanation import Explanation, explain
    from graphcost.export import Export, convert
    from graphcost.operators import list_conventions, list_devices, list_operators
    from graphcost.report import render
    from graphcost.results import IncompleteError, Report
    from graphcost.terms import Arith, Term, work
    from graphcost.types import DType, TensorType

__all__ = [
    "Arith",
    "Call",
    "Comparison",
    "DType",
    "Explanation",
    "Export",
    "GraphcostError",
    "IncompleteError",
    "InvalidModelError",
    "Report",
    "SourceError",
    "TensorType",
    "Term",
    "UsageError",
    "analyze",
    "compare",
    "convert",
    "explain",
    "list_conventions",
    "list_devices",
    "list_operators",
    "plot",
    "render",
    "rule",
    "work",
]

_HOMES = {
    "Arith": "terms",
    "Call": "call",
    "Comparison": "comparison",
    "DType": "types",
    "Explanation": "explanation",
    "Export": "export",
    "IncompleteError": "results",
    "Report": "results",
    "TensorType": "types",
    "Term": "terms",
    "analyze": "analysis",
    "compare": "comparison",
    "convert": "export",
    "explain": "explanation",
    "list_conventions": "operators",
    "list_devices": "operators",
    "list_operators": "operators",
    "plot": "chart",
    "render": "report",
    "rule": "custom",
    "work": "terms",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: onnx and networkx take 0.2 s together."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
