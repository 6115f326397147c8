"""Lists among the attributes: what a model learnt stands there, and long lists are left on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from graphcost.types import TensorType

if TYPE_CHECKING:
    from graphcost.call import Call

T = TypeVar("T")


def length(call: Call, *names: str) -> int:
    """Return how many entries a list has, in hand or left on disk, the first of these that there is; 0 without one."""
    name = next((name for name in names if name in call.attributes), "")
    found: Any = call.attributes.get(name, ())
    if isinstance(found, TensorType):
        return found.elements
    if isinstance(found, tuple):
        return len(found)
    if not hasattr(found, "size"):
        raise call.error(f"wants {name} to be a list, it is {found!r}")
    return int(found.size)


def entries(call: Call, name: str, kind: type[T]) -> tuple[T, ...] | None:
    """Return a list's entries, none where there is no such list; None where they were left on disk."""
    found: Any = call.attributes.get(name, ())
    if isinstance(found, TensorType):
        return None
    if hasattr(found, "reshape"):
        found = tuple(found.reshape(-1).tolist())
    if not isinstance(found, tuple) or not all(isinstance(one, kind) for one in found):
        raise call.error(f"wants {name} to be a list of type {kind.__name__}, it is another")
    return found
