"""Lists as implicit gives them: what it ranks, and how a list goes on where too few are left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, DTypeLike, NDArray

Lists = tuple["NDArray[Any]", "NDArray[Any]"]


def check_length(length: object) -> int:
    """Return the length of the lists (``N``), refused as implicit refuses it."""
    if not isinstance(length, (int, float, np.integer, np.floating)):
        raise TypeError(f"N: expected an integer, got {type(length).__name__}")
    if length < 0:
        raise ValueError(f"N: expected at least 1, got {length}")
    if length == 0:
        raise IndexError("N: expected at least 1, got 0")
    return int(length)


@dataclass(frozen=True)
class Candidates:
    """The items, or users, that a call ranks.

    Attributes
    ----------
    ids
        Those it is restricted to, each once, ascending; None for all of them.
    repeats
        How often each of ``ids`` was asked for, where one was more than once, else None.
    first
        The first that was asked for: what lists are padded with.
    dtype
        The dtype of ids in the results.
    allow
        Mask over all: what may be found; None for all of them.
    count
        How many there are to rank, each once.
    """

    ids: NDArray[np.integer[Any]] | None
    repeats: NDArray[np.int64] | None
    first: int
    dtype: DTypeLike
    allow: NDArray[np.bool_] | None
    count: int

    @classmethod
    def all_but(cls, total: int, filtered: Any) -> Self:
        """All of them, except those that ``filtered`` selects, which indexes as in NumPy; None for no exception.

        Raises
        ------
        IndexError
            ``filtered`` is no index of ``total`` items.
        """
        allow = None
        if filtered is not None:
            mask = np.ones((1, total), dtype=np.bool_)
            mask[:, filtered] = False
            allow = mask[0]
        return cls(None, None, 0, np.int32, allow, total)

    @classmethod
    def given(cls, total: int, ids: ArrayLike, argument: str) -> Self:
        """Those of a list of ids, which may repeat.

        Raises
        ------
        IndexError, ValueError
            Not ids from 0 to ``total - 1``, or none; as implicit raises them.
        """
        given = np.array(ids)
        if given.dtype.kind not in "iu":
            raise IndexError(f"{argument}: expected integer ids, got {given.dtype}")
        if given.ndim != 1 or given.size == 0:
            raise ValueError(f"{argument}: expected a list of one id or more, got shape {given.shape}")
        if given.min() < 0 or given.max() >= total:
            outside = given[(given < 0) | (given >= total)][0]
            raise IndexError(f"{argument}: expected ids from 0 to {total - 1}, as the model has, got {outside}")
        distinct, repeats = np.unique(given, return_counts=True)
        allow = np.zeros(total, dtype=np.bool_)
        allow[distinct] = True
        repeated = len(distinct) < len(given)
        return cls(distinct, repeats if repeated else None, int(given[0]), given.dtype, allow, len(distinct))

    @property
    def asked(self) -> int:
        """How many were asked for, repetitions included."""
        return self.count if self.repeats is None else int(self.repeats.sum())

    def rank(
        self, length: int, search: Callable[[int], Lists], filtered_scores: NDArray[Any], dtype: np.dtype[Any]
    ) -> Lists:
        """Make lists of a length, as implicit does.

        Parameters
        ----------
        length
            Of the lists.
        search
            Finds the best ``k`` for ``m`` queries: rows and scores, shape ``(m, k)``, -1 and NaN where none is left.
        filtered_scores
            Shape ``(m,)``: the score that implicit gives to what is filtered out of a query's list.
        dtype
            The dtype of scores.

        Returns
        -------
        ids, scores : NDArray
            Shape ``(m, length)``.
        """
        k = self.count if self.repeats is not None else min(length, self.count)
        rows, scores = search(k)
        ids, scores = rows.astype(self.dtype, casting="unsafe"), scores.astype(dtype)
        self._append_filtered(rows, ids, scores, filtered_scores)
        if self.repeats is not None:
            times = self.repeats[np.searchsorted(self._head(k), ids)]
            ids = np.repeat(ids.ravel(), times.ravel()).reshape(len(ids), -1)[:, :length]
            scores = np.repeat(scores.ravel(), times.ravel()).reshape(len(scores), -1)[:, :length]
        missing = [(0, 0), (0, length - ids.shape[1])]
        return np.pad(ids, missing, constant_values=self.first), np.pad(scores, missing)

    def _append_filtered(
        self, rows: NDArray[np.int64], ids: NDArray[Any], scores: NDArray[Any], filtered_scores: NDArray[Any]
    ) -> None:
        """Let lists that are too short go on with what was filtered out.

        implicit gives it the lowest score there is and then ranks all: it starts from the first ``k``, and whatever
        is better takes the place of the worst. So of the filtered the last among the first ``k`` are left, last first.
        """
        head = self._head(rows.shape[1])
        for i in np.flatnonzero(rows[:, -1] < 0):
            short = rows[i] < 0
            filtered = head[~np.isin(head, rows[i])][::-1]
            ids[i, short] = filtered[: np.count_nonzero(short)]
            scores[i, short] = filtered_scores[i]

    def _head(self, k: int) -> NDArray[np.integer[Any]]:
        return np.arange(k) if self.ids is None else self.ids[:k]


def norms(factors: NDArray[Any]) -> NDArray[Any]:
    """Lengths of the rows, shape ``(n, d)`` to ``(n,)``."""
    lengths: NDArray[Any] = np.linalg.norm(factors, axis=1)
    return lengths


def directions(factors: NDArray[Any]) -> NDArray[Any]:
    """Factors at a length of 1; zero vectors stay zero."""
    lengths = norms(factors)
    unit: NDArray[Any] = factors / np.where(lengths == 0, 1, lengths)[:, np.newaxis]
    return unit


def lowest(dtype: np.dtype[Any], query_norms: NDArray[Any]) -> NDArray[Any]:
    """The score that implicit gives to what is filtered out, before it divides by the norms of queries."""
    with np.errstate(over="ignore"):
        scores: NDArray[Any] = -np.finfo(dtype).max / np.maximum(query_norms, 1e-10).astype(dtype)
    return scores


def with_themselves(
    own: NDArray[np.int64], directed: NDArray[np.bool_], found: Lists, allow: NDArray[np.bool_] | None
) -> Lists:
    """Put each at the head of its neighbours, where it is allowed: at a cosine of 1, or of 0 without direction."""
    rows, scores = found
    heads = np.arange(len(own)) if allow is None else np.flatnonzero(allow[own])
    rows[heads, 1:], scores[heads, 1:] = rows[heads, :-1], scores[heads, :-1]
    rows[heads, 0], scores[heads, 0] = own[heads], directed[heads]
    return rows, scores
