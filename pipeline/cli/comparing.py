"""The command that compares two runs."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.options import AsJson
from pipeline.cli.terminal import print_json
from pipeline.compare import compare_runs, find_run, print_comparison

_RUN_HELP = "A root, for its published run, or ROOT/runs/DATE or ROOT/runs/DATE/ID.json for one of its runs."


def compare(
    first: Annotated[str, typer.Argument(metavar="RUN_A", help=_RUN_HELP, show_default=False)],
    second: Annotated[str, typer.Argument(metavar="RUN_B", help="The run that is compared with it.")],
    as_json: AsJson = False,
) -> None:
    """Compare two runs: their quality with a paired test over users, and their tables."""
    comparison = compare_runs(find_run(first), find_run(second))
    if as_json:
        print_json(comparison.to_json())
    else:
        print_comparison(Console(), comparison)
