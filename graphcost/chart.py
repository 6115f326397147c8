"""Reports -> a bar chart: what several models take, side by side. It draws the reports' numbers and adds none."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphcost import units
from graphcost.errors import UsageError
from graphcost.report import escape
from graphcost.report.columns import cost_title
from graphcost.report.ink import bounded

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from graphcost.bounds import Bounds
    from graphcost.results import Report
    from graphcost.totals import Latency

PANEL, LINE, NOTE = 3.0, 0.5, 0.25
"""Inches that a panel is wide, and that a model and a note are high."""
LONGEST = 10**300
"""Where a bar ends whose number no float holds; its label says the number."""
LABEL = 30
"""Characters that a label may have: beyond the largest prefix, numbers have hundreds of digits."""
HATCH = "////"
"""What fills a bar that stands for no exact number."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One number of one model."""

    length: float
    """The number."""
    label: str
    """The number as people read it; `>=` stands before a lower bound."""
    is_exact: bool
    """Whether it is neither a lower bound nor the end of a range."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One number of all models."""

    title: str
    """What is measured."""
    bars: tuple[Bar | None, ...]
    """A bar for each model; None where the convention counts nothing of it."""


def plot(reports: Sequence[Report], output: str | os.PathLike[str], *, names: Sequence[str] = ()) -> Path:
    """Draw the parameters, weights, work and time of models as bars, and return the file that was written.

    The suffix of `output` says how it is written: .png, .svg, .pdf; `names` are what the models are called, else what
    their sources are. A bar that stands for no exact number is hatched. Raises UsageError where matplotlib (extra
    `plot`) is missing, where the reports count by different conventions or devices, or where nothing can be written.
    """
    path = Path(output)
    panels = tuple(panels_of(reports))
    called = [escape.name(one) for one in names or map(_name, reports)]
    if len(called) != len(reports):
        raise UsageError(f"{len(reports)} reports want as many names, got {len(called)}")
    _write(_figure(panels, called, tuple(_notes(reports, called, panels))), path)
    return path


def panels_of(reports: Sequence[Report]) -> Iterator[Panel]:
    """Yield what is drawn of some reports; UsageError where their numbers can't stand side by side."""
    if not reports:
        raise UsageError("a chart wants one report or more, got none")
    asked = {(one.settings.convention.name, one.settings.devices) for one in reports}
    if len(asked) > 1:
        raise UsageError(f"a chart wants one convention and the same devices for all reports, got {_listed(asked)}")
    yield _panel("parameters", [one.bounds["parameters"] for one in reports], units.count)
    yield _panel("weights", [one.bounds["weight_bytes"] for one in reports], units.size)
    yield _panel(cost_title(reports[0].settings.convention), [one.total.value for one in reports], units.count)
    for device, *times in zip(reports[0].settings.devices, *(one.latency for one in reports), strict=True):
        yield Panel(f"time on {device}", tuple(map(_time, times)))


def _listed(asked: set[tuple[str, tuple[str, ...]]]) -> str:
    return " and ".join(" on ".join((convention, *devices)) for convention, devices in sorted(asked))


def _panel(title: str, numbers: Sequence[Bounds | None], show: Callable[[int], str]) -> Panel:
    return Panel(title, tuple(None if one is None else _bar(one, show) for one in numbers))


def _bar(number: Bounds, show: Callable[[int], str]) -> Bar:
    return Bar(float(min(number.best, LONGEST)), bounded(number, show), number.is_exact)


def _time(one: Latency) -> Bar:
    least = "" if one.shortest is None else f"{units.seconds(one.shortest)}–"
    at_least = ">= " if one.is_lower_bound else ""
    is_exact = one.shortest is None and not one.is_lower_bound
    return Bar(one.seconds, f"{at_least}{least}{units.seconds(one.seconds)}", is_exact)


def _name(report: Report) -> str:
    return Path(report.model.source).name or report.model.name


def _notes(reports: Sequence[Report], names: Sequence[str], panels: Sequence[Panel]) -> Iterator[str]:
    """Yield what one has to know of the bars."""
    if any(bar and not bar.is_exact for panel in panels for bar in panel.bars):
        yield "hatched: not exact; '>=' is a lower bound"
    for report, name in zip(reports, names, strict=True):
        guesses = ", ".join(f"{one.dimension} = {one.value}" for one in report.assumptions if one.is_guess)
        if guesses:
            yield escape.prose(f"{name}: nobody bound {guesses}, a guess")


def _figure(panels: Sequence[Panel], names: Sequence[str], notes: Sequence[str]) -> Any:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # an extra, and it takes 0.5 s to import
    except ImportError as fault:
        raise UsageError(f"a chart is drawn with matplotlib: pip install 'graphcost[plot]' ({fault})") from fault
    height = 1 + LINE * len(names) + NOTE * len(notes)
    figure = Figure(figsize=(2 + PANEL * len(panels), height), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, place in zip(panels, axes, strict=True):
        _draw(panel, place)
    axes[0].set_yticks(range(len(names)), names, parse_math=False)  # a name may hold dollars
    axes[0].invert_yaxis()
    figure.supxlabel("\n".join(notes), fontsize="small", parse_math=False)
    return figure


def _draw(panel: Panel, axes: Any) -> None:
    axes.set_title(panel.title)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    for place, bar in enumerate(panel.bars):
        length = bar.length if bar else 0
        hatch = "" if bar is None or bar.is_exact else HATCH
        drawn = axes.barh(place, length, color="tab:blue", edgecolor="white", hatch=hatch)
        axes.bar_label(drawn, [escape.shorten(bar.label if bar else "not counted", LABEL)], padding=3)
    axes.set_xlim(left=0)
    axes.margins(x=0.5)


def _write(figure: Any, path: Path) -> None:
    """Write a figure; the file is touched once it is drawn."""
    drawn = io.BytesIO()
    form = path.suffix.removeprefix(".").lower()
    if form not in figure.canvas.get_supported_filetypes():
        known = ", ".join(sorted(figure.canvas.get_supported_filetypes()))
        raise UsageError(f"a chart's file ends in one of {known}; {path.name!r} doesn't")
    figure.savefig(drawn, format=form)
    try:
        path.write_bytes(drawn.getvalue())
    except OSError as fault:
        raise UsageError(f"can't write {path}: {fault.strerror or fault}") from fault
