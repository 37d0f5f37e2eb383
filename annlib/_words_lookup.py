"""Sums and differences of words, and their neighbours in an index: what ``annlib words`` asks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from annlib._words_spelling import closest_spellings, other_cases
from annlib.errors import AnnlibError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from annlib.index import Index

__all__ = ["Neighbor", "QueryError", "WordLookup"]


class QueryError(ValueError):
    """Words that have no answer: what is wrong, and what to do about it."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what}; {advice}")
        self.what = what
        self.advice = advice


@dataclass(frozen=True)
class Neighbor:
    """A word, and its cosine with what was asked."""

    word: str
    cosine: float


class WordLookup:
    """Neighbours of words, of their sums and of their differences.

    Parameters
    ----------
    index
        An index of metric cosine whose ids are the words; where its ids are numbers, its names are the words, and of
        several items of one name the first is meant.

    Raises
    ------
    AnnlibError
        The index has another metric, or no words.
    """

    def __init__(self, index: Index) -> None:
        if index.metric != "cosine":
            raise AnnlibError(f"{index!r}: expected an index of metric cosine, got {index.metric}")
        self._index = index
        self._vocabulary = _vocabulary_of(index)

    def nearest(self, terms: Sequence[str], k: int = 10, *, recall: float = 1.0) -> list[Neighbor]:
        """Find the words nearest to a sum of words.

        The unit vectors of the words are summed, as word2vec's ``distance`` does; a word with ``-`` before it is
        subtracted. The words that were asked for are left out of the answer.

        Parameters
        ----------
        terms
            Words, as ``["king", "-man", "woman"]``. One that is not known as it is spelt is tried in small letters,
            with initial capitals and in capitals.
        k
            Words to find.
        recall
            As of :meth:`annlib.Index.search`.

        Returns
        -------
        list[Neighbor]
            Up to ``k``, best first.

        Raises
        ------
        QueryError
            A word is not known (the message names those closest to it), or the words cancel out.
        """
        weights: Counter[int] = Counter()
        for term in terms:
            subtracted = term.startswith("-") and len(term) > 1
            weights[self._row(term[1:] if subtracted else term)] += -1 if subtracted else 1
        query = self._sum(weights)
        # The words asked for are among the best few themselves: so many more make up for leaving them out.
        rows, cosines = self._index.search_rows(query[np.newaxis, :], k + len(weights), recall=recall)
        kept = (rows[0] >= 0) & ~np.isin(rows[0], list(weights))
        words = self._vocabulary.words(rows[0][kept][:k])
        return [Neighbor(*pair) for pair in zip(words, cosines[0][kept][:k].tolist(), strict=True)]

    def _row(self, word: str) -> int:
        cases = [word, *other_cases(word)]
        for row in self._vocabulary.find_rows(cases).tolist():
            if row >= 0:
                return int(row)
        close = closest_spellings(word, self._vocabulary.find_rows)
        advice = f"closest to it: {', '.join(close)}" if close else "no other word is close to it"
        raise QueryError(f"{word!r} is not a word of {self._index.path or 'the index'}", advice)

    def _sum(self, weights: Counter[int]) -> NDArray[np.float64]:
        """Sum the unit vectors of rows, each so many times; float64, shape ``(d,)``."""
        counted = {row: weight for row, weight in weights.items() if weight != 0}
        if not counted:
            raise QueryError("the words cancel out: nothing is left to look for", "add one that is not subtracted")
        vectors = self._index.vectors[list(counted)].astype(np.float64)
        norms = np.linalg.norm(vectors, axis=1)
        if not norms.all():
            [word] = self._vocabulary.words(np.array([list(counted)[int(np.argmin(norms))]]))
            raise QueryError(f"the vector of {word!r} is zero: it has no direction", "leave it out")
        return np.asarray(np.array(list(counted.values())) @ (vectors / norms[:, np.newaxis]))


class _Vocabulary(Protocol):
    def find_rows(self, words: list[str]) -> NDArray[np.int64]:
        """Return the rows of words, -1 for those that are not known."""

    def words(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the words of rows."""


def _vocabulary_of(index: Index) -> _Vocabulary:
    if index.info["id_type"] == "strings":
        return _Ids(index)
    if index.names is not None:
        return _Names(index.names)
    raise AnnlibError(f"{index!r}: expected ids or names that are words, got neither")


class _Ids:
    """Words that are ids: looked up in the file, however many there are."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def find_rows(self, words: list[str]) -> NDArray[np.int64]:
        return self._index.find_rows(words)

    def words(self, rows: NDArray[np.int64]) -> list[str]:
        words: list[str] = self._index.ids_of(rows).tolist()
        return words


class _Names:
    """Words that are names: read once."""

    def __init__(self, names: NDArray[np.object_]) -> None:
        self._names = names
        self._rows = {name: row for row, name in reversed(list(enumerate(names)))}

    def find_rows(self, words: list[str]) -> NDArray[np.int64]:
        return np.array([self._rows.get(word, -1) for word in words], dtype=np.int64)

    def words(self, rows: NDArray[np.int64]) -> list[str]:
        words: list[str] = self._names[rows].tolist()
        return words
