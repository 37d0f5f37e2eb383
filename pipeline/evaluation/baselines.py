"""What a model must beat: recommendations that need no latent vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.sparse import csr_matrix

from pipeline.factors.weighting import column_degrees, row_degrees

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Of the training events, as many as are recent to ``recent_popularity``: the last tenth.
RECENT_SHARE = 0.1


class Baseline(Protocol):
    """Something that recommends items by what users have."""

    def recommend(self, seen: csr_matrix, k: int) -> NDArray[np.int64]:
        """The k items each user should get of those not seen.

        Parameters
        ----------
        seen
            What the users have, shape ``(m, n_items)``, sorted indices.
        k
            Length of the lists.

        Returns
        -------
        int64, shape ``(m, k)``: rows of items, best first, padded with -1.
        """


class Popularity:
    """Every user gets the items with the most users, their own left out; ties go to the lower row.

    Parameters
    ----------
    train
        Training interactions, shape ``(n_users, n_items)``; items nobody has are never recommended.
    recent
        The recent part of them, same shape. With it, items with the most users in that part come first, and
        popularity in all of ``train`` decides between equals: so the lists are as long as without.
    """

    def __init__(self, train: csr_matrix, recent: csr_matrix | None = None) -> None:
        users = column_degrees(train)
        first = users if recent is None else column_degrees(recent)
        order = np.lexsort((-users, -first))
        self._order = order[users[order] > 0]
        self._position = np.empty(len(order), dtype=np.int32)
        # Items nobody has come after all others, and are never counted as stepped over.
        everything = np.concatenate([self._order, np.flatnonzero(users == 0)])
        self._position[everything] = np.arange(len(everything), dtype=np.int32)

    def recommend(self, seen: csr_matrix, k: int) -> NDArray[np.int64]:
        """The k most popular items each user has not seen; see :class:`Baseline`.

        Memory is of the shape of the result and of ``seen``.
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


class ItemNeighbors:
    """Item k-NN: the items most like those a user has, by the users they share (Sarwar et al., WWW 2001).

    The similarity of two items is the cosine of their columns of the binary matrix; each item keeps the
    :attr:`NEIGHBORS` most similar ones. A user's score for an item is the sum of its similarities to their own items;
    only items with a score above zero are recommended.

    Time is of the pairs of items in each history. Of one longer than :attr:`LONGEST_HISTORY`, the similarities are
    computed from a random part of that length, so that a few users cannot take all the time (Schelter et al., RecSys
    2012). Memory is of the neighbours kept, 12 bytes each, and of a row of scores for each thread. ``implicit``
    computes both steps.

    Parameters
    ----------
    train
        Training interactions, shape ``(n_users, n_items)``.
    num_threads
        Threads, 0 for all cores; never changes the result.
    seed
        Of the choice from long histories.
    """

    NEIGHBORS = 100
    LONGEST_HISTORY = 500

    def __init__(self, train: csr_matrix, *, num_threads: int, seed: int = 0) -> None:
        # Imported where it is used: the command line needs this module for its figures alone.
        from implicit.nearest_neighbours import ItemItemRecommender

        # An item is its own nearest neighbour, and never recommended to who has it.
        self._model = ItemItemRecommender(K=self.NEIGHBORS + 1, num_threads=num_threads)
        units = _binary(_shorten(train, self.LONGEST_HISTORY, seed))
        units.data /= np.sqrt(column_degrees(units))[units.indices]
        self._model.fit(units, show_progress=False)

    def recommend(self, seen: csr_matrix, k: int) -> NDArray[np.int64]:
        """The k items nearest to what each user has seen, of the others; see :class:`Baseline`."""
        m = seen.shape[0]
        rows, scores = self._model.recommend(np.arange(m), _binary(seen), N=k)
        # Where nothing else is left, a user's own items follow with a score of zero.
        return np.where(scores > 0.0, rows.astype(np.int64), -1)


def _shorten(matrix: csr_matrix, longest: int, seed: int) -> csr_matrix:
    """Keep at most so many values of each row, chosen at random."""
    degrees = row_degrees(matrix)
    if degrees.max(initial=0) <= longest:
        return matrix
    rows = np.repeat(np.arange(matrix.shape[0]), degrees)
    order = np.lexsort((np.random.default_rng(seed).random(matrix.nnz), rows))
    kept = np.zeros(matrix.nnz, dtype=bool)
    kept[order] = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], degrees) < longest
    indptr = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return csr_matrix((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def _binary(matrix: csr_matrix) -> csr_matrix:
    """A float64 matrix of ones with arrays of its own, which compiled code may ask to write to."""
    structure = (np.ones(matrix.nnz), matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32))
    return csr_matrix(structure, shape=matrix.shape)
