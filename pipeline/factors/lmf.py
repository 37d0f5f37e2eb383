"""Logistic matrix factorization, by ``implicit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from pipeline.factors import _implicit
from pipeline.factors._logistic import LogisticHalfStep
from pipeline.factors.automatic import Auto
from pipeline.factors.base import Factorizer, FactorizerSettings, Factors, Vectors, effective_threads
from pipeline.factors.curves import RankingLoss
from pipeline.factors.search_space import FloatRange, IntRange, Iterations
from pipeline.factors.weighting import row_degrees

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from pipeline.factors.base import Watch
    from pipeline.factors.search_space import SearchSpace
    from pipeline.progress import Progress


class LogisticMatrixFactorizationSettings(FactorizerSettings):
    """Settings of LMF, with the meaning they have in ``implicit``."""

    #: Step size, scaled by AdaGrad.
    learning_rate: Auto[float] = Field(default=1.0, gt=0.0, allow_inf_nan=False)
    #: L2 penalty of the vectors.
    regularization: Auto[float] = Field(default=2.0, gt=0.0, allow_inf_nan=False)
    #: Sweeps over users and items.
    iterations: Auto[int] = Field(default=30, ge=1)
    #: Sampled non-interactions for each interaction, at most as many as a vector has columns.
    neg_prop: Auto[int] = Field(default=30, ge=1)


class LogisticMatrixFactorization(Factorizer[LogisticMatrixFactorizationSettings]):
    """Probability of an interaction (Johnson, NIPS workshop on distributed machine learning 2014).

    Maximizes ``sum c_ui ln sigmoid(s_ui) + sum ln sigmoid(-s_uj) - regularization / 2 |vectors|^2`` over interactions
    weighted by their confidences and sampled non-interactions. Of the ``factors + 2`` columns, the last but one is the
    bias of the items and 1 for the users, the last is the bias of the users and 1 for the items.

    Each thread draws its own samples, so the number of threads changes the bytes.

    Fold-in is the half-step of the same objective, the other side held fixed
    (:class:`~pipeline.factors._logistic.LogisticHalfStep`), with as much weight of non-interactions as the fit samples.
    """

    Settings: ClassVar[type[FactorizerSettings]] = LogisticMatrixFactorizationSettings
    threads_change_bytes: ClassVar[bool] = True
    search_space: ClassVar[SearchSpace] = {
        "learning_rate": FloatRange(0.1, 3.0, log=True),
        "regularization": FloatRange(0.1, 20.0, log=True),
        "neg_prop": IntRange(5, 60, log=True),
        "iterations": Iterations(10, 60, step=5),
    }

    def fit(self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress) -> Factors:
        """Factorize; see :meth:`Factorizer.fit`."""
        return _implicit.fit(
            "lmf", lambda: self._model(num_threads, seed), user_items, self.settings.iterations, progress, RankingLoss
        )

    def watch_fit(
        self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress, watch: Watch
    ) -> None:
        """Factorize under the eyes of ``watch``; see :meth:`Factorizer.watch_fit`."""
        _implicit.watch_fit(
            "lmf", lambda: self._model(num_threads, seed), user_items, self.settings.iterations, progress, watch
        )

    def fold_in_users(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other users; see :meth:`Factorizer.fold_in_users`."""
        return self._half_step(user_items, factors.item_factors, constant=-2, num_threads=num_threads)

    def fold_in_items(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other items or of attributes; see :meth:`Factorizer.fold_in_items`."""
        rows = user_items.T.tocsr()
        return self._half_step(rows, factors.user_factors, constant=-1, num_threads=num_threads)

    @classmethod
    def versions(cls) -> dict[str, str]:
        """Versions of implicit and of the libraries it computes with."""
        return _implicit.implicit_versions()

    def _model(self, num_threads: int, seed: int) -> Any:
        from implicit.cpu.lmf import LogisticMatrixFactorization as ImplicitLMF

        return ImplicitLMF(
            factors=self.settings.factors,
            learning_rate=self.settings.learning_rate,
            regularization=self.settings.regularization,
            iterations=self.settings.iterations,
            neg_prop=self.settings.neg_prop,
            num_threads=effective_threads(num_threads),
            random_state=seed,
        )

    def _half_step(self, rows: csr_matrix, fixed: Vectors, *, constant: int, num_threads: int) -> Vectors:
        """Vectors of ``rows``, whose column ``constant`` is 1 and meets the biases of the fixed side."""
        features = fixed.copy()
        features[:, constant] = 0.0
        half_step = LogisticHalfStep(
            features=features,
            offsets=fixed[:, constant],
            candidates=np.flatnonzero(np.any(fixed, axis=1)),
        )
        degrees = row_degrees(rows)
        result = half_step.solve(
            rows,
            negative_weights=np.minimum(fixed.shape[1], degrees * self.settings.neg_prop).astype(np.float32),
            penalties=np.full(len(degrees), self.settings.regularization, dtype=np.float32),
            num_threads=num_threads,
        )
        result[:, constant] = degrees > 0
        return _implicit.checked_vectors("lmf", result)
