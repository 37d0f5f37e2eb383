"""Annoy's neighbours and distances from an index's rows and scores."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from annlib.index import Index
    from annlib.metric import Metric

#: Annoy's metrics, and the annlib metric that orders items as each does.
METRICS: dict[str, Metric] = {
    "angular": "cosine",
    "euclidean": "euclidean",
    "manhattan": "manhattan",
    "hamming": "hamming",
    "dot": "inner_product",
}


def distances(scores: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """Return Annoy's distances, of any shape, for an index's scores: sqrt(2 - 2 cos) for angular, else the scores."""
    if metric != "angular":
        return scores
    return np.sqrt(np.maximum(2.0 - 2.0 * scores.astype(np.float64), 0.0)).astype(np.float32)


def distance(u: NDArray[np.float32], v: NDArray[np.float32], metric: str) -> float:
    """Return Annoy's distance of two vectors, ``(d,)``; the cosine of a zero vector is 0."""
    x, y = u.astype(np.float64), v.astype(np.float64)
    match metric:
        case "angular":
            norms = math.sqrt(x.dot(x)) * math.sqrt(y.dot(y))
            score = x.dot(y) / norms if norms > 0.0 else 0.0
        case "dot":
            score = x.dot(y)
        case "euclidean":
            difference = x - y
            score = math.sqrt(difference.dot(difference))
        case "manhattan":
            score = np.abs(x - y).sum()
        case _:
            score = np.count_nonzero(x != y)
    with np.errstate(over="ignore"):
        return float(distances(np.asarray(score, dtype=np.float32), metric))


class NearestItems:
    """The nearest items of a query, ties by id.

    Parameters
    ----------
    index
        Items in the order of their ids.
    ids
        The id of each row; None where they are the rows.
    metric
        Annoy's name of the metric.
    """

    def __init__(self, index: Index, ids: NDArray[np.int64] | None, metric: str) -> None:
        self.index = index
        self._ids = ids
        self._metric = metric

    def find(self, query: NDArray[np.float32], n: int) -> tuple[list[int], NDArray[np.float32]]:
        """Find the ``n`` nearest items, or all where ``n`` is negative.

        Parameters
        ----------
        query
            float32, shape ``(d,)``, finite.
        n
            How many; fewer are found where there are fewer.

        Returns
        -------
        ids : list of int
            Nearest first.
        scores : NDArray[np.float32]
            One for each id, for :func:`distances`.
        """
        count = len(self.index)
        k = count if n < 0 else min(n, count)
        if k == 0:
            return [], np.empty(0, dtype=np.float32)
        # One thread: queries come one by one, and from several threads at once.
        found_rows, found_scores = self.index.search_rows(query[np.newaxis, :], k, num_threads=1)
        rows, scores = found_rows[0], found_scores[0]
        if self._metric == "angular" and not scores[-1] > 0.0:
            rows, scores = self._with_zero_vectors(rows, scores)
        ids = rows if self._ids is None else self._ids[rows]
        return ids.tolist(), scores

    def _with_zero_vectors(
        self, rows: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Put zero vectors, which have no cosine in annlib and one of 0 in Annoy, where they belong."""
        k = len(rows)
        found = rows >= 0
        if not found.any():  # the query has no direction, or no item has
            return np.arange(k), np.zeros(k, dtype=np.float32)
        rows = np.concatenate([rows[found], self._zero_rows])
        scores = np.concatenate([scores[found], np.zeros(len(self._zero_rows), dtype=np.float32)])
        order = np.lexsort((rows, -scores))[:k]
        return rows[order], scores[order]

    @cached_property
    def _zero_rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(~self.index.vectors.any(axis=1))
