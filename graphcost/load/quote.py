"""How messages quote what a file says: escaped, and cut where it is long."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphcost.types import Node

_LONGEST = 80
_MOST = 8


def shown(name: str) -> str:
    r"""Return a name in quotes.

    >>> print(shown("conv\n1"))
    'conv\n1'
    """
    return repr(name) if len(name) <= _LONGEST else f"{name[:_LONGEST]!r}..."


def listed(items: Sequence[object], between: str = ", ") -> str:
    """Return the first few of some numbers or quoted names.

    >>> listed([2, 3]), listed(range(100))
    ('2, 3', '0, 1, 2, 3, 4, 5, 6, 7, ... 100 in all')
    """
    head = between.join(map(str, items[:_MOST]))
    return head if len(items) <= _MOST else f"{head}{between}... {len(items)} in all"


def label(node: Node) -> str:
    """Return how messages name a node: operator, opset, and its name or first output."""
    return f"{node.operator}-{node.opset} {shown(node.name or next(filter(None, node.outputs), ''))}"
