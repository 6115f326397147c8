"""One TOML file per device: SI figures, every figure with its source."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from graphcost.errors import UsageError


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its origin."""

    value: float
    """In SI units: FLOP/s, B/s, B."""
    source: str
    """Where it stands, or how it was derived."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a network can run on."""

    name: str
    """How the command line calls it."""
    title: str
    """What it is."""
    rate: Figure | None
    """For a flat device: FLOP/s, whatever the work."""
    peak: dict[str, Figure]
    """For a roofline: the most FLOP/s by element type, dense."""
    bandwidth: Figure | None
    """For a roofline: the most B/s between memory and cores."""
    memory: Figure | None
    """B of memory, where it has one size."""

    @property
    def grade(self) -> str:
        """What its latencies rest on: `flat` or `datasheet`."""
        return "flat" if self.rate else "datasheet"


@cache
def devices() -> tuple[Device, ...]:
    """Return all devices, by name."""
    files = (one for one in resources.files(__name__).iterdir() if one.name.endswith(".toml"))
    return tuple(sorted((_device(tomllib.loads(one.read_text("utf-8"))) for one in files), key=lambda one: one.name))


def find(name: str) -> Device:
    """Return a device by its name; UsageError where there is none."""
    for one in devices():
        if one.name == name:
            return one
    raise UsageError(f"there is no device {name!r}; there are {', '.join(one.name for one in devices())}")


def _device(table: dict[str, Any]) -> Device:
    return Device(
        name=table["name"],
        title=table["title"],
        rate=_figure(table.get("rate")),
        peak={dtype: Figure(**figure) for dtype, figure in table.get("peak", {}).items()},
        bandwidth=_figure(table.get("bandwidth")),
        memory=_figure(table.get("memory")),
    )


def _figure(table: dict[str, Any] | None) -> Figure | None:
    return Figure(**table) if table else None
