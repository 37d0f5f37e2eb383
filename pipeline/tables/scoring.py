"""Scores of given pairs, by the definition, and what weights make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from annlib import exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.config import Metric

#: Products computed at once, for memory's sake.
_BLOCK_PRODUCTS = 1 << 21


def pair_scores(
    queries: NDArray[np.float32], targets: NDArray[np.float32], target_rows: NDArray[np.int64], metric: Metric
) -> NDArray[np.float32]:
    """Score some targets for each query, bit for bit as a search does (:mod:`annlib.exact`).

    Parameters
    ----------
    queries
        float32, shape ``(m, d)``.
    targets
        float32, shape ``(n, d)``; may be memory-mapped.
    target_rows
        int64, shape ``(m, c)``; -1 for none.

    Returns
    -------
    float32, shape ``(m, c)``; NaN where there is no target, or no cosine.
    """
    scores = np.full(target_rows.shape, np.nan, dtype=np.float32)
    lists, places = np.nonzero(target_rows >= 0)
    block = max(1, _BLOCK_PRODUCTS // targets.shape[1])
    for start in range(0, len(lists), block):
        part = slice(start, start + block)
        q, x = queries[lists[part]], targets[target_rows[lists[part], places[part]]]
        products = exact.fixed_order_sum(q.astype(np.float64) * x)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            if metric == "cosine":
                products /= exact.norms(q) * exact.norms(x)
            scores[lists[part], places[part]] = products.astype(np.float32)
    return scores


def weighted_scores(relevance: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Multiply scores by weights where they are above zero, and divide them where they are below.

    So a higher weight never lowers a score, and of two targets of one weight the more relevant stays first.
    """
    wide = relevance.astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        return np.where(wide > 0.0, wide * weights, wide / weights).astype(np.float32)
