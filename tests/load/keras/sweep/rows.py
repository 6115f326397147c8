"""What one row of the sweep says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

N = 2
"""The batch at which every row is converted, counted and run."""


@dataclass(frozen=True)
class Given:
    """An input of the model; the batch comes before its shape."""

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    low: float = -1.0
    high: float = 1.0
    batch: int | None = None
    """The batch, where the model has a fixed one."""


@dataclass(frozen=True)
class Row:
    """One configuration of a layer, and what Keras' documentation says about it."""

    name: str
    """What it is."""
    build: Callable
    """Calls the layer on the inputs."""
    inputs: tuple[Given, ...]
    """The inputs."""
    macs: int = 0
    """The products that are summed up, of all N samples, by the layer's own definition."""
    unpriced: frozenset[str] = field(default=frozenset())
    """The operators that tf2onnx leaves as they are."""
    policy: str = "float32"
    """The types in which it computes and keeps its weights."""
    dims: dict[str, int] = field(default_factory=dict)
    """The sizes of the inputs' free dimensions, by their names."""
    quick: bool = False
    """Whether it is checked at every push."""


def row(name, build, *inputs, macs=0, unpriced="", policy="float32", dims=None, quick=False):
    """Return a row; an input that is a plain shape holds float32."""
    given = tuple(one if isinstance(one, Given) else Given(one) for one in inputs)
    return Row(name, build, given, macs, frozenset(unpriced.split()), policy, dims or {}, quick)


def words(*shape, below):
    """Return an input of integers from 0 to below `below`."""
    return Given(shape, "int32", 0, below)


def pixels(*shape):
    """Return an input of numbers from 0 to 255."""
    return Given(shape, "float32", 0, 255)
