"""Bayesian personalized ranking, by ``implicit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from pipeline.factors import _implicit
from pipeline.factors._logistic import LogisticHalfStep
from pipeline.factors.automatic import Auto
from pipeline.factors.base import Factorizer, FactorizerSettings, Factors, Vectors
from pipeline.factors.curves import RankingLoss
from pipeline.factors.search_space import FloatRange, Iterations
from pipeline.factors.weighting import row_degrees

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from pipeline.factors.base import Watch
    from pipeline.factors.search_space import SearchSpace
    from pipeline.progress import Progress


class BayesianPersonalizedRankingSettings(FactorizerSettings):
    """Settings of BPR, with the meaning they have in ``implicit``."""

    #: Step size of the stochastic gradient.
    learning_rate: Auto[float] = Field(default=0.01, gt=0.0, allow_inf_nan=False)
    #: L2 penalty, applied at every sample.
    regularization: Auto[float] = Field(default=0.01, gt=0.0, allow_inf_nan=False)
    #: Passes over the interactions.
    iterations: Auto[int] = Field(default=100, ge=1)


class BayesianPersonalizedRanking(Factorizer[BayesianPersonalizedRankingSettings]):
    """Pairwise ranking (Rendle, Freudenthaler, Gantner & Schmidt-Thieme, UAI 2009).

    Maximizes ``ln sigmoid(s_ui - s_uj)`` over items i a user has and sampled items j the user has not, by stochastic
    gradient steps. Confidences are ignored: an interaction is there or not. The last of the ``factors + 1`` columns is
    the bias of the items, and 1 for the users.

    The fit always runs on one thread: concurrent steps would race, and no two fits would give the same bytes.

    Fold-in is a pointwise half-step, the other side held fixed (:class:`~pipeline.factors._logistic.LogisticHalfStep`):
    every interaction against as much weight of sampled non-interactions, penalized as the steps of the fit penalize.
    A user's free intercept, which no ranking depends on, is fitted along and dropped.
    """

    Settings: ClassVar[type[FactorizerSettings]] = BayesianPersonalizedRankingSettings
    threads_change_bytes: ClassVar[bool] = False
    reads_confidences: ClassVar[bool] = False
    search_space: ClassVar[SearchSpace] = {
        "learning_rate": FloatRange(0.003, 0.3, log=True),
        "regularization": FloatRange(0.0003, 0.1, log=True),
        "iterations": Iterations(20, 300, step=20),
    }

    def fit(self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress) -> Factors:
        """Factorize, on one thread whatever ``num_threads``; see :meth:`Factorizer.fit`."""
        return _implicit.fit(
            "bpr", lambda: self._model(seed), user_items, self.settings.iterations, progress, RankingLoss
        )

    def watch_fit(
        self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress, watch: Watch
    ) -> None:
        """Factorize under the eyes of ``watch``, on one thread; see :meth:`Factorizer.watch_fit`."""
        _implicit.watch_fit("bpr", lambda: self._model(seed), user_items, self.settings.iterations, progress, watch)

    def fold_in_users(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other users; see :meth:`Factorizer.fold_in_users`."""
        # The items' column of biases, which users weigh by 1, is an offset; a column of ones makes room for the
        # intercept, which is dropped by being set to that 1.
        vectors = factors.item_factors
        half_step = LogisticHalfStep(
            features=np.column_stack([vectors[:, :-1], np.any(vectors, axis=1).astype(np.float32)]),
            offsets=vectors[:, -1],
            candidates=np.flatnonzero(np.any(vectors, axis=1)),
        )
        interactions = _binary(user_items)
        degrees = row_degrees(interactions).astype(np.float32)
        result = half_step.solve(
            interactions,
            negative_weights=degrees,
            penalties=self.settings.regularization * degrees,
            num_threads=num_threads,
        )
        result[:, -1] = degrees > 0
        return _implicit.checked_vectors("bpr", result)

    def fold_in_items(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other items or of attributes; see :meth:`Factorizer.fold_in_items`."""
        vectors = factors.user_factors
        half_step = LogisticHalfStep(
            features=vectors,
            offsets=np.zeros(len(vectors), dtype=np.float32),
            candidates=np.flatnonzero(np.any(vectors, axis=1)),
        )
        interactions = _binary(user_items.T.tocsr())
        degrees = row_degrees(interactions).astype(np.float32)
        # An item is penalized where it is drawn as the item liked and, about as often, as the item not liked.
        result = half_step.solve(
            interactions,
            negative_weights=degrees,
            penalties=2.0 * self.settings.regularization * degrees,
            num_threads=num_threads,
        )
        return _implicit.checked_vectors("bpr", result)

    @classmethod
    def versions(cls) -> dict[str, str]:
        """Versions of implicit and of the libraries it computes with."""
        return _implicit.implicit_versions()

    def _model(self, seed: int) -> Any:
        from implicit.cpu.bpr import BayesianPersonalizedRanking as ImplicitBPR

        return ImplicitBPR(
            factors=self.settings.factors,
            learning_rate=self.settings.learning_rate,
            regularization=self.settings.regularization,
            iterations=self.settings.iterations,
            num_threads=1,
            random_state=seed,
        )


def _binary(matrix: csr_matrix) -> csr_matrix:
    result = matrix.astype(np.float32, copy=True)
    result.data[:] = 1.0
    return result
