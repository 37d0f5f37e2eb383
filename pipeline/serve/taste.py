"""A taste: what somebody likes, added, and what not, subtracted, as one vector.

Where the vectors come from interactions, the liked entities of one type are the history of a new user, whom the model
folds in, and the disliked ones that of another; a liked user counts with its own vector. The taste is the sum of the
liked less the sum of the disliked. Where vectors come from a file there is no model: they are added and subtracted at
length 1, as analogies of words are. Either way the score of a target is a sum over the entities of the taste.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from pipeline.config import USER
from pipeline.explain import contributions
from pipeline.serve.errors import CannotExplainError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipeline.lookup import Run


@dataclass(frozen=True)
class Part:
    """Entities of one type that a taste adds (sign 1) or subtracts (sign -1)."""

    entity: str
    rows: tuple[int, ...]
    sign: int


@dataclass(frozen=True)
class Share:
    """What one entity of a taste adds to a score."""

    entity: str
    row: int
    share: float


class Taste:
    """Likes and dislikes, in one space.

    Parameters
    ----------
    run
        The published run.
    likes, dislikes
        Entity types and rows; at least one in all.
    """

    def __init__(self, run: Run, likes: Sequence[tuple[str, int]], dislikes: Sequence[tuple[str, int]]) -> None:
        if not (likes or dislikes):
            raise RequestError("expected something to like or dislike, got nothing", hint="Add like=TYPE:ID.")
        both = set(likes) & set(dislikes)
        if both:
            entity, row = min(both)
            raise RequestError(
                f"{run.vocabulary(entity).name(row)!r} is liked and disliked at once", hint="Leave one of the two out."
            )
        self._run = run
        self.parts = [*_parts(likes, 1), *_parts(dislikes, -1)]
        self.from_file = self.parts[0].entity in run.imported

    @property
    def vector(self) -> NDArray[np.float32]:
        """The taste, float32, shape ``(d,)``."""
        vector = sum(part.sign * self._vector(part).astype(np.float64) for part in self.parts)
        return np.asarray(vector, dtype=np.float32)

    def exclude(self, to: str) -> NDArray[np.int32]:
        """Rows of an entity type that are the taste itself, or attributes of its items."""
        rows = [np.empty(0, dtype=np.int32)]
        for part in self.parts:
            if part.entity == to:
                rows.append(np.array(part.rows, dtype=np.int32))
            elif not self.from_file and part.entity != USER:
                excluded = self._run.as_entities(self._history(part), part.entity, to)
                rows += [] if excluded is None else [excluded.indices]
        return np.unique(np.concatenate(rows))

    def shares(self, target: NDArray[np.float32]) -> list[Share]:
        """What each entity of the taste adds to the inner product of the taste and a target, the largest first."""
        shares = [share for part in self.parts for share in self._shares(part, target)]
        return sorted(shares, key=lambda share: -share.share)

    def _shares(self, part: Part, target: NDArray[np.float32]) -> Iterator[Share]:
        if self.from_file or part.entity == USER:
            for row in part.rows:
                vector = self._vector(Part(part.entity, (row,), part.sign)).astype(np.float64)
                yield Share(part.entity, row, part.sign * float(vector @ target))
        else:
            for share in history_shares(self._run, part.entity, self._history(part), target):
                yield Share(share.entity, share.row, part.sign * share.share)

    def _vector(self, part: Part) -> NDArray[np.float32]:
        vectors = self._run.vectors(part.entity)[list(part.rows)]
        if self.from_file:
            vectors = unit(vectors)
        elif part.entity != USER:
            vectors = self._run.fold_in.users(self._history(part), part.entity, num_threads=1)
        total: NDArray[np.float32] = vectors.sum(axis=0)
        return total

    def _history(self, part: Part) -> csr_matrix:
        shape = (1, len(self._run.vocabulary(part.entity)))
        ones = np.ones(len(part.rows), dtype=np.float32)
        return csr_matrix((ones, np.array(part.rows, dtype=np.int32), np.array([0, len(part.rows)])), shape=shape)


def history_shares(run: Run, entity: str, history: csr_matrix, target: NDArray[np.float32]) -> list[Share]:
    """What each entity of a history, shape ``(1, n)``, adds to the score of a target by fold-in, the largest first.

    Raises
    ------
    CannotExplainError
        If the model cannot explain.
    """
    model = run.fold_in.model
    if not model.factorizer.explains():
        raise CannotExplainError(
            f"the model {model.name} cannot explain", hint="Its score is no sum over what somebody knows."
        )
    vocabulary = run.vocabulary(entity)
    return [
        Share(entity, vocabulary.row(part.id), part.share)
        for part in contributions(run.fold_in, history, target, vocabulary=vocabulary, of=entity)
    ]


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors at length 1, those of zeros as they are; shape ``(m, d)``."""
    # In float64, in which no square of a float32 vanishes or overflows.
    norms = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return scaled


def _parts(references: Sequence[tuple[str, int]], sign: int) -> Iterator[Part]:
    for entity in dict.fromkeys(entity for entity, _ in references):
        yield Part(entity, tuple(sorted({row for other, row in references if other == entity})), sign)
