"""``annlib info``: what an index file holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from annlib.index import Index

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``annlib info``."""
    parser.add_argument("file", metavar="FILE", help="index file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Print what the index is."""
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
