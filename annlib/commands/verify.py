"""``annlib verify``: read every byte of an index file and check it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annlib.index import Index

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``annlib verify``."""
    parser.add_argument("file", metavar="FILE", help="index file")


def run(options: argparse.Namespace) -> None:
    """Check an index file."""
    index = Index.open(options.file)
    index.verify()
    print(f"{options.file}: {len(index):,} x {index.dim}, {index.metric}: every checksum matches")
