"""What the walk knows of a value, and the operators' type inference in onnx's C++."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

import onnx
from onnx import checker, numpy_helper, shape_inference

from graphcost.call import Fact
from graphcost.load import protos, schema, storage
from graphcost.shapes import amend, guard
from graphcost.types import UNKNOWN, DType, OptionalType, SequenceType, TensorType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from graphcost.call import Stage
    from graphcost.types import Array, Node, Type


@dataclass(slots=True)
class Facts:
    """The shared facts, one for each type and stage."""

    _known: dict[tuple[Type, Stage], Fact] = field(default_factory=dict)

    def get(self, type_: Type, stage: Stage, read: Callable[[], Array] | None = None) -> Fact:
        """Return the fact that says this; `read` gives the elements, where they are known."""
        plain = self._known.get((type_, stage))
        if plain is None:
            plain = self._known[type_, stage] = Fact(type_, stage)
        return plain if read is None else Fact(type_, stage, read, plain)

    def known(self, type_: Type, stage: Stage, elements: Array | None) -> Fact:
        """Return the fact that says this, with the elements themselves."""
        return self.get(type_, stage, None if elements is None else lambda: elements)


READS_FLOATS = frozenset({"OneHot", "Range", "Resize", "Upsample"})
"""The operators whose output shape follows from the elements of a float input."""


def decides_types(op_type: str, type_: Type) -> bool:
    """Return whether an operator's types can follow from the elements of an input of this type."""
    dtype = type_.dtype if isinstance(type_, TensorType) else None
    if dtype is None:
        return False
    return dtype.is_integer or dtype is DType.BOOL or (dtype.is_float and op_type in READS_FLOATS)


def infer(node: Node, inputs: Sequence[Fact | None]) -> tuple[dict[str, Type], str]:
    """Return the types of a node's outputs, by name, and what inference had against the node."""
    definition = schema.definition(node.op_type, node.domain, node.opset)
    if definition is None:
        return {}, ""
    given = [fact.type if fact else None for fact in inputs]
    refusal = guard.refusal(node, given)
    if refusal:
        return {}, refusal
    unread = amend.unread(node, given)
    if unread:
        return dict.fromkeys(node.outputs, unread), ""
    facts = {name: fact for name, fact in zip(node.inputs, inputs, strict=True) if fact is not None}
    types = {name: protos.proto_of(fact.type) for name, fact in facts.items()}
    data = {
        name: numpy_helper.from_array(fact.read(), name)
        for name, fact in facts.items()
        if fact.read is not None and decides_types(node.op_type, fact.type)
    }
    rank = given[0].rank if given and isinstance(given[0], TensorType) and given[0].shape is not None else None
    proto = amend.in_order(node, rank)
    imports = [onnx.helper.make_opsetid(node.domain, min(node.opset, schema.newest(node.domain)))]
    try:
        found = shape_inference.infer_node_outputs(definition, proto, types, data, opset_imports=imports)
    except checker.ValidationError as fault:  # about the node alone, whatever its inputs are
        return {}, _sentence(str(fault))
    except Exception as fault:  # noqa: BLE001  # whatever its C++ throws; it is about this node
        return {}, _sentence(str(fault)) if _sees_all(node, facts.values()) else ""
    return {name: cleaned(protos.type_of(one)) for name, one in found.items()}, ""


def _sees_all(node: Node, facts: Iterable[Fact]) -> bool:
    """Return whether inference has all that it judges by: it refuses what is not known as if it were wrong."""
    left_on_disk = any(isinstance(one, TensorType) for one in node.attributes.values())
    return not left_on_disk and all(_has_elements(fact.type) and not amend.has_no_rank(fact.type) for fact in facts)


def _has_elements(one: Type) -> bool:
    """Return whether the element type is known."""
    match one:
        case TensorType(dtype):
            return dtype is not None
        case SequenceType(element) | OptionalType(element):
            return _has_elements(element)
        case _:
            return True


def cleaned(found: Type) -> Type:
    """Return a type without the names that inference invents, and without sizes that can't be."""
    if not isinstance(found, TensorType) or found.shape is None:
        return found
    clean = TensorType(found.dtype, tuple(dim if isinstance(dim, int) and dim >= 0 else None for dim in found.shape))
    return TensorType(clean.dtype, None) if clean.is_known and clean.elements > storage.LARGEST_COUNT else clean


def _sentence(fault: str) -> str:
    """Return what onnx says without the brackets and places it puts around it."""
    lines = [line for line in fault.splitlines() if line.strip()]
    return lines[-1].split("] ")[-1].strip() if lines else "type inference failed"


def merge(one: Type, two: Type) -> Type:
    """Return what holds for both of two types: a dimension in which they differ is unknown.

    >>> from graphcost.types import DType
    >>> str(merge(TensorType(DType.FLOAT32, (2, 3)), TensorType(DType.FLOAT32, (4, 3))))
    'float32[?, 3]'
    """
    if one == two:
        return one
    match one, two:
        case TensorType(), TensorType():
            return _merged_tensors(one, two)
        case SequenceType(element, entries), SequenceType(other, others):
            if () in {entries, others}:  # an empty list does not tell what an entry is
                return SequenceType(other if entries == () else element)
            return SequenceType(merge(element, other))
        case OptionalType(element), OptionalType(other):
            return OptionalType(merge(element, other), one.is_there if one.is_there == two.is_there else None)
        case _:
            return UNKNOWN


def merge_all(types: Iterable[Type]) -> Type:
    """Return what holds for all of some types; where there are none, nothing is known."""
    found = dict.fromkeys(types)
    return reduce(merge, found) if found else UNKNOWN


def _merged_tensors(one: TensorType, two: TensorType) -> TensorType:
    dtype = one.dtype if one.dtype == two.dtype else None
    if one.shape is None or two.shape is None or len(one.shape) != len(two.shape):
        return TensorType(dtype, None)
    return TensorType(dtype, tuple(a if a == b else None for a, b in zip(one.shape, two.shape, strict=True)))


def scalar(fact: Fact | None) -> int | None:
    """Return the one whole number that a value holds; None where it isn't known, or holds anything else."""
    elements = fact.constant if fact else None
    if elements is None or elements.size != 1 or elements.dtype.kind not in "iub":
        return None
    return int(elements.reshape(-1)[0])
