"""The same question by brute force and by the index: the same answer, and the time of both.

    python -m annlib.examples.brute_force --count 1000000 --dimensions 300

Makes clustered random vectors, writes their index to a temporary folder (1.6 times the vectors' bytes: 1.9 GB for a
million of 300 dimensions) and asks it for the ten nearest by cosine. Brute force is a matrix product with every vector,
block by block, on the same mapped file, in float32 as fast as NumPy's BLAS goes, divided by norms that are known
beforehand; it keeps a few more than ten, and settles their order in float64. Beside the file's pages, which the system
may drop, the program needs some 300 MB.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annlib import Index, exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["brute_force", "main"]

_K = 10
_SPARE = 10  # kept beside the ten, so that float32's rounding cannot lose one of them
_BLOCK = 32_768
_TOPICS = 1_000


def make_blocks(count: int, dimensions: int, seed: int = 0) -> Iterator[NDArray[np.float32]]:
    """Yield vectors that lie around topics, more or less closely, in blocks."""
    rng = np.random.default_rng(seed)
    topics = rng.standard_normal((_TOPICS, dimensions), dtype=np.float32)
    for start in range(0, count, _BLOCK):
        rows = min(_BLOCK, count - start)
        closeness = rng.uniform(0.3, 1.5, size=(rows, 1)).astype(np.float32)
        noise = rng.standard_normal((rows, dimensions), dtype=np.float32)
        yield closeness * topics[rng.integers(_TOPICS, size=rows)] + noise


def brute_force(
    vectors: NDArray[np.float32], norms: NDArray[np.float32], queries: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the ``k`` vectors of largest cosine by scoring every one.

    Parameters
    ----------
    vectors
        Float32, shape ``(n, d)``.
    norms
        Of the vectors, float32 above 0, shape ``(n,)``.
    queries
        Float32, shape ``(m, d)``, of norms above 0.

    Returns
    -------
    rows : NDArray[np.int64]
        Shape ``(m, k)``, best first.
    cosines : NDArray[np.float32]
        Shape ``(m, k)``.
    """
    kept = min(k + _SPARE, len(vectors))
    rows = np.empty((len(queries), 0), dtype=np.int64)
    scores = np.empty((len(queries), 0), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        found = queries @ block.T / norms[start : start + _BLOCK]
        best = np.argpartition(-found, min(kept, len(block)) - 1, axis=1)[:, :kept]
        rows = np.concatenate([rows, start + best], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(found, best, axis=1)], axis=1)
        best = np.argsort(-scores, axis=1)[:, :kept]
        rows = np.take_along_axis(rows, best, axis=1)
        scores = np.take_along_axis(scores, best, axis=1)
    return _settle(vectors, queries, np.sort(rows, axis=1), k)


def _settle(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], candidates: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Order few candidates of each query by annlib's definition of a score; ties go to the lower row."""
    pairs = zip(queries, candidates, strict=True)
    cosines = np.stack([exact.scores(vectors[rows], query, "cosine") for query, rows in pairs])
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(cosines, order, axis=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="vectors (default: %(default)s)")
    parser.add_argument("--dimensions", type=int, default=300, help="of each (default: %(default)s)")
    parser.add_argument("--queries", type=int, default=100, help="asked for at once (default: %(default)s)")
    parser.add_argument("--folder", help="where the temporary folder is made (default: the system's)")
    options = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        started = time.perf_counter()
        blocks = make_blocks(options.count, options.dimensions)
        index = Index.build(blocks, metric="cosine", path=Path(folder) / "vectors.ann")
        print(f"{len(index):,} x {index.dim}: made and indexed in {time.perf_counter() - started:.1f} s")
        norms = norms_of(index.vectors)
        queries = next(make_blocks(options.queries, options.dimensions, seed=1))
        for asked in (queries, queries[:1]):
            _compare(index, norms, asked)


def norms_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the euclidean norms of mapped vectors, a block at a time."""
    blocks = (vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK))
    return np.concatenate([np.linalg.norm(block, axis=1) for block in blocks])


def _compare(index: Index, norms: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
    """Ask both and print the times; stop where the answers differ."""
    rows, cosines, seconds = _timed(index.search_rows, queries)
    scan = partial(brute_force, index.vectors, norms)
    brute_rows, brute_cosines, brute_seconds = _timed(scan, queries)
    if not (np.array_equal(rows, brute_rows) and np.array_equal(cosines, brute_cosines)):
        raise SystemExit("the answers of brute force and of the index differ")
    print(
        f"{len(queries):>4} {'query ' if len(queries) == 1 else 'queries'}  brute force {brute_seconds * 1e3:9.1f} ms"
        f"  index {seconds * 1e3:9.1f} ms  {brute_seconds / seconds:5.1f} times  same answer, every bit"
    )


def _timed(
    ask: Callable[[NDArray[np.float32], int], tuple[NDArray[np.int64], NDArray[np.float32]]],
    queries: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
    """Return the answer and the seconds it took, the best of three times, the file being in memory."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        rows, cosines = ask(queries, _K)
        seconds.append(time.perf_counter() - started)
    return rows, cosines, min(seconds)


if __name__ == "__main__":
    main()
