"""What a whole model takes: weights, memory, work by element type, latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from graphcost.bounds import NOTHING, Bounds

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Weights:
    """What the stored tensors take."""

    parameters: int
    """Elements that fill a weight's place, shared ones once."""
    stored: Mapping[str, int]
    """Bytes stored, by element type; types below a byte packed."""
    prepared: Bounds
    """Bytes that preparation leaves behind: transposed copies, dequantized or generated weights."""
    are_all_seen: bool = True
    """Whether no operator without a price runs graphs, which may hold more parameters."""

    @property
    def bytes(self) -> int:
        """Bytes of all stored tensors."""
        return sum(self.stored.values())

    @property
    def resident(self) -> Bounds:
        """Bytes of the stored tensors and of what preparation leaves behind."""
        return Bounds.exactly(self.bytes) + self.prepared


@dataclass(frozen=True, slots=True)
class Live:
    """A value that is alive at the peak."""

    name: str
    """The value."""
    bytes: int
    """What it takes."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What values take while the model runs, weights left out."""

    activations: Bounds
    """Bytes of all values that nodes compute from the inputs, those that are views left out."""
    peak: Bounds
    """The most bytes alive at once over the schedule: inputs, outputs and intermediate values."""
    peak_at: str
    """The id of the node at which that is."""
    alive: tuple[Live, ...]
    """What is alive there, the largest first."""
    state: Bounds = NOTHING
    """Bytes that a run hands on to the next one: cached keys and values. They are part of its outputs."""


@dataclass(frozen=True, slots=True)
class WorkIn:
    """The work of every run that is computed in one element type."""

    dtype: str
    """The element type."""
    macs: Bounds
    """Multiply-accumulates."""
    operations: Bounds
    """All scalar operations: 2 per multiply-accumulate, 1 per any other."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one run takes on a device."""

    device: str
    """The device's name."""
    seconds: float
    """The time; for a roofline, a lower bound."""
    bound: Literal["compute", "memory", "dispatch"]
    """What limits it."""
    grade: Literal["flat", "datasheet", "fitted", "calibrated"]
    """What the device's figures rest on."""
    error: float | None = None
    """The measured relative error, where there is one."""
    is_lower_bound: bool = True
    """Whether it can only take longer."""
    shortest: float | None = None
    """The low end, where the work is a range."""
