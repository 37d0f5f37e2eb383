"""The oracle: exact search in NumPy, written to be read.

It is the definition of a score (:mod:`annlib.metric`) and of a result, operation by operation. The native search
returns the same bits; its tests compare the two. Slow: use it for samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from annlib.metric import DISTANCES, Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["fixed_order_sum", "norms", "scores", "search"]

_LANES = 8
#: Vectors are taken in float64 in blocks of about so many components, for memory's sake.
_BLOCK_ELEMENTS = 1 << 21


def fixed_order_sum(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum the last axis in float64 in the one order that defines a score.

    Parameters
    ----------
    terms
        float64, shape ``(..., d)``.

    Returns
    -------
    NDArray[np.float64]
        Shape ``(...)``.
    """
    *shape, dim = terms.shape
    padded = np.pad(terms, [(0, 0)] * len(shape) + [(0, -dim % _LANES)])
    eight = np.zeros((*shape, _LANES))
    for start in range(0, dim, _LANES):
        eight += padded[..., start : start + _LANES]
    four = eight[..., :4] + eight[..., 4:]
    two = four[..., :2] + four[..., 2:]
    total: NDArray[np.float64] = two[..., 0] + two[..., 1]
    return total


def norms(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Euclidean norms of the rows, ``(n, d)`` to float64 ``(n,)``."""
    wide = vectors.astype(np.float64)
    return np.sqrt(fixed_order_sum(wide * wide))


def scores(vectors: NDArray[np.float32], query: NDArray[np.float32], metric: Metric) -> NDArray[np.float32]:
    """Score every row for one query.

    Parameters
    ----------
    vectors
        float32, shape ``(n, d)``.
    query
        float32, shape ``(d,)``.
    metric
        One of :data:`annlib.metric.METRICS`.

    Returns
    -------
    NDArray[np.float32]
        Shape ``(n,)``; NaN where a zero vector makes the cosine undefined.
    """
    found = np.empty(len(vectors), dtype=np.float32)
    block = max(1, _BLOCK_ELEMENTS // vectors.shape[1])
    for start in range(0, len(vectors), block):
        found[start : start + block] = _scores_of_block(vectors[start : start + block], query, metric)
    return found


def _scores_of_block(vectors: NDArray[np.float32], query: NDArray[np.float32], metric: Metric) -> NDArray[np.float32]:
    x = vectors.astype(np.float64)
    q = query.astype(np.float64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        match metric:
            case "inner_product":
                exact = fixed_order_sum(q * x)
            case "cosine":
                exact = fixed_order_sum(q * x) / (norms(query[np.newaxis, :])[0] * norms(vectors))
            case "euclidean":
                difference = q - x
                exact = np.sqrt(fixed_order_sum(difference * difference))
            case "manhattan":
                exact = fixed_order_sum(np.abs(q - x))
            case "hamming":
                exact = fixed_order_sum((q != x).astype(np.float64))
        return exact.astype(np.float32)


def search(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    *,
    metric: Metric,
    exclude: Sequence[ArrayLike] | None = None,
    allow: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the ``k`` best rows for each query.

    Parameters
    ----------
    vectors
        float32, shape ``(n, d)``, finite.
    queries
        float32, shape ``(m, d)``, finite.
    k
        How many rows to return for each query.
    metric
        One of :data:`annlib.metric.METRICS`.
    exclude
        For each query, the rows it must not return.
    allow
        Mask of shape ``(n,)``: the rows that any query may return.

    Returns
    -------
    rows : NDArray[np.int64]
        Shape ``(m, k)``, best first; -1 where there is no neighbour left.
    scores : NDArray[np.float32]
        Shape ``(m, k)``; NaN where there is no neighbour left.
    """
    found_rows = np.full((len(queries), k), -1, dtype=np.int64)
    found_scores = np.full((len(queries), k), np.nan, dtype=np.float32)
    for i, query in enumerate(queries):
        score = scores(vectors, query, metric)
        eligible = ~np.isnan(score)
        if allow is not None:
            eligible &= allow
        if exclude is not None:
            eligible[np.asarray(exclude[i], dtype=np.int64)] = False
        rows = np.flatnonzero(eligible)
        cost = score[rows] if metric in DISTANCES else -score[rows]
        best = rows[np.argsort(cost, kind="stable")[:k]]
        found_rows[i, : len(best)] = best
        found_scores[i, : len(best)] = score[best]
    return found_rows, found_scores
