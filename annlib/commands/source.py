"""Files of vectors on the command line: the options that say how to read one, and the lines of ids or names beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annlib.vectors import FORMATS, VectorFileError, open_vectors
from annlib.vectors.files import InputFile

if TYPE_CHECKING:
    import argparse

    from annlib.vectors import VectorSource

__all__ = ["add_source_arguments", "open_source", "read_lines"]


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how a file of vectors is read."""
    parser.add_argument("--format", choices=FORMATS, help="of the vectors (default: as the file looks)")
    parser.add_argument("--id-column", metavar="C", help="Parquet column of ids, integers or strings")
    parser.add_argument("--vector-column", metavar="C", help="Parquet column of lists (default: the only one)")
    parser.add_argument("--dataset", metavar="D", help="HDF5 dataset (default: train)")


def open_source(path: str, options: argparse.Namespace) -> VectorSource:
    """Open a file of vectors as the options say."""
    return open_vectors(
        path,
        format=options.format,
        id_column=options.id_column,
        vector_column=options.vector_column,
        dataset=options.dataset,
    )


def read_lines(path: str) -> list[str]:
    """Read the lines of a text file, plain or gzip."""
    with InputFile(path).open() as reader:
        raw = reader.read_all().split(b"\n")
    if not raw[-1]:
        raw.pop()
    lines = []
    for number, line in enumerate(raw, start=1):
        try:
            lines.append(line.removesuffix(b"\r").decode())
        except UnicodeDecodeError:
            raise VectorFileError(f"expected UTF-8, got {line[:80]!r}", path=path, line=number) from None
    return lines
