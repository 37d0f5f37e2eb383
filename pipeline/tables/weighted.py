"""Search by the model's scores under weights: a popularity penalty, boosts, or both."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

import annlib
from annlib import exact
from pipeline.errors import DataError
from pipeline.tables.scoring import pair_scores, weighted_scores
from pipeline.tables.searches import Found, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.config import Metric

#: Vectors scaled at once.
_BLOCK_ROWS = 1 << 14
#: How far a score can be from the search's, as a share of the norms' product: a few roundings to float32, of 2**-24.
_ROUNDING = 8 * 2.0**-24
#: What underflow can add to that.
_UNDERFLOW = 2.0**-140
#: Candidates beyond those wanted, so that the last one wanted is nearly always above what was not looked at.
_MARGIN = 16
_LARGEST = float(np.finfo(np.float32).max)


class WeightedSearch:
    """Finds the best by :func:`~pipeline.tables.scoring.weighted_scores`, exactly.

    A weight above zero can be had by scaling a vector: the inner product with ``w x`` ranks the targets whose scores
    are above zero, that with ``x / w`` the others. Each has an index of its own, the second made when a list first
    needs it. Scaled vectors are rounded, so what these indexes find is scored anew by the definition, and looked for
    deeper until the last one wanted lies above all that was not found by more than rounding can move it.

    Parameters
    ----------
    targets, vectors
        Vectors of the targets and the sources, float32, shapes ``(n_targets, d)`` and ``(n_sources, d)``.
    metric
        What the model's scores are.
    weights
        float64, shape ``(n_targets,)``, above zero.
    folder
        An existing folder for the indexes, which stay in use as long as the search is.
    exclude
        CSR of shape ``(n_sources, n_targets)``: targets to leave out of each source's list.
    allow
        bool, shape ``(n_targets,)``: the targets that any list may hold.

    Raises
    ------
    DataError
        By :meth:`best`, if weights take vectors or scores beyond float32.
    """

    def __init__(
        self,
        targets: NDArray[np.float32],
        vectors: NDArray[np.float32],
        metric: Metric,
        weights: NDArray[np.float64],
        *,
        folder: Path,
        exclude: csr_matrix | None = None,
        allow: NDArray[np.bool_] | None = None,
        num_threads: int = 0,
    ) -> None:
        self._targets = targets
        self._vectors = vectors
        self._metric: Metric = metric
        self._weights = weights
        self._folder = folder
        self._exclude = _nothing(len(vectors), len(targets)) if exclude is None else exclude
        self._allow = allow
        self._num_threads = num_threads

    def best(self, source_rows: NDArray[np.int64], depth: int) -> Found:
        """The ``depth`` best of each source."""
        exclude = self._exclude[source_rows]
        best = self._best_by(self._multiplied, source_rows, depth, exclude, positive=True)
        short = np.flatnonzero(best.rows[:, -1] < 0)
        if len(short):
            # Everything above zero was found.
            exclude = exclude[short] + _entries(best.rows[short], len(self._targets))
            rest = self._best_by(self._divided, source_rows[short], depth, exclude, positive=False)
            for position, rows, scores in zip(short.tolist(), *rest, strict=True):
                n_positive = int(np.count_nonzero(best.rows[position] >= 0))
                best.rows[position, n_positive:] = rows[: depth - n_positive]
                best.scores[position, n_positive:] = scores[: depth - n_positive]
        return best

    def _best_by(
        self, scaled: _ScaledTargets, source_rows: NDArray[np.int64], depth: int, exclude: csr_matrix, *, positive: bool
    ) -> Found:
        """The best of those whose scores are above zero, or of the others; of these nothing above zero may be left."""
        best = Found(
            np.full((len(source_rows), depth), -1, dtype=np.int64),
            np.full((len(source_rows), depth), np.nan, dtype=np.float32),
        )
        pending = np.arange(len(source_rows))
        reach = depth + _MARGIN
        while len(pending):
            uncertain = []
            for part in blocks(pending, reach):
                found, certain = self._look(scaled, source_rows[part], depth, reach, exclude[part], positive=positive)
                best.rows[part], best.scores[part] = found
                uncertain.append(part[~certain])
            pending = np.concatenate(uncertain)
            reach *= 2
        return best

    def _look(
        self,
        scaled: _ScaledTargets,
        source_rows: NDArray[np.int64],
        depth: int,
        reach: int,
        exclude: csr_matrix,
        *,
        positive: bool,
    ) -> tuple[Found, NDArray[np.bool_]]:
        """Look ``reach`` deep; which lists are certain to be right is the second result."""
        queries = self._vectors[source_rows]
        norms = exact.norms(queries)
        if self._metric == "cosine":
            directions = (queries / np.where(norms > 0.0, norms, 1.0)[:, None]).astype(np.float32)
            norms = np.sign(norms)
        else:
            directions = queries
        scaled.check_range(float(norms.max(initial=0.0)))
        near, approximate = scaled.index.search_rows(
            directions, reach, exclude=exclude, allow=self._allow, num_threads=self._num_threads
        )
        relevance = pair_scores(queries, self._targets, near, self._metric)
        scores = weighted_scores(relevance, self._weights[np.maximum(near, 0)])
        scores[~(relevance > 0.0 if positive else relevance <= 0.0)] = np.nan
        order = np.lexsort((near, np.where(np.isnan(scores), np.inf, -scores)), axis=-1)[:, :depth]
        best = np.take_along_axis(scores, order, axis=1)
        rows = np.where(np.isnan(best), -1, np.take_along_axis(near, order, axis=1))
        # No score that was not found is above this one; NaN where all were found, or there is no direction to look in.
        bound = approximate[:, -1] + norms * (_ROUNDING * scaled.largest_norm + _UNDERFLOW) + _UNDERFLOW
        certain = np.isnan(bound) | (norms == 0.0) | (best[:, -1] > bound)
        if positive:
            certain |= bound <= 0.0
        return Found(rows, best), certain

    @cached_property
    def _multiplied(self) -> _ScaledTargets:
        return self._scaled(self._weights, "multiplied")

    @cached_property
    def _divided(self) -> _ScaledTargets:
        with np.errstate(over="ignore"):
            return self._scaled(1.0 / self._weights, "divided")

    def _scaled(self, factors: NDArray[np.float64], name: str) -> _ScaledTargets:
        path = self._folder / f"{name}.ann"
        return _ScaledTargets(
            self._targets, factors, path, unit=self._metric == "cosine", num_threads=self._num_threads
        )


class _ScaledTargets:
    """Vectors, or their directions, times factors, under the inner product."""

    def __init__(
        self, targets: NDArray[np.float32], factors: NDArray[np.float64], path: Path, *, unit: bool, num_threads: int
    ) -> None:
        self.largest_norm = 0.0
        self.index = annlib.Index.build(
            self._blocks(targets, factors, unit=unit), metric="inner_product", path=path, num_threads=num_threads
        )

    def check_range(self, largest_query: float) -> None:
        """Raise DataError where a score could be beyond float32."""
        if not largest_query * self.largest_norm <= _LARGEST:
            raise DataError(
                f"weighted scores: expected them within float32, up to {_LARGEST:.3g}; got vectors that allow "
                f"{largest_query * self.largest_norm:.3g}",
                hint="Make boosts and popularity_penalty milder.",
            )

    def _blocks(
        self, targets: NDArray[np.float32], factors: NDArray[np.float64], *, unit: bool
    ) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(targets), _BLOCK_ROWS):
            block = targets[start : start + _BLOCK_ROWS]
            norms = exact.norms(block)
            scales = factors[start : start + _BLOCK_ROWS]
            if unit:
                scales = scales / np.where(norms > 0.0, norms, 1.0)
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                scaled = (block * scales[:, None]).astype(np.float32)
            if not np.isfinite(scaled).all():
                raise DataError(
                    f"weighted vectors: expected weights that keep them within float32, got weights from "
                    f"{factors.min():.3g} to {factors.max():.3g}",
                    hint="Make boosts and popularity_penalty milder.",
                )
            self.largest_norm = max(self.largest_norm, float(exact.norms(scaled).max(initial=0.0)))
            yield scaled


def _entries(rows: NDArray[np.int64], n_columns: int) -> csr_matrix:
    """A matrix with an entry for each row number of some lists, -1 left out."""
    there = rows >= 0
    indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return csr_matrix((np.ones(indptr[-1], np.float32), rows[there], indptr), shape=(len(rows), n_columns))


def _nothing(n_rows: int, n_columns: int) -> csr_matrix:
    return _entries(np.full((n_rows, 1), -1, dtype=np.int64), n_columns)
