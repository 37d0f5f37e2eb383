"""The slow, readable twin of a table: one list at a time, everything scored, every rule a loop.

It is the definition of what :mod:`pipeline.tables.ranking` computes fast. The tests compare the two; the neighbour
recall of every table is measured against it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from annlib import exact
from pipeline.tables.diversity import scaled_relevance
from pipeline.tables.scoring import weighted_scores

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from pipeline.config import Metric
    from pipeline.tables.rules import Rules


class TrueList(NamedTuple):
    """The list that a source should have: target rows best first, their scores, and which are there for popularity."""

    rows: list[int]
    scores: list[float]
    popular: list[bool]


@dataclass(frozen=True)
class Oracle:
    """Gives the list that a source should have.

    Attributes
    ----------
    targets, vectors
        Vectors of the targets and the sources, float32, shapes ``(n_targets, d)`` and ``(n_sources, d)``.
    metric
        What the model's scores are.
    rules
        The rules of the table.
    k
        Length of the lists, at most.
    """

    targets: NDArray[np.float32]
    vectors: NDArray[np.float32]
    metric: Metric
    rules: Rules
    k: int

    def rows(self, source_row: int) -> NDArray[np.int64]:
        """Target rows of a source's list."""
        return np.array(self.true_list(source_row).rows, dtype=np.int64)

    def true_list(self, source_row: int) -> TrueList:
        """A source's list."""
        rules = self.rules
        eligible = np.ones(len(self.targets), dtype=bool) if rules.allow is None else rules.allow.copy()
        if rules.exclude is not None:
            eligible[rules.exclude[source_row].indices] = False
        rows, scores = self._of_model(self.vectors[source_row], eligible)
        popular = [False] * len(rows)
        if rules.popular is not None:
            last = min(0.0, scores[-1]) if scores else 0.0
            listed = set(rows)
            wanted = (row for row in rules.popular.order.tolist() if eligible[row] and row not in listed)
            rows = self._walk(chain(rows, wanted), self.k)
            scores += [last + rules.popular.shares[row] - 1.0 for row in rows[len(scores) :]]
            popular += [True] * (len(rows) - len(popular))
        return TrueList(rows, np.array(scores, dtype=np.float32).tolist(), popular)

    def _of_model(self, vector: NDArray[np.float32], eligible: NDArray[np.bool_]) -> tuple[list[int], list[float]]:
        rules = self.rules
        if rules.popular is not None and not vector.any():
            return [], []  # of whom the model knows nothing
        scores = exact.scores(self.targets, vector, self.metric)
        if rules.weights is not None:
            scores = weighted_scores(scores, rules.weights)
        candidates = np.flatnonzero(eligible & ~np.isnan(scores))
        ranking = candidates[np.argsort(-scores[candidates], kind="stable")].tolist()
        if rules.diversity is None:
            rows = self._walk(ranking, self.k)
            return rows, scores[rows].tolist()
        rows = self._walk(ranking, rules.diversity.candidates)
        return self._diversify(rows, scores[rows], rules.diversity.lambda_)

    def _walk(self, ranking: Iterable[int], length: int) -> list[int]:
        """The first of a ranking, none beyond a cap."""
        counts: list[Counter[int]] = [Counter() for _ in self.rules.caps]
        taken: list[int] = []
        for row in ranking:
            if len(taken) == length:
                break
            values = [cap.values_of(row) for cap in self.rules.caps]
            if all(
                count[value] < cap.limit
                for cap, count, own in zip(self.rules.caps, counts, values, strict=True)
                for value in own
            ):
                taken.append(row)
                for count, own in zip(counts, values, strict=True):
                    count.update(own)
        return taken

    def _diversify(self, rows: list[int], scores: NDArray[np.float32], weight: float) -> tuple[list[int], list[float]]:
        """Greedy maximal marginal relevance (:func:`pipeline.tables.diversity.diversify`)."""
        relevance = scaled_relevance(scores[None, :])[0]
        vectors = self.targets[rows].astype(np.float64)
        similarity = np.zeros(len(rows))  # of each to the nearest one chosen
        left = list(range(len(rows)))
        chosen: list[int] = []
        values: list[float] = []
        while left and len(chosen) < self.k:
            value = weight * relevance - (1.0 - weight) * similarity
            best = max(left, key=value.__getitem__)  # the first of equals
            left.remove(best)
            chosen.append(rows[best])
            values.append(float(np.float32(value[best])))
            similarity = np.maximum(similarity, _cosines(vectors, vectors[best]))
        return chosen, values


def _cosines(vectors: NDArray[np.float64], vector: NDArray[np.float64]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(vector)
    return np.where(norms > 0.0, vectors @ vector / np.where(norms > 0.0, norms, 1.0), 0.0).astype(np.float32)
