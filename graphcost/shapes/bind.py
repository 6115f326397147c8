"""Which size each dimension of the inputs has: bound by the user, or assumed and said so."""

from __future__ import annotations

import ast
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphcost.errors import InvalidModelError, UsageError
from graphcost.load import storage
from graphcost.load.quote import shown
from graphcost.results import Assumption
from graphcost.types import Dim, TensorType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from graphcost.types import Graph, Shape, Type

PLAUSIBLE: tuple[tuple[str, int], ...] = (
    (r"batch|^n$|^bs$", 1),
    (r"past|cache", 128),
    (r"seq|len|token|time|step|^t$|^s$|^l$", 128),
    (r"height|width|^h$|^w$|size", 224),
    (r"channel|^c$", 3),
    (r"frame", 16),
    (r"sample|audio|wave", 16_000),
)
"""The size of a free dimension by its name: the first pattern that the name contains holds."""

BY_PLACE: dict[tuple[int, int], int] = {
    (2, 1): 128, (3, 1): 128, (3, 2): 128, (4, 1): 3, (4, 2): 224, (4, 3): 224, (5, 1): 3, (5, 2): 16, (5, 3): 112,
    (5, 4): 112,
}  # fmt: skip
"""The size of a free dimension whose name says nothing, by the input's rank and the axis; any other is 1."""

UNNAMED: tuple[Dim, ...] = (None, 0, -1, "?", "None")
"""What exporters store where a dimension is neither fixed nor named. Two that are called `?` need not be equal."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The inputs' types with every dimension bound, and what had to be assumed for it."""

    types: Mapping[str, Type]
    """The type of each input."""
    assumptions: tuple[Assumption, ...]
    """The dimensions that nobody bound."""


def bind(graph: Graph, dims: Mapping[str, int], shapes: Mapping[str, Sequence[int]]) -> Binding:
    """Give every dimension of the inputs a size.

    `dims` binds dimensions by name (`batch`), or by place where they have none (`input[0]`); `shapes` whole inputs.
    A leading dimension that nobody bound is 1, any other gets a plausible size. Raises UsageError where a binding
    names nothing, or two bindings contradict each other.
    """
    declared = {name: _named(name, graph.values[name].type) for name in graph.inputs}
    bound = _bound(_checked(declared, dims), _from_shapes(declared, shapes))
    assumptions = tuple(_with_total(_assumptions(declared, bound), bound))
    sizes = {**bound, **{one.dimension: one.value for one in assumptions if one.value is not None}}
    _refuse_contradictions(bound, sizes)
    types = {name: _with_sizes(one, sizes, shapes.get(name)) for name, one in declared.items()}
    for name, one in types.items():
        refuse_impossible(f"input {shown(name)}", [dim for dim in _shape(one) if isinstance(dim, int)])
    return Binding(types, assumptions)


def unguessed(graph: Graph, binding: Binding) -> Binding:
    """Return the binding with every guessed dimension left unknown."""
    guessed = {one.dimension for one in binding.assumptions if one.is_guess}
    types = dict(binding.types)
    for name, one in types.items():
        declared = _named(name, graph.values[name].type)
        if isinstance(one, TensorType) and isinstance(declared, TensorType) and one.shape and declared.shape:
            pairs = zip(one.shape, declared.shape, strict=True)
            types[name] = TensorType(one.dtype, tuple(None if _uses(dim, guessed) else size for size, dim in pairs))
    return Binding(types, binding.assumptions)


def _named(name: str, declared: Type) -> Type:
    """Return an input's type with a name for each dimension that has none."""
    if not isinstance(declared, TensorType) or declared.shape is None:
        return declared
    dims = (f"{name}[{axis}]" if dim in UNNAMED else dim for axis, dim in enumerate(declared.shape))
    return TensorType(declared.dtype, tuple(dims))


def _shape(one: Type) -> tuple[Dim, ...]:
    return (one.shape or ()) if isinstance(one, TensorType) else ()


def _bound(dims: Mapping[str, int], given: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the size of each dimension that the user bound by its name, or with a whole shape."""
    bound = dict(dims)
    for dim, size in given:
        if bound.setdefault(dim, size) != size:
            raise UsageError(f"dimension {shown(dim)} is bound to {bound[dim]} and to {size}")
    return bound


def _from_shapes(declared: Mapping[str, Type], shapes: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, int]]:
    """Yield the sizes that whole shapes give to named dimensions."""
    for name, shape in shapes.items():
        if name not in declared:
            raise UsageError(f"the model has no input {shown(name)}, it has {_listed(declared)}")
        wanted = declared[name]
        if not isinstance(wanted, TensorType):
            raise UsageError(f"input {shown(name)} is a {wanted}, which has no shape")
        if wanted.shape is not None and len(wanted.shape) != len(shape):
            raise UsageError(
                f"input {shown(name)} has {len(wanted.shape)} dimensions, the shape given for it {len(shape)}"
            )
        yield from ((dim, size) for dim, size in zip(_shape(wanted), shape, strict=False) if isinstance(dim, str))


def _checked(declared: Mapping[str, Type], dims: Mapping[str, int]) -> Mapping[str, int]:
    known = set(_names(declared))
    for name, size in dims.items():
        if name not in known:
            raise UsageError(f"no input has a dimension {shown(name)}, there is {_listed(known)}")
        refuse_impossible(f"dimension {shown(name)}", [size])
    return dims


def refuse_impossible(what: str, sizes: Sequence[int]) -> None:
    """Raise UsageError where no tensor can have these sizes."""
    try:
        storage.element_count(sizes)
    except InvalidModelError as fault:
        raise UsageError(f"{what}: {fault}") from None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(shown, sorted(names))) or "none"


def _names(declared: Mapping[str, Type]) -> Iterator[str]:
    """Yield the names of all symbolic dimensions, those inside expressions included."""
    for one in declared.values():
        for dim in _shape(one):
            if isinstance(dim, str):
                yield dim
                yield from _variables(dim)


def _assumptions(declared: Mapping[str, Type], bound: Mapping[str, int]) -> Iterator[Assumption]:
    """Yield a size for each dimension that is neither bound nor follows from those that are.

    A dimension leads where it stands first, unless another input has it behind one that leads there: the sequence of a
    mask [sequence, sequence] beside tokens [batch, sequence].
    """
    seen = set(bound)
    inside = {dim for one in declared.values() for dim in _behind_another(_shape(one))}
    for leading in (True, False):
        for one in declared.values():
            shape = _shape(one)
            for axis, dim in enumerate(shape):
                if isinstance(dim, str) and (axis == 0 and dim not in inside) is leading and (axis or leading):
                    names = [] if dim in seen else _variables(dim)
                    for name in names or ({dim} if dim not in seen else ()):
                        if name not in seen:
                            seen.add(name)
                            yield _assume(name, axis, len(shape), is_part=bool(names))


def _behind_another(shape: Shape) -> Iterator[Dim]:
    """Yield the dimensions of an input that stand behind another named one."""
    if shape and isinstance(shape[0], str):
        yield from (dim for dim in shape[1:] if dim != shape[0])


_PAST, _NEW, _TOTAL = (re.compile(one, re.IGNORECASE) for one in ("past|cache", "seq|len|token", "total"))


def _with_total(found: Iterable[Assumption], bound: Mapping[str, int]) -> Iterator[Assumption]:
    """Yield the assumptions; a total that nobody bound is the past and the new part together, if both have a name."""
    found = list(found)
    sizes = {**{one.dimension: one.value for one in found if one.value is not None}, **bound}
    past = [name for name in sizes if _PAST.search(name) and not _TOTAL.search(name)]
    new = [name for name in sizes if _NEW.search(name) and name not in past and not _TOTAL.search(name)]
    for one in found:
        if one.is_guess and _TOTAL.search(one.dimension) and len(past) == len(new) == 1:
            reason = f"{past[0]} and {new[0]} together; bind it with --dim {one.dimension}="
            yield Assumption(one.dimension, sizes[past[0]] + sizes[new[0]], reason, is_guess=True)
        else:
            yield one


def _refuse_contradictions(bound: Mapping[str, int], sizes: Mapping[str, int]) -> None:
    """Raise UsageError where a formula was bound, and a part of it had to be assumed that makes it something else."""
    for name, size in bound.items():
        assumed = [part for part in _variables(name) if part not in bound]
        found = _evaluate(name, sizes) if assumed else None
        if found is not None and found != size:
            clash = f"is bound to {size}, its parts make it {found}"
            raise UsageError(f"dimension {shown(name)} {clash}: bind {_listed(assumed)}")


def _assume(name: str, axis: int, rank: int, *, is_part: bool) -> Assumption:
    """Return a size for a dimension, or for a part of its formula, which is no leading dimension itself."""
    if _FORMULA.search(name):
        reason = f"a formula that can't be evaluated is left unknown; bind it with --dim '{name}='"
        return Assumption(name, None, reason, is_guess=True)
    by_name = next((size for pattern, size in PLAUSIBLE if _says(name, pattern)), None)
    if axis == 0 and not is_part:
        reason = "leading dimension: one sample"
        if by_name in {None, 1}:
            return Assumption(name, 1, reason, is_guess=False)
        return Assumption(
            name, 1, f"{reason}, though its name says otherwise; bind it with --dim {name}=", is_guess=True
        )
    if by_name is not None:
        reason = f"plausible for a dimension of this name; bind it with --dim {name}="
        return Assumption(name, by_name, reason, is_guess=True)
    size = BY_PLACE.get((rank, axis), 1)
    return Assumption(name, size, f"plausible for axis {axis} of {rank}; bind it with --dim {name}=", is_guess=True)


_FORMULA = re.compile(r"[()*/+]")
"""What is in a name that is a formula; one that could be evaluated was taken apart before."""


def _says(name: str, pattern: str) -> bool:
    return "[" not in name and re.search(pattern, name, re.IGNORECASE) is not None


def _with_sizes(declared: Type, sizes: Mapping[str, int], shape: Sequence[int] | None) -> Type:
    if not isinstance(declared, TensorType):
        return declared
    if shape is not None:
        return TensorType(declared.dtype, tuple(shape))
    if declared.shape is None:
        return declared
    return TensorType(declared.dtype, tuple(_size(dim, sizes) for dim in declared.shape))


def _size(dim: Dim, sizes: Mapping[str, int]) -> int | None:
    if not isinstance(dim, str):
        return dim
    return sizes[dim] if dim in sizes else _evaluate(dim, sizes)


def _uses(dim: Dim, names: set[str]) -> bool:
    return isinstance(dim, str) and (dim in names or not names.isdisjoint(_variables(dim)))


_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.FloorDiv: operator.floordiv,
}
_PARTS = (ast.BinOp, ast.Name, ast.Constant, ast.expr_context, *_OPERATORS)


def _variables(dim: str) -> list[str]:
    """Return the names inside an expression such as `past + sequence`; none where it is a plain name."""
    tree = _parsed(dim)
    if tree is None or isinstance(tree, ast.Name):
        return []
    return sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})


_EXPRESSION = re.compile(r"(?:\s*(?:[A-Za-z_]\w*\b|\d+\b|[+*/()]|-(?!\w*[A-Za-z_])))+\s*")
"""Names, numbers and operators; a hyphen before a name belongs to it: `sequence-length` is no difference."""


def _parsed(dim: str) -> ast.expr | None:
    """Return the syntax tree of an arithmetic expression, None for any other name."""
    if len(dim) > 200 or not _EXPRESSION.fullmatch(dim):  # a longer name comes from a hostile file
        return None
    try:
        tree = ast.parse(dim.strip(), mode="eval").body
    except SyntaxError:
        return None
    return tree if all(isinstance(part, _PARTS) for part in ast.walk(tree)) else None


def _evaluate(dim: str, sizes: Mapping[str, int]) -> int | None:
    tree = _parsed(dim)
    size = None if tree is None else _value(tree, sizes)
    return None if size is None or size < 0 else size


def _value(tree: ast.expr, sizes: Mapping[str, int]) -> int | None:
    match tree:
        case ast.Constant(value=int() as value):
            return int(value)
        case ast.Name(id=name):
            return sizes.get(name)
        case ast.BinOp(left, kind, right) if type(kind) in _OPERATORS:
            one, two = _value(left, sizes), _value(right, sizes)
            if one is None or two is None or (two == 0 and isinstance(kind, ast.Div | ast.FloorDiv)):
                return None
            return _OPERATORS[type(kind)](one, two)
        case _:
            return None
