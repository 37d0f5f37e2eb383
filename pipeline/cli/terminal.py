"""What all commands share: the application, its options, and how results and errors are shown."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from pipeline.errors import PipelineError

app = typer.Typer(
    help="Interactions in, recommendation tables out: exact neighbours, scheduled by Luigi.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass
class _Options:
    debug: bool = False


_options = _Options()


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show Luigi's log, and where errors come from.")] = False,
) -> None:
    _options.debug = debug


def debugging() -> bool:
    """Whether ``--debug`` was given."""
    return _options.debug


def print_json(content: Any) -> None:
    """Print what a script asked for."""
    print(json.dumps(content, ensure_ascii=False, indent=2))


def main() -> None:
    """Entry point: exits with 0, or with the exit code of the error (see :mod:`pipeline.errors`)."""
    try:
        app()
    except PipelineError as error:
        if debugging():
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
