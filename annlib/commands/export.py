"""``annlib export``: the vectors of an index, with their ids and names, back to .npy or Parquet."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annlib.commands.errors import CommandError
from annlib.index import Index

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``annlib export``."""
    parser.add_argument("file", metavar="FILE.ann", help="index file")
    parser.add_argument(
        "-o", "--output", metavar="OUT", required=True, help=".npy: the vectors; .parquet: also ids and names"
    )
    parser.add_argument("--ids-output", metavar="FILE", help="with .npy: a line of text for each id")
    parser.add_argument("--names-output", metavar="FILE", help="with .npy: a line of text for each name")


def run(options: argparse.Namespace) -> None:
    """Write what an index holds to a file that others read."""
    index = Index.open(options.file)
    ending = Path(options.output).suffix.lower()
    if ending == ".npy":
        _export_npy(index, options)
    elif ending in (".parquet", ".pq"):
        from annlib.vectors.parquet import write_parquet

        with _replaced(options.output) as path:
            write_parquet(index, path)
    else:
        raise CommandError(f"{options.output}: expected an ending .npy or .parquet", "Name the output so.")
    print(f"{options.output}: {len(index):,} x {index.dim}")


def _export_npy(index: Index, options: argparse.Namespace) -> None:
    with _replaced(options.output) as path, path.open("wb") as file:
        np.save(file, index.vectors)
    if options.ids_output is not None:
        _write_lines(options.ids_output, map(str, index.ids.tolist()))
    if options.names_output is not None:
        if index.names is None:
            raise CommandError(f"{options.file}: the index has no names", "Leave out --names-output.")
        _write_lines(options.names_output, index.names.tolist())


def _write_lines(output: str, texts: Iterable[str]) -> None:
    with _replaced(output) as path, path.open("w", encoding="utf-8", newline="\n") as file:
        for row, text in enumerate(texts):
            if "\n" in text:
                raise CommandError(
                    f"{output}: row {row}: {text!r} has a line break, which a line cannot hold",
                    "Export to Parquet, which keeps ids and names as they are.",
                )
            file.write(text + "\n")


@contextmanager
def _replaced(output: str) -> Iterator[Path]:
    """Give a temporary name in the same folder, which replaces the output when all is written."""
    target = Path(output)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
