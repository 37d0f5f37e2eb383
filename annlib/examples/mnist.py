"""Nearest handwritten digits by pixel distance, and how well the nearest ten tell what a digit is.

    python -m annlib.examples.mnist MNIST_FOLDER -o mnist.png

Draws the nearest of 60,000 images (784 pixels each, squared euclidean distance) to five test images, and classifies the
10,000 test images by a vote of their ten nearest. Exact search gives an accuracy of 96.6 to 97.1 %, depending on how
ties of the vote are settled: see the list at http://yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import argparse
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annlib import Index
from annlib.examples._figure import add_output, new_figure, save
from annlib.vectors import open_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import FigureBase
    from numpy.typing import NDArray

__all__ = ["KNOWN_ACCURACY", "Digits", "Strips", "accuracy", "draw_strips", "find_strips", "load", "main"]

#: Of exact k-nearest-neighbour classifiers of MNIST by pixels, in percent.
KNOWN_ACCURACY = "96.6 to 97.1 %"
SEEDS, NEIGHBORS = 5, 10
_SIDE, _WHITE = 28, 255.0
#: Of the picture, in pixels of the images: from line to line, from image to image, between seeds and neighbours, and
#: from the top of a line, where the label is, to its image.
_LINE, _COLUMN, _GAP, _TOP = 40, 36, 12, 9
_LABEL_HEADER_BYTES = 8


@dataclass(frozen=True)
class Digits:
    """Images, float32 ``(n, 784)`` from 0 (paper) to 1 (ink), and what they show, uint8 ``(n,)`` from 0 to 9."""

    images: NDArray[np.float32]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Strips:
    """Seeds and their nearest images: rows of the tests ``(s,)``, of the images ``(s, k)``, and scores ``(s, k)``."""

    seeds: NDArray[np.int64]
    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


def load(folder: Path, part: str) -> Digits:
    """Read ``"train"`` (60,000 images) or ``"t10k"`` (10,000 test images) from the files of MNIST."""
    source = open_vectors(folder / f"{part}-images-idx3-ubyte.gz", format="idx")
    images = np.concatenate([block.vectors for block in source.blocks()])
    images /= _WHITE
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), dtype=np.uint8, offset=_LABEL_HEADER_BYTES)
    if len(labels) != len(images):
        raise ValueError(f"{folder}: expected a label for each of {len(images)} images, got {len(labels)}")
    return Digits(images, labels)


def accuracy(index: Index, labels: NDArray[np.uint8], queries: NDArray[np.float32], truth: NDArray[np.uint8]) -> float:
    """Return the share of queries whose label most of their ten nearest have (of several, the smallest)."""
    rows, _ = index.search_rows(queries, NEIGHBORS)
    votes = (labels[rows][:, :, np.newaxis] == np.arange(10)).sum(axis=1)
    return float(np.mean(votes.argmax(axis=1) == truth))


def choose_seeds(truth: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the first test image of each of five digits."""
    return np.array([np.flatnonzero(truth == digit)[0] for digit in np.unique(truth)[-SEEDS:]])


def find_strips(index: Index, queries: NDArray[np.float32], seeds: NDArray[np.int64]) -> Strips:
    """Find the ten nearest of each seed."""
    return Strips(seeds, *index.search_rows(queries[seeds], NEIGHBORS))


def draw_strips(
    figure: FigureBase, strips: Strips, train: Digits, tests: Digits, *, title: str, score_format: str
) -> None:
    """Draw each seed, and right of it its nearest, with their digits and scores; wrong digits in red."""
    lines, columns = strips.rows.shape
    picture = np.zeros((lines * _LINE, (columns + 1) * _COLUMN + _GAP), dtype=np.float32)
    axes = figure.subplots()
    for line, (seed, rows, scores) in enumerate(zip(strips.seeds, strips.rows, strips.scores, strict=True)):
        digit = tests.labels[seed]
        _paste(picture, tests.images[seed], line, 0)
        axes.text(_SIDE / 2, line * _LINE + _TOP - 2, f"a {digit}", fontsize=8, ha="center", weight="bold")
        for place, (row, score) in enumerate(zip(rows, scores, strict=True)):
            left = _GAP + (place + 1) * _COLUMN
            _paste(picture, train.images[row], line, left)
            label, color = train.labels[row], "black" if train.labels[row] == digit else "red"
            text = f"{label}: {score:{score_format}}"
            axes.text(left + _SIDE / 2, line * _LINE + _TOP - 2, text, fontsize=8, ha="center", color=color)
    axes.imshow(picture, cmap="Greys", aspect="equal")
    axes.axvline(_COLUMN + _GAP / 2 - (_COLUMN - _SIDE) / 2, color="black", linewidth=0.5)
    axes.set_axis_off()
    axes.set_title(title, pad=14)


def _paste(picture: NDArray[np.float32], image: NDArray[np.float32], line: int, left: int) -> None:
    top = line * _LINE + _TOP
    picture[top : top + _SIDE, left : left + _SIDE] = image.reshape(_SIDE, _SIDE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of the four files of MNIST, as they are downloaded")
    add_output(parser, "mnist.png")
    options = parser.parse_args(arguments)

    train, tests = load(options.folder, "train"), load(options.folder, "t10k")
    index = Index.build(train.images, metric="euclidean")
    share = accuracy(index, train.labels, tests.images, tests.labels)
    print(f"digits told right by their {NEIGHBORS} nearest of {len(index):,}: {share:.2%} of {len(tests.labels):,}")
    print(f"known for exact search: {KNOWN_ACCURACY}")

    strips = find_strips(index, tests.images, choose_seeds(tests.labels))
    squared = Strips(strips.seeds, strips.rows, strips.scores**2)
    figure = new_figure(10, 5.2)
    title = f"The {NEIGHBORS} nearest of {len(index):,} images of MNIST, by squared distance (a pixel is 0 to 1)"
    draw_strips(figure, squared, train, tests, title=title, score_format=".1f")
    save(figure, options.output)


if __name__ == "__main__":
    main()
