"""The command line: parses, calls one function, prints. Each command is a function of the library as well."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

import graphcost
from graphcost import collector
from graphcost.differences import Aspect
from graphcost.errors import GraphcostError, UsageError
from graphcost.report import Format, compared, listing
from graphcost.report.columns import COLUMNS
from graphcost.report.escape import prose
from graphcost.report.ink import TERMINAL
from graphcost.report.save import save
from graphcost.report.summary import reservations
from graphcost.report.view import By
from graphcost.results import IncompleteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from graphcost.results import Report

Command = TypeVar("Command", bound="Callable[..., Any]")

DONE, DIFFERS, USAGE, INPUT, INCOMPLETE = 0, 1, 2, 3, 4
"""Exit codes."""
BUG, INTERRUPTED, CLOSED_PIPE = 70, 130, 141
"""Exit codes as systems have them: EX_SOFTWARE, and 128 + the number of the signal."""
FORMATS = click.Choice(get_args(Format))
_NUMBER = re.compile(r"[0-9]{1,18}")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
BY_SUFFIX: dict[str, Format] = {".csv": "csv", ".json": "json", ".md": "markdown"}


@dataclass(slots=True)
class _State:
    """What a command tells `main`."""

    shows_traceback: bool = False


def main(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name need not fit the terminal's encoding
    state = _State()
    log = logging.getLogger("graphcost")
    log.addHandler(_NOTES)
    log.setLevel(logging.INFO)
    try:
        with collector.paused():  # a command is short, and what it makes lives to its end
            return cli.main(args, "graphcost", obj=state, standalone_mode=False) or DONE
    except click.Abort:
        return INTERRUPTED
    except Exception as fault:
        if state.shows_traceback:
            raise
        _note(_message(fault))
        return _exit_code(fault)


class _Notes(logging.Handler):
    """Shows what the library logs as notes."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message."""
        _note(record.getMessage())


_NOTES = _Notes(logging.INFO)


def _message(fault: Exception) -> str:
    if isinstance(fault, click.UsageError) and fault.ctx:
        return f"{fault.format_message().rstrip('.')}. See {fault.ctx.command_path} --help."
    if isinstance(fault, click.ClickException):
        return fault.format_message()
    if isinstance(fault, GraphcostError):
        return str(fault)
    return f"unexpected {type(fault).__name__}, please report it (--debug shows where it came from): {fault}"


def _exit_code(fault: Exception) -> int:
    if isinstance(fault, click.ClickException | UsageError):
        return USAGE
    return INPUT if isinstance(fault, GraphcostError) else BUG


def _note(message: str) -> None:
    click.echo(f"graphcost: {prose(message)}", err=True)


def _show_traceback(context: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001  # click calls it
    if value:
        context.obj.shows_traceback = True


_debug = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_show_traceback, help="Show where an error came from."
)


def _sizes(context: click.Context, option: click.Parameter, values: Sequence[str]) -> dict[str, int]:
    """Return what `--dim NAME=SIZE` binds."""
    return {name: size for name, (size,) in _bindings(context, option, values, "NAME=SIZE", 1).items()}


def _shapes(context: click.Context, option: click.Parameter, values: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return what `--shape INPUT=1,3,224,224` binds."""
    return _bindings(context, option, values, "INPUT=SIZE,SIZE", None)


def _bindings(
    context: click.Context, option: click.Parameter, values: Sequence[str], form: str, count: int | None
) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for value in values:
        name, _, text = value.rpartition("=")
        sizes = text.split(",") if text else []
        if not name or not all(map(_NUMBER.fullmatch, sizes)) or count not in {None, len(sizes)}:
            raise click.BadParameter(f"wants {form}, got {value!r}", context, option)
        if name in found:
            raise click.BadParameter(f"binds {name!r} twice", context, option)
        found[name] = tuple(map(int, sizes))
    return found


def _values(context: click.Context, option: click.Parameter, values: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return what `--value INPUT=16000` gives."""
    found: dict[str, tuple[float, ...]] = {}
    for value in values:
        name, _, text = value.rpartition("=")
        try:
            found[name] = tuple(int(one) if _INTEGER.fullmatch(one) else float(one) for one in text.split(","))
        except ValueError:
            raise click.BadParameter(f"wants INPUT=NUMBER,NUMBER, got {value!r}", context, option) from None
    return found


_convention = click.option(
    "--convention", default="graphcost", show_default=True, help="How to count, as `graphcost conventions` lists."
)
_dim = click.option(
    "--dim",
    "dims",
    multiple=True,
    callback=_sizes,
    metavar="NAME=SIZE",
    help="Give a dimension its size, or a Loop its turns: trips:NODE=7.",
)
_device = click.option(
    "--device",
    "devices",
    multiple=True,
    help="Tell the latency on a device, as `graphcost devices` lists them. Repeatable.",
)
_shape = click.option(
    "--shape", "shapes", multiple=True, callback=_shapes, metavar="INPUT=SIZES", help="Give an input its shape."
)
_trust = click.option("--trust", is_flag=True, help="Let a Keras file run the code that it brings along.")
_format = click.option("--format", "format_", type=FORMATS, default="table", show_default=True, help="How to print.")


def _list(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in value.split(",") if one.strip())


def _model_options(command: Command) -> Command:
    """Add what every command takes that reads a model."""
    for decorate in (
        _debug,
        _convention,
        click.option(
            "--as-dtype", metavar="TYPE", help="Take every float as one of this type: fp16, bf16, fp8, int8 ..."
        ),
        _shape,
        _dim,
        click.option(
            "--value",
            "values",
            multiple=True,
            callback=_values,
            metavar="INPUT=ELEMENTS",
            help="Give an input its elements, where they decide what runs.",
        ),
        _trust,
        click.argument("model"),
    ):
        command = decorate(command)
    return command


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="graphcost")
@_debug
@click.pass_context
def cli(context: click.Context) -> int | None:
    """Tell what a neural network costs, from its graph: parameters, weights, activations, MACs, FLOPs and latency.

    A number is exact, or it says that it is not: `>=` stands before a lower bound.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        return USAGE
    return None


@cli.command(epilog=f"Columns are {', '.join(COLUMNS)}.")
@_model_options
@_device
@click.option("--by", type=click.Choice(get_args(By)), default="node", show_default=True, help="What a line is.")
@click.option("--columns", callback=_list, default="", metavar="COLUMN,COLUMN", help="Show these columns.")
@click.option("--sort", default="", metavar="COLUMN", help="Sort by a column.  [default: order of the file]")
@click.option("--top", type=click.IntRange(min=0), help="Show the first lines, by cost if not sorted otherwise.")
@click.option("--depth", type=click.IntRange(min=0), help="Levels of bodies to show: functions, Loop, If.")
@click.option("--exact", is_flag=True, help="Show every digit.")
@click.option("--strict", is_flag=True, help="Exit with 4 if a total is incomplete or rests on a guess.")
@click.option("--format", "format_", type=FORMATS, help="How to print.  [default: table, or by the suffix of -o]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to a file.")
def analyze(*, model: str, format_: Format | None, output: Path | None, exact: bool, **options: Any) -> int:
    """Tell what MODEL costs, node by node and in total."""
    view = {name: options.pop(name) for name in ("by", "columns", "sort", "top", "depth")}
    _keep_apart(model, output)
    report, complaint = _analyzed(model, options)
    form = format_ or BY_SUFFIX.get(output.suffix if output else "", "table")
    text = graphcost.render(report, form, **view, exact=exact, width=None if output else _width())
    if output:
        save(text, output)
    else:
        _print(text)
    for note in (*(_reservations(report) if form == "csv" else ()), *complaint):
        _note(note)
    return INCOMPLETE if complaint else DONE


def _keep_apart(model: str, output: Path | None) -> None:
    """Raise UsageError where the report would take the model's place."""
    if output and output.exists() and Path(model).exists() and output.samefile(model):
        raise UsageError(f"{output} is the model: the report needs a file of its own")


def _analyzed(model: str, options: dict[str, Any]) -> tuple[Report, tuple[str, ...]]:
    """Return a report, and why it is not what `strict` asks for."""
    try:
        return graphcost.analyze(model, **options), ()
    except IncompleteError as fault:
        return fault.report, (str(fault),)


def _reservations(report: Report) -> Iterator[str]:
    """Yield what the other formats say below their table."""
    begun = ""
    for label, text in reservations(report, TERMINAL):
        begun = label or begun
        yield f"{begun}: {text}"


@cli.command()
@_model_options
@click.argument("node")
def explain(*, model: str, node: str, **options: Any) -> None:
    """Tell where the numbers of a NODE come from: its formula, with the shapes of MODEL filled in.

    NODE is an id as `analyze` lists it, a node's name, or the name of one of its outputs.
    """
    _print(str(graphcost.explain(model, node, **options)))


@cli.command()
@_debug
@_convention
@_shape
@_dim
@_trust
@click.option(
    "--fail-on", multiple=True, type=click.Choice(get_args(Aspect)), help="Exit with 1 if these differ. Repeatable."
)
@_format
@click.argument("before")
@click.argument("after")
def compare(*, before: str, after: str, fail_on: tuple[str, ...], format_: Format, **options: Any) -> int:
    """Tell what AFTER does otherwise than BEFORE, layer by layer: an export beside its Keras model, or any two."""
    found = graphcost.compare(before, after, **options)
    _print(compared.render(found, format_))
    differing = sorted(found.differs_in.intersection(fail_on))
    if differing:
        _note(f"they differ in {' and '.join(differing)}")
    return DIFFERS if differing else DONE


@cli.command()
@_debug
@_convention
@_device
@_shape
@_dim
@_trust
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The picture: .png, .svg, .pdf.")
@click.argument("models", nargs=-1, required=True)
def plot(*, models: tuple[str, ...], output: Path, **options: Any) -> None:
    """Draw MODELS' parameters, weights, work and time as bars, side by side."""
    reports = [graphcost.analyze(model, **options) for model in models]
    _print(f"{graphcost.plot(reports, output)}\n")


@cli.command()
@_debug
@_shape
@_trust
@click.option("--verify", is_flag=True, help="Run both on the same random inputs and compare the outputs.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The ONNX file to write.")
@click.argument("model")
def convert(*, model: str, output: Path, **options: Any) -> int:
    """Write the ONNX model of MODEL, a .keras or .h5 file or a SavedModel, with its weights."""
    made = graphcost.convert(model, output, **options)
    _print(listing.export(made))
    return DONE if made.agrees else DIFFERS


@cli.command()
@_debug
@_format
def operators(*, format_: Format) -> None:
    """List how operators are priced."""
    _print(listing.operators(graphcost.list_operators(), format_, _width()))


@cli.command()
@_debug
@_format
def conventions(*, format_: Format) -> None:
    """List the ways to count."""
    _print(listing.conventions(graphcost.list_conventions(), format_, _width()))


@cli.command()
@_debug
@_format
def devices(*, format_: Format) -> None:
    """List the devices and their figures, each with its source."""
    _print(listing.devices(graphcost.list_devices(), format_, _width()))


def _width() -> int | None:
    """Return a terminal's width; None where the output goes somewhere else."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _print(text: str) -> None:
    """Print data; a reader that has seen enough (`| head`) is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        raise click.exceptions.Exit(CLOSED_PIPE) from None
