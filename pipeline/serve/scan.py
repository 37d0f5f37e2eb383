"""The nearest of vectors that have no index under a metric: all of them are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Vectors looked at at once: a few megabytes.
_BLOCK_ROWS = 1 << 15


def nearest(
    vectors: NDArray[np.float32], query: NDArray[np.float32], k: int, *, cosine: bool, exclude: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the rows with the highest inner product with, or cosine to, a query.

    Parameters
    ----------
    vectors
        Shape ``(n, d)``, mapped or not.
    query
        Shape ``(d,)``.
    exclude
        Rows to leave out.

    Returns
    -------
    Rows and scores, best first, ties by row; under cosine without zero vectors, which have none.
    """
    scores = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = np.asarray(vectors[start : start + _BLOCK_ROWS])
        part = block @ query
        if cosine:
            norms = np.sqrt(np.einsum("ij,ij->i", block, block)) * np.linalg.norm(query)
            part = np.divide(part, norms, out=np.full_like(part, -np.inf), where=norms > 0)
        scores[start : start + len(block)] = part
    scores[exclude] = -np.inf
    k = min(k, len(scores))
    # All that are as good as the last of them, so that ties there too are by row.
    rows = np.flatnonzero(scores >= -np.partition(-scores, k - 1)[k - 1])
    rows = rows[np.argsort(-scores[rows], kind="stable")][:k]
    rows = rows[np.isfinite(scores[rows])]
    return rows.astype(np.int64), scores[rows]
