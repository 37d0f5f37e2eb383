"""The command ``annlib``: build index files, look into them, check them, ask them for neighbours."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from annlib import __version__
from annlib.commands.errors import CommandError
from annlib.errors import AnnlibError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_EXIT_ERROR = 1
_EXIT_INTERRUPTED = 130  # as a shell says of a command that Ctrl-C ended

#: Each command's module, which has ``add_arguments(parser)`` and ``run(options)``; it is imported when it is called.
_COMMANDS = {
    "build": ("annlib.commands.build", "build an index file from a file of vectors"),
    "search": ("annlib.commands.search", "show the neighbours of items or of vectors"),
    "words": ("annlib.words", "show the nearest words, as word2vec's distance does"),
    "info": ("annlib.commands.info", "show what an index file holds"),
    "verify": ("annlib.commands.verify", "read every byte of an index file and check it"),
    "export": ("annlib.commands.export", "write the vectors of an index file to .npy or Parquet"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 for an error, 2 for a command line that makes no sense."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has seen enough; nor shall Python's exit write to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except (CommandError, AnnlibError, ImportError, OSError, TypeError, ValueError) as error:
        what, advice = _explain(error)
        print(f"annlib: {what}\n{advice}", file=sys.stderr)
        return _EXIT_ERROR
    return 0


def _explain(error: Exception) -> tuple[str, str]:
    """Say what went wrong, and what to do about it, in a line each."""
    match error:
        case CommandError():
            return error.what, error.advice
        case AnnlibError():
            advice = "The file cannot be used: build the index again, or take it from a backup."
            return str(error), getattr(error, "advice", advice)
        case ImportError():
            return str(error), "Install it in the environment that annlib runs in."
        case OSError():
            what = str(error) if error.filename is None else f"{os.fsdecode(error.filename)}: {error.strerror}"
            return what, "Give a path that exists and that you may use."
        case _:
            return str(error), "See `annlib --help`."


class _CommandParser(argparse.ArgumentParser):
    """The parser of one command: its module is imported when the command is called, and no other's."""

    def __init__(self, *, module: str, **options: Any) -> None:
        super().__init__(**options)
        self._module = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        module = import_module(self._module)
        module.add_arguments(self)
        self.set_defaults(run=module.run)
        return super().parse_known_args(args, namespace)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="annlib", description="Exact nearest neighbours: index files of vectors.")
    parser.add_argument("--version", action="version", version=f"annlib {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_CommandParser)
    for name, (module, help_line) in _COMMANDS.items():
        commands.add_parser(name, help=help_line, description=help_line.capitalize() + ".", module=module)
    return parser
