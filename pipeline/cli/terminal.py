"""What all commands share: the application, its options, and how results and errors are shown.

An error is two lines on stderr, what is wrong and what to do, and an exit code that tells it from others
(:mod:`pipeline.errors`); ``--debug`` gives the traceback. A message that names several things has a line for each.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn

import typer

from pipeline.cli.overview import overview
from pipeline.errors import PipelineError

app = typer.Typer(
    help="Interactions in, recommendation tables out: exact neighbours, scheduled by Luigi.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: What the command line itself is wrong about; the class is Click's, which Typer may bring along or import.
_UsageError: Final[type[Any]] = typer.BadParameter.__mro__[1]
_USAGE_EXIT_CODE: Final = 2


@dataclass
class _Options:
    debug: bool = False


_options = _Options()


@app.callback(invoke_without_command=True)
def _common(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show Luigi's log, and where errors come from.")] = False,
) -> None:
    _options.debug = debug
    if context.invoked_subcommand is None:
        print(overview())


def debugging() -> bool:
    """Whether ``--debug`` was given."""
    return _options.debug


def print_json(content: Any) -> None:
    """Print what a script asked for."""
    print(json.dumps(content, ensure_ascii=False, indent=2))


def main() -> None:
    """Entry point: exits with 0, or with the exit code of the error."""
    _options.debug = False
    try:
        sys.exit(app(prog_name="cfpipe", standalone_mode=False))
    except typer.Abort:
        print("aborted", file=sys.stderr)
        sys.exit(1)
    except _UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "cfpipe"
        _fail(error.format_message(), f"See {where} --help.", _USAGE_EXIT_CODE)
    except PipelineError as error:
        if debugging():
            raise
        _fail(error.message, error.hint or error.usual_hint, error.exit_code)
    except Exception as error:  # the last resort: nobody foresaw it, and nobody wants to read a traceback first
        if debugging():
            raise
        what = " ".join(str(error).split())
        cause = f": {type(error.__cause__).__name__}: {error.__cause__}" if error.__cause__ is not None else ""
        hint = "This is a fault of the program, or of the machine: --debug shows where (cfpipe --debug COMMAND ...)."
        _fail(f"{type(error).__name__}: {what}{cause}", hint, PipelineError.exit_code)


def _fail(message: str, hint: str, code: int) -> NoReturn:
    prefix = typer.style("error:", fg="red", bold=True) if sys.stderr.isatty() else "error:"
    print(f"{prefix} {message}\n{hint}", file=sys.stderr)
    sys.exit(code)
