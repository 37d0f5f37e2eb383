"""``annlib build``: an index file from a file of vectors."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annlib.commands.errors import CommandError
from annlib.commands.source import add_source_arguments, open_source, read_lines
from annlib.metric import METRICS
from annlib.vectors import build_index, open_vectors

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from annlib.vectors import VectorSource

__all__ = ["add_arguments", "run"]

_SECONDS_BETWEEN = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``annlib build``."""
    parser.add_argument("vectors", metavar="VECTORS", help=".npy, Parquet, word2vec, GloVe, .fvecs, idx, HDF5; or gzip")
    parser.add_argument("-o", "--output", metavar="FILE.ann", required=True, help="index file to write, or to replace")
    parser.add_argument("--metric", choices=METRICS, help="(default: what the vectors are made for, else cosine)")
    add_source_arguments(parser)
    parser.add_argument("--ids", metavar="FILE", help="a line for each vector: its id; all integers, or strings")
    parser.add_argument("--names", metavar="FILE", help="a line for each vector: its name")
    parser.add_argument(
        "--duplicates", choices=("error", "first"), default="error", help="of words or ids (default: error)"
    )
    parser.add_argument("--calibration-queries", metavar="FILE", help="vectors of queries like those to come")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="threads (default: 0, all cores)")


def run(options: argparse.Namespace) -> None:
    """Build an index file."""
    source = open_source(options.vectors, options)
    if Path(options.output).exists() and Path(options.output).samefile(options.vectors):
        raise CommandError(f"{options.output} is the file of the vectors", "Give the index another name.")
    with _Progress(source) as progress:
        index = build_index(
            source,
            options.output,
            metric=options.metric or source.metric or "cosine",
            ids=None if options.ids is None else _parse_ids(read_lines(options.ids)),
            names=None if options.names is None else read_lines(options.names),
            duplicates=options.duplicates,
            calibration_queries=None if options.calibration_queries is None else _all(options.calibration_queries),
            num_threads=options.threads,
            progress=progress.show,
        )
    print(f"{options.output}: {len(index):,} x {index.dim}, {index.metric}, {index.info['bytes']:,} bytes")


def _parse_ids(lines: list[str]) -> list[str] | NDArray[np.int64]:
    """Read lines as integers where every one is written as an integer is, else take them as they are."""
    try:
        integers = np.array(list(map(int, lines)), dtype=np.int64)
    except (ValueError, OverflowError):
        return lines
    return integers if list(map(str, integers.tolist())) == lines else lines


def _all(path: str) -> NDArray[np.float32]:
    source = open_vectors(path)
    blocks = [block.vectors for block in source.blocks()]
    return np.concatenate([np.empty((0, source.dim), np.float32), *blocks])


class _Progress:
    """A line at the terminal that tells how far the reading is; nothing in a pipe."""

    def __init__(self, source: VectorSource) -> None:
        self._total = "" if source.count is None else f" of {source.count:,}"
        self._count = source.count
        self._shown = sys.stderr.isatty()
        self._next = 0.0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._write("")

    def show(self, done: int) -> None:
        """Show how many vectors have been read."""
        if done == self._count:
            self._write("indexing ...")
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS_BETWEEN
            self._write(f"{done:,}{self._total} vectors read")

    def _write(self, text: str) -> None:
        if self._shown:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
