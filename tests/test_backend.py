"""onnx's own backend tests, 2,024 models with every input and output: each type that is claimed is that of the output.

Inputs whose elements decide a shape are held as constants, as models hold them; all others stay inputs.
"""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto
from oracles import backend

from graphcost import analyze, shapes
from graphcost.cost import Pricer
from graphcost.load import load, protos
from graphcost.order import sort
from graphcost.results import Status
from graphcost.types import UNKNOWN, OptionalType, SequenceType, TensorType

DATA_DEPENDENT = {
    "ImageDecoder": "the height and width stand in the encoded image",
    "NonMaxSuppression": "how many boxes overlap no better one",
    "NonZero": "how many elements are not zero",
    "StringNormalizer": "how many strings are no stopwords",
    "StringSplit": "how many parts the string of the most parts has",
    "Unique": "how many elements differ from all others",
}
"""The operators whose output's shape follows from elements that no model holds as constants, and from what of them."""

KNOWN_ALL_THE_SAME = {"test_strnorm_model_nostopwords_nochangecase", "test_strnormalizer_nostopwords_nochangecase"}
"""The cases of these operators whose shapes are known."""

UNTOLD = {
    "ImageDecoder": "the format and the size of the encoded image",
    "Loop": "the expanded SequenceMap over lists whose entries differ in shape: one body is priced for all",
    "RegexFullMatch": "the lengths of the strings",
    "SequenceMap": "lists whose entries differ in shape: one body is priced for all",
    "StringNormalizer": "the lengths of the strings",
    "StringSplit": "the lengths of the strings",
}
"""The operators whose work is not known in some case, and what it follows from."""


@pytest.fixture(scope="module")
def typed():
    """Return the typed graph of each case, its inputs as they are."""
    return {case.name: infer(*backend.bound(case)) for case in backend.all_cases()}


@pytest.fixture(scope="module")
def claims(typed):
    """Return case, claimed type and real value of each output."""
    return [claim for case in backend.all_cases() for claim in claimed(case, typed[case.name])]


def infer(built, sizes):
    return shapes.infer(sort(load(built)), {}, sizes).graph


def claimed(case, graph):
    return [(case.name, graph.type_of(name), one) for name, one in zip(graph.graph.outputs, case.outputs, strict=True)]


def test_no_case_is_missing():
    assert len(backend.all_cases()) == 2_024


def test_no_claim_is_wrong(claims):
    assert [(name, str(one), backend.shape_of(value)) for name, one, value in claims if not holds(one, value)] == []


def test_no_claim_is_wrong_where_no_element_is_known():
    claims = [claim for case in backend.all_cases() for claim in claimed(case, infer(case.model, backend.sizes(case)))]
    assert [(name, str(one), backend.shape_of(value)) for name, one, value in claims if not holds(one, value)] == []


def test_every_shape_is_known_that_does_not_depend_on_data(claims, typed):
    unknown = {name for name, one, _ in claims if not is_exact(one)}
    excepted = {
        name for name, graph in typed.items() if any(node.op_type in DATA_DEPENDENT for node in graph.graph.nodes)
    }
    assert unknown == excepted - KNOWN_ALL_THE_SAME
    assert excepted >= KNOWN_ALL_THE_SAME


def test_each_exception_has_a_case(typed):
    used = {node.op_type for graph in typed.values() for node in graph.graph.nodes}
    assert used >= DATA_DEPENDENT.keys()


def holds(one, value):
    """Return whether a type holds for a value; what is unknown in it holds for any."""
    one = one.element if isinstance(one, OptionalType) else one
    if one == UNKNOWN:
        return True
    if isinstance(value, list):
        return isinstance(one, SequenceType) and holds_for_each(entries_of(one) or [one.element] * len(value), value)
    if not isinstance(one, TensorType) or one.dtype not in {None, dtype_of(value)}:
        return False
    shape = backend.shape_of(value)
    pairs = zip(one.shape or (), shape, strict=False)
    return one.shape is None or (len(one.shape) == len(shape) and all(dim in {None, size} for dim, size in pairs))


def holds_for_each(types, values):
    return len(types) == len(values) and all(map(holds, types, values))


def entries_of(one):
    return None if one.entries is None else [entry for entry, times in one.entries for _ in range(times)]


def dtype_of(value):
    return protos.tensor_type(value).dtype if isinstance(value, TensorProto) else protos.dtype_of(np.asarray(value))


def is_exact(one):
    """Return whether nothing of a type is unknown."""
    match one:
        case TensorType(dtype, _):
            return dtype is not None and one.is_known
        case SequenceType():
            return one.entries is not None and all(map(is_exact, entries_of(one)))
        case OptionalType(element, is_there):
            return is_there is False or (is_there is True and is_exact(element))


@pytest.fixture(scope="module")
def nodes(typed):
    """Return case and cost of each node."""
    return [(name, node) for name, graph in typed.items() for node in Pricer({}).graph(graph)]


def test_no_node_is_called_invalid(nodes):
    assert [(name, node.id, node.reason) for name, node in nodes if node.status is Status.INVALID] == []


def test_no_operator_is_unpriced(nodes):
    assert [node.node.operator for _, node in nodes if node.status is Status.UNPRICED] == []


def test_all_work_is_known_that_does_not_depend_on_data(nodes):
    assert {node.node.op_type for _, node in nodes if node.status is Status.UNKNOWN} == UNTOLD.keys()


def test_without_known_elements_every_case_is_analysed_too():
    """As the files are: what decides a shape is an input, too, and is not known."""
    reports = ((case.name, analyze(case.model)) for case in backend.all_cases())
    rows = ((name, row.cost) for name, report in reports for row in report.rows)
    assert [(name, cost.reason) for name, cost in rows if cost.status is Status.INVALID] == []
