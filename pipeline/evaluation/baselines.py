"""What a model must beat: recommendations that need no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from pipeline.factors.weighting import column_degrees

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Popularity:
    """Every user gets the items with the most users, their own left out; ties go to the lower row.

    Parameters
    ----------
    train
        Training interactions, shape ``(n_users, n_items)``; items nobody has are never recommended.
    """

    def __init__(self, train: csr_matrix) -> None:
        users = column_degrees(train)
        order = np.argsort(-users, kind="stable")
        self._order = order[: np.count_nonzero(users)]
        self._position = np.empty(len(order), dtype=np.int32)
        self._position[order] = np.arange(len(order), dtype=np.int32)

    def recommend(self, seen: csr_matrix, k: int) -> NDArray[np.int64]:
        """The k most popular items each user has not seen.

        Parameters
        ----------
        seen
            What the users have, shape ``(m, n_items)``.
        k
            Length of the lists.

        Returns
        -------
        int64, shape ``(m, k)``: rows of items, padded with -1. Memory is of that shape and of ``seen``.
        """
        m = seen.shape[0]
        # Sorting is in place, and moves the data along: both are copies.
        structure = (np.ones(seen.nnz, dtype=np.int8), self._position[seen.indices], seen.indptr.copy())
        ranked = csr_matrix(structure, shape=seen.shape)
        ranked.sort_indices()
        # With its seen items at positions p_0 < p_1 < ... of the popularity order, a user has p_i - i unseen items
        # before p_i. So the unseen item number j, from 0, has stepped over those seen with p_i - i <= j.
        degrees = np.diff(ranked.indptr)
        user = np.repeat(np.arange(m, dtype=np.int64), degrees)
        number = np.arange(ranked.nnz, dtype=np.int64) - np.repeat(ranked.indptr[:-1].astype(np.int64), degrees)
        unseen_before = ranked.indices - number
        near = unseen_before < k
        stepped_over = np.bincount(user[near] * k + unseen_before[near], minlength=m * k).reshape(m, k)
        positions = np.arange(k, dtype=np.int64) + np.cumsum(stepped_over, axis=1)
        rows = np.full((m, k), -1, dtype=np.int64)
        there = positions < len(self._order)
        rows[there] = self._order[positions[there]]
        return rows
