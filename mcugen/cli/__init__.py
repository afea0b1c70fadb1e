"""The command line. Commands parse, call, show and give the exit code; whatever is heavy is imported inside them."""

from __future__ import annotations

import click

from mcugen import __version__
from mcugen.cli.about import COMMANDS as ABOUT
from mcugen.cli.compiling import COMMANDS as COMPILING
from mcugen.cli.devices import COMMANDS as DEVICES
from mcugen.cli.frame import Commands
from mcugen.cli.options import debug
from mcugen.cli.training import COMMANDS as TRAINING

EPILOG = """
\b
Exit codes:
  0  done                      4  the C and the model disagree
  1  something to correct      5  a tool or the board is missing
  2  wrong usage               70 a bug in mcugen
  3  does not fit the board

\b
Begin with:
  mcugen fit model.skops
  mcugen compile model.skops --board uno
"""


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mcugen")
@debug
def cli() -> None:
    """Compile a fitted scikit-learn model to C for a microcontroller, and prove that the C gives the same answers."""


for command in (*COMPILING, *TRAINING, *DEVICES, *ABOUT):
    cli.add_command(command)


def main() -> None:
    """The program `mcugen`: never returns, ends with the exit code."""
    cli.main(prog_name="mcugen")
