"""Fold-in of logistic models: regularized logistic regression of many rows on the vectors of the other side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from pipeline.factors.base import Vectors, effective_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

#: Non-interactions stand for all: so many rows of the other side, the same for every row that is solved.
SAMPLE_SIZE = 512
#: Majorization steps, and conjugate gradient steps within each.
STEPS = 12
CG_STEPS = 4
#: A block of work holds this many entries, a row counting as its interactions and an overhead.
BLOCK_ENTRIES = 1 << 17
ROW_OVERHEAD = 256

_TINY = np.finfo(np.float32).tiny


class LogisticHalfStep:
    """Vectors x of many rows r, each the minimum of a convex function of its own.

    With scores ``s_j = offsets[j] + features[j] . x``, interactions i of confidence c_i and a fixed sample J::

        sum_i c_i ln(1 + exp(-s_i)) + negative_weight_r mean_{j in J} ln(1 + exp(s_j)) + penalty_r / 2 |x|^2

    Minimized by majorization with the quadratic bound of Jaakkola & Jordan (Statistics and Computing 2000), which no
    step overshoots; each bound is lowered by conjugate gradients. Rows are solved in blocks that do not depend on the
    number of threads, so neither do the bytes.

    Parameters
    ----------
    features
        float32, shape ``(n, d)``: the vectors held fixed.
    offsets
        float32, shape ``(n,)``: what the score has before x.
    candidates
        Rows of ``features`` non-interactions are sampled from.
    """

    def __init__(self, features: Vectors, offsets: NDArray[np.float32], candidates: NDArray[np.intp]) -> None:
        if len(candidates) > SAMPLE_SIZE:
            candidates = np.sort(np.random.default_rng(0).choice(candidates, SAMPLE_SIZE, replace=False))
        self._features = np.ascontiguousarray(features, dtype=np.float32)
        self._offsets = np.ascontiguousarray(offsets, dtype=np.float32)
        self._sample = self._features[candidates]
        self._sample_offsets = self._offsets[candidates]

    def solve(
        self,
        rows: csr_matrix,
        *,
        negative_weights: NDArray[np.float32],
        penalties: NDArray[np.float32],
        num_threads: int,
    ) -> Vectors:
        """Solve every row.

        Parameters
        ----------
        rows
            Confidences, shape ``(m, n)``.
        negative_weights, penalties
            float32, shape ``(m,)``; zero for a row without interactions, or its penalty above zero.

        Returns
        -------
        float32, shape ``(m, d)``; zero for a row without interactions.
        """
        result = np.zeros((rows.shape[0], self._features.shape[1]), dtype=np.float32)
        per_sample = negative_weights / np.float32(max(len(self._sample), 1))

        def solve_block(block: slice) -> None:
            result[block] = self._solve_block(rows[block], per_sample[block, None], penalties[block, None])

        with (
            threadpool_limits(limits=1, user_api="blas"),
            ThreadPoolExecutor(effective_threads(num_threads)) as executor,
        ):
            for _ in executor.map(solve_block, _blocks(rows)):
                pass
        result[np.diff(rows.indptr) == 0] = 0.0
        return result

    def _solve_block(self, rows: csr_matrix, per_sample: Vectors, penalties: Vectors) -> Vectors:
        interactions = _Interactions(rows, self._features, self._offsets)
        x = np.zeros((rows.shape[0], self._features.shape[1]), dtype=np.float32)
        for _ in range(STEPS):
            scores = interactions.scores(x)
            sample_scores = x @ self._sample.T + self._sample_offsets
            descent = (
                interactions.combine(_sigmoid(-scores))
                - (per_sample * _sigmoid(sample_scores)) @ self._sample
                - penalties * x
            )
            curvature, sample_curvature = _curvature(scores), per_sample * _curvature(sample_scores)

            def majorizer(
                v: Vectors,
                curvature: NDArray[np.float32] = curvature,
                sample_curvature: Vectors = sample_curvature,
            ) -> Vectors:
                of_interactions = interactions.combine(curvature * interactions.products(v))
                of_sample = (sample_curvature * (v @ self._sample.T)) @ self._sample
                return of_interactions + of_sample + penalties * v

            x += _conjugate_gradients(majorizer, descent)
        return x


class _Interactions:
    """The observed entries of a block of rows."""

    def __init__(self, rows: csr_matrix, features: Vectors, offsets: NDArray[np.float32]) -> None:
        self._rows = rows
        self._features = features
        self._row_of = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        self._gathered = features[rows.indices]
        self._offsets = offsets[rows.indices]

    def products(self, x: Vectors) -> NDArray[np.float32]:
        """``features[j] . x[r]`` of each entry (r, j)."""
        products: NDArray[np.float32] = np.einsum("ij,ij->i", self._gathered, x[self._row_of])
        return products

    def scores(self, x: Vectors) -> NDArray[np.float32]:
        """Scores of each entry."""
        return self.products(x) + self._offsets

    def combine(self, coefficients: NDArray[np.float32]) -> Vectors:
        """``sum_j c_rj coefficient_rj features[j]`` of each row r."""
        weights = (self._rows.data * coefficients, self._rows.indices, self._rows.indptr)
        combined: Vectors = csr_matrix(weights, shape=self._rows.shape) @ self._features
        return combined


def _blocks(rows: csr_matrix) -> Iterator[slice]:
    """Consecutive rows of about equal work."""
    position = rows.indptr[:-1] + ROW_OVERHEAD * np.arange(rows.shape[0], dtype=np.int64)
    starts = np.flatnonzero(np.diff(position // BLOCK_ENTRIES, prepend=-1))
    for start, stop in pairwise([*starts, rows.shape[0]]):
        yield slice(int(start), int(stop))


def _conjugate_gradients(apply: Callable[[Vectors], Vectors], target: Vectors) -> Vectors:
    """Solve ``apply(x) = target`` for every row at once, from zero."""
    x = np.zeros_like(target)
    residual, direction = target.copy(), target.copy()
    norm = np.einsum("ij,ij->i", residual, residual)[:, None]
    for _ in range(CG_STEPS):
        image = apply(direction)
        step = norm / np.maximum(np.einsum("ij,ij->i", direction, image)[:, None], _TINY)
        x += step * direction
        residual -= step * image
        previous, norm = norm, np.einsum("ij,ij->i", residual, residual)[:, None]
        direction = residual + norm / np.maximum(previous, _TINY) * direction
    return x


def _sigmoid(scores: Vectors) -> Vectors:
    # By tanh, which does not overflow.
    result: Vectors = np.float32(0.5) * (np.float32(1.0) + np.tanh(np.float32(0.5) * scores))
    return result


def _curvature(scores: Vectors) -> Vectors:
    """``tanh(s / 2) / 2 s``: the curvature of the quadratic that touches ``ln(1 + exp(s))`` at s from above."""
    half = np.asarray(np.maximum(np.float32(0.5) * np.abs(scores), np.float32(1e-3)), dtype=np.float32)
    result: Vectors = np.float32(0.25) * np.tanh(half) / half
    return result
