"""Measures of recommended lists against held-out interactions, vectorized over users.

Throughout, ``rows`` is an integer array of shape ``(m, k)``: for each of m users the rows of recommended items, best
first, none twice, padded with -1 where a list is shorter. ``test`` is CSR of shape ``(m, n_items)`` with sorted
indices: the held-out items of the same users, each of whom has at least one. The measures of accuracy and diversity are
means over users, each of whom counts the same; those of the catalogue are of all lists together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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


class Diversity:
    r"""Intra-list diversity: how unlike each other the items of one list are, by the vectors of the items.

    ``diversity@k``: 1 - cosine, averaged over all pairs of the first k items of a list (Ziegler et al., WWW 2005;
    Vargas & Castells, RecSys 2011): 0 for items that are all the same, about 1 for unrelated ones, at most 2. An item
    whose vector is zero is unrelated to every other. NaN for a list of fewer than two items: it has no pairs, and
    counts in no mean.

    The cosines of all pairs of n unit vectors with sum S add up to :math:`(|S|^2 - n) / 2`, so that a list takes time
    linear in its length.

    Parameters
    ----------
    item_vectors
        Shape ``(n_items, d)``.
    """

    def __init__(self, item_vectors: NDArray[np.float32]) -> None:
        norms = np.linalg.norm(item_vectors, axis=1, keepdims=True)
        self._units = np.divide(item_vectors, norms, out=np.zeros(item_vectors.shape, np.float32), where=norms > 0)
        self._lengths = (norms[:, 0] > 0).astype(np.float64)

    def measure(self, rows: NDArray[Any], cutoffs: Sequence[int]) -> PerUser:
        """``diversity@k`` of every list and cutoff, float64, shape ``(m,)``."""
        sums = np.zeros((len(rows), self._units.shape[1]))
        squares, counts = np.zeros(len(rows)), np.zeros(len(rows))
        result: PerUser = {}
        start = 0
        for k in sorted(cutoffs):
            lists = _lists(rows[:, start:k], len(self._units))
            sums += lists @ self._units
            squares += lists @ self._lengths
            counts += np.diff(lists.indptr)
            pairs = counts * (counts - 1)
            similarity = np.einsum("ij,ij->i", sums, sums) - squares
            result[f"diversity@{k}"] = 1.0 - np.divide(
                similarity, pairs, out=np.full(len(rows), np.nan), where=pairs > 0
            )
            start = k
        return result


def _lists(rows: NDArray[Any], n_items: int) -> csr_matrix:
    """Lists as a binary CSR matrix of shape ``(m, n_items)``."""
    there = rows >= 0
    indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return csr_matrix((np.ones(indptr[-1], np.float32), rows[there], indptr), shape=(len(rows), n_items))


class CatalogueMetrics:
    """What lists that come batch by batch make of the catalogue.

    - ``coverage@k``: share of the catalogue that is in the first k of some list;
    - ``gini@k``: Gini coefficient of how often each item of the catalogue is in the first k of a list, those that
      never are among them: 0 where all are equally often, towards 1 where few have all places. With the n counts
      x_1 <= x_2 <= ... ascending: sum of (2 i - n - 1) x_i, divided by n times the sum of the x_i. 0 where nothing is
      recommended;
    - ``novelty@k``: mean of -log2(share of users who have the item) over all places of the first k of all lists: the
      self-information of what is recommended, in bits (Vargas & Castells, RecSys 2011). 0 where nothing is.

    Parameters
    ----------
    item_users
        Number of users of each item in the training data, shape ``(n_items,)``. The catalogue is the items that have
        any: only those can be recommended.
    n_users
        Number of users in the training data.
    cutoffs
        The k of the measures.
    """

    def __init__(self, item_users: NDArray[np.int64], n_users: int, cutoffs: Sequence[int]) -> None:
        self._information = -np.log2(np.maximum(item_users, 1) / n_users)
        self._catalogue = item_users > 0
        self._counts = {k: np.zeros(len(item_users), dtype=np.int64) for k in cutoffs}

    def add(self, rows: NDArray[Any]) -> None:
        """Count a batch of lists, shape ``(m, k)``, padded with -1."""
        for k, counts in self._counts.items():
            top = rows[:, :k]
            counts += np.bincount(top[top >= 0], minlength=len(counts))

    @property
    def counts(self) -> dict[int, NDArray[np.int64]]:
        """How often each item is in the first k of a list, by k; shape ``(n_items,)``."""
        return self._counts

    def result(self) -> dict[str, float]:
        """The measures, keyed ``"coverage@20"``, ``"gini@20"`` and ``"novelty@20"``."""
        result = {}
        for k, counts in self._counts.items():
            of_catalogue = counts[self._catalogue]
            result[f"coverage@{k}"] = float(np.count_nonzero(of_catalogue) / len(of_catalogue))
            result[f"gini@{k}"] = _gini(of_catalogue)
            result[f"novelty@{k}"] = float(counts @ self._information / max(int(counts.sum()), 1))
        return result


def _gini(counts: NDArray[np.int64]) -> float:
    n, total = len(counts), int(counts.sum())
    if total == 0:
        return 0.0
    weights = 2.0 * np.arange(1, n + 1) - n - 1
    return float(weights @ np.sort(counts) / (n * total))
