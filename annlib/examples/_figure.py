"""What the pictures share: figures that are drawn to files, without a window or any global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    import argparse

__all__ = ["add_output", "new_figure", "save"]

_DOTS_PER_INCH = 150


def add_output(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare where the picture goes."""
    parser.add_argument("-o", "--output", type=Path, default=Path(name), help="the picture (default: %(default)s)")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, so many inches wide and high."""
    return Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Draw the figure as a PNG, whatever the name of the file, and say so."""
    figure.savefig(path, format="png")
    print(f"picture: {path}")
