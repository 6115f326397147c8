"""The cases of onnx's own backend tests, with which the loops must agree."""

from __future__ import annotations

from importlib import import_module

from onnx import helper
from onnx.backend.test.case import node as backend


def cases(op_type):
    """Return an operator's cases: name, inputs, outputs, attributes."""
    import_module(f"{backend.__name__}.{op_type.lower()}")  # a case registers itself when it is imported
    registered = backend._NodeTestCases  # noqa: SLF001  # the public collect_testcases imports all operators' cases
    alone = [case for case in registered if len(case.model.graph.node) == 1]
    return [
        (case.name, *case.data_sets[0], _attributes(case.model.graph.node[0]))
        for case in alone
        if case.model.graph.node[0].op_type == op_type
    ]


def _attributes(node):
    found = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}
