"""The command ``annlib``: look at an index file, check it, ask it for neighbours."""

from __future__ import annotations

import argparse
import difflib
import json
import math
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from annlib import __version__
from annlib.errors import AnnlibError, UnknownIdError
from annlib.index import Index

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_EXIT_ERROR = 1


class _CommandError(Exception):
    """What went wrong, and what to do about it: the two lines that a user sees."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 for an error, 2 for a command line that makes no sense."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has seen enough; nor shall Python's exit write to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except _CommandError as error:
        return _fail(error.what, error.advice)
    except AnnlibError as error:
        return _fail(str(error), "The file cannot be used: build the index again, or take it from a backup.")
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}", "Give the path of an index file that can be read.")
    except ValueError as error:
        return _fail(str(error), "See `annlib --help`.")
    return 0


def _fail(what: str, advice: str) -> int:
    print(f"annlib: {what}\n{advice}", file=sys.stderr)
    return _EXIT_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="annlib", description="Exact nearest neighbours: look into index files.")
    parser.add_argument("--version", action="version", version=f"annlib {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    info = commands.add_parser("info", help="show what an index file holds")
    info.add_argument("file", metavar="FILE")
    info.add_argument("--json", action="store_true", help="as JSON")
    info.set_defaults(run=_info)

    verify = commands.add_parser("verify", help="read every byte of an index file and check it")
    verify.add_argument("file", metavar="FILE")
    verify.set_defaults(run=_verify)

    search = commands.add_parser("search", help="show the neighbours of items in an index file")
    search.add_argument("file", metavar="FILE")
    search.add_argument("queries", metavar="QUERY", nargs="+", help="an id or a name in the index")
    search.add_argument("-k", type=int, default=10, help="neighbours to show (default: 10)")
    search.set_defaults(run=_search)
    return parser


def _info(options: argparse.Namespace) -> None:
    info = Index.open(options.file).info
    if options.json:
        print(json.dumps(info, indent=2))
        return
    for key in ("metric", "count", "dim", "id_type", "has_names", "format_version", "bytes", "isa"):
        print(f"{key:15} {info[key]}")
    print(f"{'calibration':15} {info['calibration']['state']}")
    _print_calibration(info["calibration"])
    print("sections")
    for section in info["sections"]:
        optional = "" if section["required"] else "  (optional)"
        print(f"  {section['name']:18} {section['bytes']:>15,} bytes at {section['offset']:,}{optional}")


def _print_calibration(calibration: dict[str, Any]) -> None:
    """Print a line for each k, of the share of the bounds' uncertain part that each recall takes."""
    for table in calibration["tables"]:
        print(f"share of the bounds kept, on {table['queries']} {table['source']}")
        print("  recall" + "".join(f"{recall:>7g}" for recall in calibration["recall"]))
        for k, betas in zip(calibration["k"], table["beta"], strict=True):
            print(f"  k {k:<4}" + "".join(f"{beta:>7.3f}" for beta in betas))


def _verify(options: argparse.Namespace) -> None:
    index = Index.open(options.file)
    index.verify()
    print(f"{options.file}: {len(index):,} x {index.dim}, {index.metric}: every checksum matches")


def _search(options: argparse.Namespace) -> None:
    index = Index.open(options.file)
    rows = [_find(index, query) for query in options.queries]
    targets = index.ids[rows].tolist()
    found, scores = index.search_ids(targets, options.k)
    names = index.names

    def label(item_id: int | str) -> str:
        return str(item_id) if names is None else f"{names[index.row(item_id)]} ({item_id})"

    for i, target in enumerate(targets):
        print(("\n" if i > 0 else "") + label(target))
        for item_id, score in zip(found[i].tolist(), scores[i].tolist(), strict=True):
            if not math.isnan(score):
                print(f"  {score:>12.6g}  {label(item_id)}")


def _find(index: Index, query: str) -> int:
    """Return the row of an id, or of a name that only one item has."""
    try:
        return index.row(query if index.info["id_type"] == "strings" else int(query))
    except (UnknownIdError, ValueError, OverflowError):
        pass  # not an id: perhaps a name
    names = index.names
    if names is not None:
        rows = np.flatnonzero(names == query)
        if rows.size == 1:
            return int(rows[0])
        if rows.size > 1:
            shown = ", ".join(map(str, index.ids[rows[:10]]))
            raise _CommandError(f"{rows.size} items are named {query!r}", f"Give the id instead: {shown}.")
    texts = list(map(str, index.ids)) if names is None else names.tolist()
    close = difflib.get_close_matches(query, texts, n=5)
    advice = f"Close to it: {', '.join(close)}." if close else "Give an id or a name as the index spells it."
    raise _CommandError(f"no item of {index.path} has the id or the name {query!r}", advice)
