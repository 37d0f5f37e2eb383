"""Measures of recommended lists against held-out interactions, vectorized over users.

Throughout, ``rows`` is an integer array of shape ``(m, k)``: for each of m users the rows of recommended items, best
first, none twice, padded with -1 where a list is shorter. ``test`` is CSR of shape ``(m, n_items)`` with sorted
indices: the held-out items of the same users, each of whom has at least one. Every measure is a mean over users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

#: Measures of one user's list, in the order they are shown.
RANKING_METRICS = ("recall", "precision", "ndcg", "map", "mrr", "hit_rate")

PerUser = dict[str, "NDArray[np.float64]"]


def ranking_metrics(rows: NDArray[Any], test: csr_matrix, cutoffs: Sequence[int]) -> PerUser:
    r"""Measures of every user at every cutoff, keyed ``"ndcg@20"``.

    With the hits among the first k of a list, and T the user's test items:

    - ``recall@k``: hits / \\|T\\|, as the LightGCN papers count it (so it can stay below 1 where \\|T\\| > k);
    - ``precision@k``: hits / k, also where the list is shorter than k;
    - ``ndcg@k``: sum of 1 / log2(rank + 1) over hits, divided by that sum for hits on ranks 1 to min(k, \\|T\\|)
      (Järvelin & Kekäläinen, TOIS 2002, with binary gains);
    - ``map@k``: sum over hits of the precision at the hit's rank, divided by min(k, \\|T\\|);
    - ``mrr@k``: 1 / rank of the first hit, 0 where there is none;
    - ``hit_rate@k``: 1 where there is a hit, else 0.

    Parameters
    ----------
    rows
        Recommended items, shape ``(m, k)``; a cutoff beyond k counts what is there.
    test
        Test items, shape ``(m, n_items)``.
    cutoffs
        The k of the measures.

    Returns
    -------
    float64 of shape ``(m,)`` for each measure and cutoff.
    """
    sizes = np.diff(test.indptr).astype(np.float64)
    if len(sizes) != len(rows):
        raise ValueError(f"test: expected {len(rows)} rows, one for each list, got {len(sizes)}")
    if sizes.size and sizes.min() == 0:
        raise ValueError(f"test: expected an item for every user, row {int(sizes.argmin())} has none")
    hits = hit_matrix(rows, test)
    ranks = np.arange(1, hits.shape[1] + 1)
    discounts = 1.0 / np.log2(ranks + 1.0)
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2.0, max(cutoffs, default=0) + 2.0)))])
    precision_at_hits = hits * np.cumsum(hits, axis=1) / ranks

    result: PerUser = {}
    for k in cutoffs:
        top = hits[:, :k]
        n_hits = top.sum(axis=1).astype(np.float64)
        reachable = np.minimum(k, sizes)
        first = np.where(n_hits > 0, top.argmax(axis=1) + 1.0, np.inf) if top.shape[1] else np.full(len(top), np.inf)
        result[f"recall@{k}"] = n_hits / sizes
        result[f"precision@{k}"] = n_hits / k
        result[f"ndcg@{k}"] = (top * discounts[:k]).sum(axis=1) / ideal[reachable.astype(np.intp)]
        result[f"map@{k}"] = precision_at_hits[:, :k].sum(axis=1) / reachable
        result[f"mrr@{k}"] = 1.0 / first
        result[f"hit_rate@{k}"] = (n_hits > 0).astype(np.float64)
    return result


def hit_matrix(rows: NDArray[Any], test: csr_matrix) -> NDArray[np.bool_]:
    """Whether each recommended item is a test item of its user: shape ``(m, k)``, padding never."""
    m, n_items = test.shape
    users = np.repeat(np.arange(m, dtype=np.int64), np.diff(test.indptr))
    # Sorted rows of sorted indices make sorted keys.
    keys = np.append(users * n_items + test.indices, np.iinfo(np.int64).max)
    wanted = np.arange(m, dtype=np.int64)[:, None] * n_items + rows
    hits: NDArray[np.bool_] = (keys[np.searchsorted(keys, wanted)] == wanted) & (rows >= 0)
    return hits


class CatalogueMetrics:
    """Coverage and novelty of lists that come batch by batch.

    - ``coverage@k``: share of the catalogue that is in the first k of some list;
    - ``novelty@k``: mean of -log2(share of users who have the item) over all places of the first k of all lists: the
      self-information of what is recommended, in bits (Vargas & Castells, RecSys 2011). 0 where nothing is.

    Parameters
    ----------
    item_users
        Number of users of each item in the training data, shape ``(n_items,)``; above zero where recommended.
    n_users
        Number of users in the training data.
    n_catalogue
        Number of items that can be recommended.
    cutoffs
        The k of the measures.
    """

    def __init__(self, item_users: NDArray[np.int64], n_users: int, n_catalogue: int, cutoffs: Sequence[int]) -> None:
        self._information = -np.log2(np.maximum(item_users, 1) / n_users)
        self._n_catalogue = n_catalogue
        self._counts = {k: np.zeros(len(item_users), dtype=np.int64) for k in cutoffs}

    def add(self, rows: NDArray[Any]) -> None:
        """Count a batch of lists, shape ``(m, k)``, padded with -1."""
        for k, counts in self._counts.items():
            top = rows[:, :k]
            counts += np.bincount(top[top >= 0], minlength=len(counts))

    def result(self) -> dict[str, float]:
        """The measures, keyed ``"coverage@20"`` and ``"novelty@20"``."""
        result = {}
        for k, counts in self._counts.items():
            result[f"coverage@{k}"] = float(np.count_nonzero(counts) / self._n_catalogue)
            result[f"novelty@{k}"] = float(counts @ self._information / max(int(counts.sum()), 1))
        return result
