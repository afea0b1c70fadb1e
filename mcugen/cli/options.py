"""Options that more than one command has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mcugen.cli.frame import Session

F = TypeVar("F", bound=Callable[..., Any])

# As text: the front-end says more about a file that is not there than click would.
model = click.argument("model", metavar="MODEL")
board = click.option("--board", "-b", required=True, metavar="NAME", help="The board, or the path of a board's TOML file; `mcugen boards` lists them.")  # fmt: skip
name = click.option(
    "--name", metavar="NAME", help="Prefix of every C symbol, and the library's name. Default: the file's."
)
optimize = click.option(
    "--optimize",
    type=click.Choice(["auto", "size", "speed"]),
    default="auto",
    show_default=True,
    help="Least flash, fewest cycles, or the best of both for the board.",
)
numeric = click.option(
    "--numeric",
    type=click.Choice(["auto", "float32", "int16", "int8"]),
    default="auto",
    show_default=True,
    help="Number format of weights. auto: float32 with an FPU, else the smallest that changes no label of --data. Trees are exact in every one; ONNX networks take int8, with --data.",
)
requant = click.option(
    "--requant",
    type=click.Choice(["integer", "float"]),
    default="integer",
    show_default=True,
    help="How quantised layers bring sums to their output's scale: in integers, or in float32 as onnxruntime's integer kernels do, bit for bit, where there is an FPU.",
)
by_rows = click.option(
    "--by-rows",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Whether layers of a network make their rows in turn, so that of the tensors between them only a few rows take RAM, for some 5 % more instructions. auto: where whole tensors do not fit.",
)
stream_input = click.option(
    "--stream-input",
    is_flag=True,
    help="Of a network: its input comes row by row, as cameras and ADCs deliver it, channels innermost, to NAME_push_row(); it is nowhere as a whole.",
)
arena_input = click.option(
    "--arena-input",
    is_flag=True,
    help="Of a network: its input is written to NAME_input(), channels innermost, into RAM that its layers use again.",
)
ram = click.option(
    "--ram",
    metavar="NAME:SIZE[,...]",
    help="Memories that a network's temporaries may lie in, the fastest first, with the bytes they may take of each: fast:64k,psram:4M. What is moved most lies in the fastest. Default: one array in the board's RAM.",
)
output = click.option(
    "--output",
    type=click.Choice(["label", "proba", "decision", "value", "transform"]),
    help="What the C gives: a class, all probabilities, the decision function, a number (regression) or a transformed row. Default: label, value or transform.",
)
input = click.option(
    "--input",
    type=click.Choice(["float32", "uint8", "int16"]),
    default="float32",
    show_default=True,
    help="What the caller's rows are made of.",
)
calibration = click.option(
    "--calibration",
    type=click.Choice(["minmax", "entropy", "percentile"]),
    default="minmax",
    show_default=True,
    help="With --numeric int8, of an ONNX network: how the ranges of its tensors come of the rows of --data.",
)
max_disagreement = click.option(
    "--max-disagreement",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="PART",
    help="With --numeric int16 or int8: the part of the rows that may be answered otherwise.",
)
data = click.option(
    "--data",
    "-d",
    type=click.Path(path_type=Path, readable=False),  # the reader says more about a file that may not be read
    metavar="FILE",
    help="Rows of the model's input: .npy, .npz or .csv. They also decide `--numeric auto`.",
)
allow_pickle = click.option(
    "--allow-pickle",
    is_flag=True,
    help="Open a pickle or joblib file. It can run any code: only from people you trust.",
)


def _shapes(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    from mcugen.frontends.onnx_file import parsed_shapes

    return parsed_shapes(given) if given else {}


shapes = click.option(
    "--shape",
    "shapes",
    multiple=True,
    callback=_shapes,
    metavar="INPUT=1,3,96,96",
    help="The shape of an ONNX graph's input that the file leaves open. May be repeated.",
)
port = click.option("--port", "-p", metavar="PORT", help="The serial port. Default: the only one that is there.")
folder = click.option(
    "-o", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Keep the PlatformIO project in this folder."
)


def _set(field: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:  # the group's own flag holds for its commands
            setattr(context.ensure_object(Session), field, value)

    return callback


debug = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_set("debug"),
    help="Show the traceback of an error.",
)
json = click.option(
    "--json",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_set("json"),
    help="One JSON object on standard output; text for people goes to standard error.",
)


def reading(command: F) -> F:
    """The options of every command that reads a model."""
    for option in (
        debug,
        json,
        allow_pickle,
        shapes,
        data,
        max_disagreement,
        calibration,
        input,
        output,
        arena_input,
        stream_input,
        ram,
        by_rows,
        requant,
        numeric,
        optimize,
        name,
        model,
    ):
        command = option(command)
    return command
