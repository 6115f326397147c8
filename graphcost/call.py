"""What a rule sees: one application of an operator with every type at hand, and the graphs made of such calls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.types import UNKNOWN, TensorType, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from graphcost.types import Array, DType, Graph

T = TypeVar("T")


class Stage(IntEnum):
    """When a value can be known, which says how often it is computed."""

    PREPARATION = 0
    """From weights and constants alone: once, when the model is loaded."""
    SHAPE = 1
    """Once the dimensions are bound: shape arithmetic, masks, ranges."""
    RUN = 2
    """From the inputs' elements: in every run."""


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """What is known of a value. Facts without elements are shared, so that a signature can hold them by identity."""

    type: Type
    """Its type."""
    stage: Stage
    """When it is known."""
    read: Callable[[], Array] | None = None
    """Reads its elements, where they are known before any run and few."""
    plain: Fact | None = None
    """The shared fact that says the same without the elements; None where this is it."""

    @property
    def constant(self) -> Array | None:
        """Its elements, where they are known before any run and few."""
        return self.read() if self.read else None


@dataclass(frozen=True, slots=True)
class Schema:
    """What the specification says about an operator at one opset: the names of its inputs, outputs, attributes."""

    since: int
    """The opset in which this version of the operator appeared."""
    inputs: tuple[str, ...]
    """Names of the inputs; a variadic one stands last."""
    outputs: tuple[str, ...]
    """Names of the outputs; a variadic one stands last."""
    defaults: Mapping[str, Any]
    """The attributes that have a default, as Python values."""
    optional_outputs: frozenset[int] = frozenset()
    """Places of the outputs that need not be there."""
    has_body: bool = False
    """Whether the specification gives the operator a function body."""


NO_SCHEMA = Schema(since=1, inputs=(), outputs=(), defaults={})


class Fusion(Enum):
    """Whether a node works for itself, where a runtime computes on quantized values."""

    ALONE = "alone"
    """It does what it says."""
    GONE = "gone"
    """Its readers compute on the quantized values: nothing is dequantized."""
    INSIDE = "inside"
    """The kernel that reads it does its work, in every run; it moves nothing itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One operator applied to inputs of known types. Nodes with the same signature share one Call."""

    op_type: str
    """The operator."""
    domain: str = ""
    """Its domain; empty for ai.onnx."""
    opset: int = 1
    """The version of the domain."""
    schema: Schema = NO_SCHEMA
    """Names and defaults, from the specification."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """The attributes that the node sets."""
    inputs: tuple[Type | None, ...] = ()
    """The inputs' types, in order; None where an optional one is left out."""
    outputs: tuple[Type | None, ...] = ()
    """The outputs' types, in order; None where an optional one is left out."""
    constants: tuple[Array | None, ...] = ()
    """The inputs' elements, where they are known and decide what comes out: integers, and all of a constant call."""
    stages: tuple[Stage, ...] = ()
    """When each input is known."""
    stage: Stage = Stage.RUN
    """When the outputs are known."""
    problem: str = ""
    """Why type inference refused the node; empty where it didn't."""
    bodies: tuple[Body, ...] = ()
    """What it runs: branches, a loop's body, a function's."""
    part: TypedGraph | None = None
    """Of a Gradient, the part of the graph that it derives; None where there is none."""
    fusion: Fusion = Fusion.ALONE
    """Whether a kernel that reads quantized values does its work."""
    reads: tuple[Type | None, ...] | None = None
    """What such a kernel reads in place of the inputs; None where it reads these."""
    writes: tuple[Type | None, ...] | None = None
    """What such a kernel writes in place of the outputs; None where it writes these."""

    def input(self, name: str) -> TensorType:
        """Return the type of a required input, fully known."""
        found = self.optional(name)
        if found is None:
            raise self.error(f"wants the input {name}, there is none")
        return found

    def optional(self, name: str) -> TensorType | None:
        """Return the type of an optional input, fully known; None where it is left out."""
        return self._tensor(name, _at(name, self.schema.inputs, self.inputs))

    def partial(self, name: str) -> TensorType:
        """Return the type of an input as far as it is known; UnknownShapeError where not even its rank is."""
        found = _at(name, self.schema.inputs, self.inputs)
        if found is None:
            raise self.error(f"wants the input {name}, there is none")
        if not isinstance(found, TensorType) or found.shape is None:
            raise UnknownShapeError(f"the rank of {name} is not known")
        return found

    def variadic(self, name: str) -> tuple[TensorType, ...]:
        """Return the types of a variadic input, which takes all that follow."""
        present = self.inputs[self.schema.inputs.index(name) :]
        return tuple(found for one in present if (found := self._tensor(name, one)) is not None)

    def output(self, name: str) -> TensorType:
        """Return the type of an output that is there, fully known."""
        found = self._tensor(name, _at(name, self.schema.outputs, self.outputs))
        if found is None:
            raise self.error(f"wants the output {name}, there is none")
        return found

    def has_input(self, name: str) -> bool:
        """Return whether an optional input is given; this version of the operator may have none of that name."""
        return name in self.schema.inputs and _at(name, self.schema.inputs, self.inputs) is not None

    def has_output(self, name: str) -> bool:
        """Return whether an optional output is asked for."""
        return _at(name, self.schema.outputs, self.outputs) is not None

    def attr(self, name: str, kind: type[T]) -> T:
        """Return an attribute, or the specification's default for it."""
        value = self.attributes.get(name, self.schema.defaults.get(name))
        if value is None:
            raise self.error(f"wants the attribute {name}, there is none")
        if not isinstance(value, kind):
            raise self.error(f"wants {name} to be of type {kind.__name__}, it is {value!r}")
        return value

    def attr_or(self, name: str, kind: type[T], default: T) -> T:
        """Return an attribute, or a default that the specification gives in words only."""
        known = name in self.attributes or name in self.schema.defaults
        return self.attr(name, kind) if known else default

    def choice(self, name: str, allowed: Iterable[str], default: str | None = None) -> str:
        """Return an attribute that is one of a few words."""
        found = self.attr(name, str) if default is None else self.attr_or(name, str, default)
        words = tuple(allowed)
        if found not in words:
            raise self.error(f"wants {name} to be one of {', '.join(words)}, it is {found!r}")
        return found

    def known(self, name: str) -> Array | None:
        """Return the elements of an input; None where they aren't known, or it is left out."""
        return _at(name, self.schema.inputs, self.constants) if name in self.schema.inputs else None

    def known_integer(self, name: str) -> int | None:
        """Return the one integer that an input holds; None where it isn't known, or it is left out."""
        found = self.known(name)
        if found is None:
            return None
        if found.size != 1:
            raise self.error(f"wants {name} to have 1 element, it has {found.size}")
        if found.dtype.kind not in "iu":
            raise self.error(f"wants {name} to be an integer, it is of type {found.dtype}")
        return int(found.reshape(-1)[0])

    def constant(self, name: str) -> Array:
        """Return the elements of an input; UnknownShapeError where they aren't known."""
        found = self.known(name)
        if found is None:
            raise UnknownShapeError(f"the elements of {name} are not known")
        return found

    def scalar(self, name: str) -> float:
        """Return the one element of an input; UnknownShapeError where it isn't known."""
        found = self.constant(name)
        if found.size != 1:
            raise self.error(f"wants {name} to have 1 element, it has {found.size}")
        one: float = found.reshape(-1)[0].item()  # an integer stays one, however large
        return one

    @property
    def operator(self) -> str:
        """The operator's name with its domain, where that isn't ai.onnx."""
        return f"{self.domain}.{self.op_type}" if self.domain else self.op_type

    @property
    def dtype(self) -> DType | None:
        """The type it computes in, unless a term says otherwise: that of its first tensor input, else output."""
        types = (one for one in (*self.inputs, *self.outputs) if isinstance(one, TensorType))
        return next((one.dtype for one in types if one.dtype is not None), None)

    @property
    def product_dtype(self) -> DType | None:
        """The type in which it multiplies: that of the first value that its kernel reads."""
        first = self.reads[0] if self.reads else None
        return first.dtype if isinstance(first, TensorType) else self.dtype

    def with_bodies(self, change: Callable[[TypedGraph], TypedGraph]) -> Call:
        """Return the call with each graph that it runs changed; itself, where none changes."""
        bodies = tuple(replace(body, graph=change(body.graph)) for body in self.bodies)
        is_same = all(new.graph is old.graph for new, old in zip(bodies, self.bodies, strict=True))
        return self if is_same else replace(self, bodies=bodies)

    def error(self, message: str) -> NodeError:
        """Return the error that says what the specification wants and what is there."""
        return NodeError(message)

    def _tensor(self, name: str, found: Type | None) -> TensorType | None:
        if found is None:
            return None
        if not isinstance(found, TensorType):
            raise self.error(f"wants {name} to be a tensor, it is {found}")
        if not found.is_known:
            raise UnknownShapeError(f"the shape of {name}, {found}, is not known")
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A graph that a node runs."""

    label: str
    """Which one: `then_branch`, `body`, a function's name."""
    times: int | None
    """How often each run of the node runs it; None where that isn't known."""
    graph: TypedGraph
    """Its calls."""


@dataclass(frozen=True, slots=True, eq=False)
class TypedGraph:
    """A graph with the type of every value, as far as they can be known."""

    graph: Graph
    """The graph."""
    calls: tuple[Call, ...]
    """One per node, in the same order; nodes with the same signature share one."""
    facts: Mapping[str, Fact]
    """What is known of each value; one that nothing writes has none."""

    def each(self) -> Iterator[TypedGraph]:
        """Yield this graph and those of all bodies below it, each once."""
        seen = {self}
        stack = [self]
        while stack:
            graph = stack.pop()
            yield graph
            inner = {body.graph: None for call in graph.calls for body in call.bodies if body.graph not in seen}
            seen.update(inner)
            stack.extend(inner)

    def type_of(self, name: str) -> Type:
        """Return a value's type."""
        fact = self.facts.get(name)
        return fact.type if fact else UNKNOWN

    def stage_of(self, name: str) -> Stage:
        """Return when a value is known."""
        fact = self.facts.get(name)
        return fact.stage if fact else Stage.RUN


def _at(name: str, names: tuple[str, ...], values: tuple[T, ...]) -> T | None:
    index = names.index(name)
    return values[index] if index < len(values) else None


def spatial(shape: tuple[int, ...]) -> int:
    """Return the product of the spatial dimensions of (N, C, *spatial).

    >>> spatial((1, 3, 224, 224))
    50176
    """
    return prod(shape[2:])
