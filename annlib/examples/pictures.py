"""Similar pictures by embedding: reduce the dimensions first, then search by cosine.

    python -m annlib.examples.pictures MNIST_FOLDER -o pictures.png

Reduces the 784 pixels of each MNIST image to 128 dimensions by principal components (scikit-learn's PCA), and draws
the nearest by cosine there beside the nearest by pixels. Any other embedding of pictures is searched the same way.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sklearn.decomposition import PCA

from annlib import Index
from annlib.examples import mnist
from annlib.examples._figure import add_output, new_figure, save

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["embed", "main"]

_DIMENSIONS = 128


def embed(
    train: NDArray[np.float32], tests: NDArray[np.float32], dimensions: int = _DIMENSIONS
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Reduce images ``(n, d)`` and ``(m, d)`` to the principal components of the first.

    Returns
    -------
    train, tests : NDArray[np.float32]
        Shapes ``(n, dimensions)`` and ``(m, dimensions)``.
    variance : float
        The share of the variance that is kept.
    """
    pca = PCA(dimensions, svd_solver="covariance_eigh", random_state=0).fit(train)
    return pca.transform(train), pca.transform(tests), float(pca.explained_variance_ratio_.sum())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of the four files of MNIST, as they are downloaded")
    parser.add_argument("--dimensions", type=int, default=_DIMENSIONS, help="to reduce to (default: %(default)s)")
    add_output(parser, "pictures.png")
    options = parser.parse_args(arguments)

    train, tests = mnist.load(options.folder, "train"), mnist.load(options.folder, "t10k")
    embedded, queries, variance = embed(train.images, tests.images, options.dimensions)
    pixels = Index.build(train.images, metric="euclidean")
    embedding = Index.build(embedded, metric="cosine")
    for name, index, asked in [("pixels", pixels, tests.images), ("embedding", embedding, queries)]:
        share = mnist.accuracy(index, train.labels, asked, tests.labels)
        print(f"{name:10} {index.dim:4} d  {share:.2%} of {len(asked):,} digits told right")

    seeds = mnist.choose_seeds(tests.labels)
    by_pixels = mnist.find_strips(pixels, tests.images, seeds)
    figure = new_figure(18, 5.4)
    left, right = figure.subfigures(1, 2, wspace=0.03, squeeze=False)[0]
    squared = mnist.Strips(seeds, by_pixels.rows, by_pixels.scores**2)
    title = f"By {pixels.dim} pixels: squared distance"
    mnist.draw_strips(left, squared, train, tests, title=title, score_format=".1f")
    title = f"By {embedding.dim} principal components ({variance:.0%} of the variance): cosine"
    by_cosine = mnist.find_strips(embedding, queries, seeds)
    mnist.draw_strips(right, by_cosine, train, tests, title=title, score_format=".2f")
    save(figure, options.output)


if __name__ == "__main__":
    main()
