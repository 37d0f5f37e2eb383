"""Alternating least squares, by ``implicit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from pipeline.factors import _implicit
from pipeline.factors.automatic import Auto
from pipeline.factors.base import Factorizer, FactorizerSettings, Factors, Vectors, effective_threads
from pipeline.factors.curves import SquaredLoss
from pipeline.factors.gram import gram
from pipeline.factors.search_space import FloatRange, Iterations

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.factors.base import Watch
    from pipeline.factors.search_space import SearchSpace
    from pipeline.progress import Progress


class AlternatingLeastSquaresSettings(FactorizerSettings):
    """Settings of ALS, with the meaning they have in ``implicit``.

    No alpha is best on all data: sparse matrices want more of it than dense ones. What is not given is chosen by
    :mod:`pipeline.factors.defaults`.
    """

    #: L2 penalty of the vectors.
    regularization: Auto[float] = Field(default=10.0, gt=0.0, allow_inf_nan=False)
    #: What confidences are multiplied by; unobserved pairs weigh 1.
    alpha: Auto[float] = Field(default=10.0, gt=0.0, allow_inf_nan=False)
    #: Sweeps over users and items; more are not better on large sparse data.
    iterations: Auto[int] = Field(default=8, ge=1)


class AlternatingLeastSquares(Factorizer[AlternatingLeastSquaresSettings]):
    """Weighted least squares on implicit feedback (Hu, Koren & Volinsky, ICDM 2008).

    Minimizes ``sum_ui c_ui (p_ui - x_u . y_i)^2 + regularization (sum |x_u|^2 + sum |y_i|^2)`` over all pairs, where
    p is 1 and c is ``alpha`` times the confidence for observed pairs, and p is 0 and c is 1 for all others. The fit
    takes three conjugate gradient steps for each vector (Takács, Pilászy & Tikk, RecSys 2011).

    Fold-in is one exact half-step: each vector solves its normal equations, the other side held fixed.
    """

    Settings: ClassVar[type[FactorizerSettings]] = AlternatingLeastSquaresSettings
    search_space: ClassVar[SearchSpace] = {
        "alpha": FloatRange(1.0, 200.0, log=True),
        "regularization": FloatRange(0.1, 200.0, log=True),
        "iterations": Iterations(4, 16),
    }

    def fit(self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress) -> Factors:
        """Factorize; see :meth:`Factorizer.fit`. The bytes are the same at any number of threads."""
        return _implicit.fit(
            "als",
            lambda: self._model(num_threads, seed),
            user_items,
            self.settings.iterations,
            progress,
            lambda matrix: SquaredLoss(matrix, self.settings.alpha),
        )

    def watch_fit(
        self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress, watch: Watch
    ) -> None:
        """Factorize under the eyes of ``watch``; see :meth:`Factorizer.watch_fit`."""
        _implicit.watch_fit(
            "als", lambda: self._model(num_threads, seed), user_items, self.settings.iterations, progress, watch
        )

    def fold_in_users(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other users; see :meth:`Factorizer.fold_in_users`."""
        return self._half_step(user_items, factors.item_factors, num_threads)

    def fold_in_items(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other items or of attributes; see :meth:`Factorizer.fold_in_items`."""
        return self._half_step(user_items.T.tocsr(), factors.user_factors, num_threads)

    def contributions(self, history: csr_matrix, factors: Factors, target: Vectors) -> NDArray[np.float64]:
        """The terms ``target' W y_j c_j`` of section 5 of Hu, Koren & Volinsky; see :meth:`Factorizer.contributions`.

        ``W = (Y' C Y + regularization I)^-1`` is how similarities of items look to this user.
        """
        confidences = self.settings.alpha * history.data.astype(np.float64)
        liked = factors.item_factors[history.indices].astype(np.float64)
        normal = gram(factors.item_factors) + (liked.T * (confidences - 1.0)) @ liked
        normal[np.diag_indices_from(normal)] += self.settings.regularization
        contributions: NDArray[np.float64] = confidences * (liked @ np.linalg.solve(normal, target.astype(np.float64)))
        return contributions

    @classmethod
    def versions(cls) -> dict[str, str]:
        """Versions of implicit and of the libraries it computes with."""
        return _implicit.implicit_versions()

    def _half_step(self, rows: csr_matrix, fixed: Vectors, num_threads: int) -> Vectors:
        """Solve the vectors of ``rows``, shape ``(m, len(fixed))``, natively and in parallel."""
        if rows.shape[0] == 0:
            return np.zeros((0, fixed.shape[1]), dtype=np.float32)
        with _implicit.quiet_implicit("als"):
            model = self._model(num_threads, seed=None)
            model.factors = fixed.shape[1]
            model.item_factors = np.require(fixed, np.float32, ["C", "W"])
            try:
                vectors = model.recalculate_user(range(rows.shape[0]), _implicit.implicit_input(rows))
            except ValueError as error:
                # LAPACK refuses normal equations that are not positive definite in float32.
                raise _implicit.diverged("als", str(error)) from error
        return _implicit.checked_vectors("als", vectors)

    def _model(self, num_threads: int, seed: int | None) -> Any:
        # Imported where it is used: reading a configuration needs the settings alone.
        from implicit.cpu.als import AlternatingLeastSquares as ImplicitALS

        return ImplicitALS(
            factors=self.settings.factors,
            regularization=self.settings.regularization,
            alpha=self.settings.alpha,
            iterations=self.settings.iterations,
            num_threads=effective_threads(num_threads),
            random_state=seed,
        )
