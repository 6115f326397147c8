"""One small table per convention."""

from __future__ import annotations

from graphcost.convention import Convention
from graphcost.conventions.plain import GRAPHCOST, MACS, MACS_WITH_BIAS
from graphcost.conventions.textbook import TEXTBOOK
from graphcost.conventions.tf_profiler import TF_PROFILER
from graphcost.errors import UsageError

__all__ = ["Convention", "conventions", "find"]

_ALL = (GRAPHCOST, MACS, MACS_WITH_BIAS, TEXTBOOK, TF_PROFILER)


def conventions() -> tuple[Convention, ...]:
    """Return all conventions, the default first."""
    return _ALL


def find(name: str) -> Convention:
    """Return a convention by its name; UsageError where there is none."""
    for one in _ALL:
        if one.name == name:
            return one
    raise UsageError(f"there is no convention {name!r}; there are {', '.join(one.name for one in _ALL)}")
