"""Search by weighted scores for a few sources, without an index: everything is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.tables.scoring import pair_scores, weighted_scores
from pipeline.tables.searches import Found

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.config import Metric


class ExhaustiveSearch:
    """Finds what :class:`~pipeline.tables.weighted.WeightedSearch` finds; sooner where it is asked for few sources.

    Parameters
    ----------
    targets, vectors
        Vectors of the targets and the sources, float32, shapes ``(n_targets, d)`` and ``(n_sources, d)``.
    metric
        What the model's scores are.
    weights
        float64, shape ``(n_targets,)``, above zero; see :func:`~pipeline.tables.scoring.weighted_scores`.
    exclude
        CSR of shape ``(n_sources, n_targets)``: targets to leave out of each source's list.
    allow
        bool, shape ``(n_targets,)``: the targets that any list may hold.
    """

    def __init__(
        self,
        targets: NDArray[np.float32],
        vectors: NDArray[np.float32],
        metric: Metric,
        weights: NDArray[np.float64],
        *,
        exclude: csr_matrix | None = None,
        allow: NDArray[np.bool_] | None = None,
    ) -> None:
        self._targets = targets
        self._vectors = vectors
        self._metric: Metric = metric
        self._weights = weights
        self._exclude = exclude
        self._allow = allow
        self._rankings: dict[int, Found] = {}

    def best(self, source_rows: NDArray[np.int64], depth: int) -> Found:
        """The ``depth`` best of each source."""
        rows = np.full((len(source_rows), depth), -1, dtype=np.int64)
        scores = np.full((len(source_rows), depth), np.nan, dtype=np.float32)
        for position, source_row in enumerate(source_rows.tolist()):
            ranking = self._ranking(source_row)
            length = min(depth, len(ranking.rows))
            rows[position, :length] = ranking.rows[:length]
            scores[position, :length] = ranking.scores[:length]
        return Found(rows, scores)

    def _ranking(self, source_row: int) -> Found:
        """Everything that a source's list may hold, best first; kept, as a search is asked deeper and deeper."""
        if source_row not in self._rankings:
            eligible = np.ones(len(self._targets), dtype=bool) if self._allow is None else self._allow.copy()
            if self._exclude is not None:
                eligible[self._exclude[[source_row]].indices] = False
            candidates = np.flatnonzero(eligible)
            query = self._vectors[[source_row]]
            relevance = pair_scores(query, self._targets, candidates[np.newaxis, :], self._metric)[0]
            scores = weighted_scores(relevance, self._weights[candidates])
            # Stable, and NaN last: what has no cosine is in no list.
            order = np.argsort(-scores, kind="stable")[: np.count_nonzero(~np.isnan(scores))]
            self._rankings[source_row] = Found(candidates[order], scores[order])
        return self._rankings[source_row]
