"""A truncated singular value decomposition of the confidences."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from pipeline.errors import DataError
from pipeline.factors.automatic import Auto
from pipeline.factors.base import Factorizer, FactorizerSettings, Factors, Vectors, effective_threads
from pipeline.factors.search_space import FloatRange
from pipeline.factors.weighting import column_degrees

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.factors.search_space import SearchSpace
    from pipeline.progress import Progress

#: More columns than are wanted: what the random start lacks is left in the last of them.
_OVERSAMPLING = 32
#: Singular values below this share of the largest are noise of float32, and divide nothing.
_NEGLIGIBLE = 1e-5


class SpectralSettings(FactorizerSettings):
    """Settings of the spectral model."""

    #: Dimensions of users are weighed by (singular value / largest) ** spectrum_power: 0 trusts all alike.
    spectrum_power: Auto[float] = Field(default=0.5, ge=0.0, le=4.0)
    #: Vectors of items are lengthened by (number of users) ** popularity_power, which the weighting took away.
    popularity_power: Auto[float] = Field(default=0.5, ge=0.0, le=2.0)
    #: Power iterations of the decomposition; each brings its subspace closer to the true one.
    iterations: int = Field(default=4, ge=1)


class Spectral(Factorizer[SpectralSettings]):
    """Users and items by the leading singular vectors of the matrix of confidences W = U S V'.

    A user's vector is ``w_u V (S / s_1)^p``, w_u being the row of W, an item's ``n_i^c v_i`` with its number of users
    n_i. With the weighting's default powers W is the degree-normalized matrix, whose leading singular vectors are the
    low-pass filter that graph models apply (Shen et al., CIKM 2021); without weighting it is PureSVD (Cremonesi, Koren
    & Turrin, RecSys 2010). The decomposition is randomized (Halko, Martinsson & Tropp, SIAM Review 2011, algorithm
    4.4 and 5.1).

    Fold-in of users is the same linear map of their histories; items project back: ``v = w_i' U / S``.
    """

    Settings: ClassVar[type[FactorizerSettings]] = SpectralSettings
    threads_change_bytes: ClassVar[bool] = True
    search_space: ClassVar[SearchSpace] = {
        "spectrum_power": FloatRange(0.0, 1.5),
        "popularity_power": FloatRange(0.0, 1.0),
    }

    def fit(self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress) -> Factors:
        """Factorize; see :meth:`Factorizer.fit`. State: ``singular_values`` and ``item_lengths``."""
        if user_items.nnz == 0:
            n_users, n_items = user_items.shape
            raise DataError(f"nothing to factorize: no interactions between {n_users} users and {n_items} items")
        with threadpool_limits(effective_threads(num_threads), user_api="blas"):
            singular_values, directions = self._decompose(user_items, seed, progress)
        item_lengths = self._item_lengths(user_items)
        return Factors(
            user_factors=self._project(user_items, directions, singular_values),
            item_factors=directions * item_lengths[:, np.newaxis],
            state={"singular_values": singular_values, "item_lengths": item_lengths},
        )

    def fold_in_users(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other users; see :meth:`Factorizer.fold_in_users`."""
        directions = factors.item_factors / factors.state["item_lengths"][:, np.newaxis]
        return self._project(user_items, directions, factors.state["singular_values"])

    def fold_in_items(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other items or of attributes; see :meth:`Factorizer.fold_in_items`."""
        singular_values = factors.state["singular_values"]
        # The users' are U S (S / s_1)^p, of which U / S is wanted.
        kept = singular_values > _NEGLIGIBLE * singular_values[0]
        divisors = np.where(kept, singular_values**2 * self._spectrum(singular_values), np.inf).astype(np.float32)
        directions = (user_items.T.tocsr() @ factors.user_factors) / divisors
        return np.ascontiguousarray(directions * self._item_lengths(user_items)[:, np.newaxis])

    def with_items(self, factors: Factors, item_factors: Vectors, degrees: NDArray[np.int64]) -> Factors:
        """Others in the place of the items, and their lengths; see :meth:`Factorizer.with_items`."""
        state = {**factors.state, "item_lengths": self._lengths(degrees)}
        return replace(factors, item_factors=item_factors, state=state)

    def contributions(self, history: csr_matrix, factors: Factors, target: Vectors) -> NDArray[np.float64]:
        """The terms of the sum that a user's vector is, times the target; see :meth:`Factorizer.contributions`."""
        directions = factors.item_factors[history.indices].astype(np.float64)
        directions /= factors.state["item_lengths"][history.indices, np.newaxis]
        weighed = self._spectrum(factors.state["singular_values"]).astype(np.float64) * target
        contributions: NDArray[np.float64] = history.data * (directions @ weighed)
        return contributions

    @classmethod
    def versions(cls) -> dict[str, str]:
        """Versions of NumPy and SciPy, which compute it."""
        return {package: version(package) for package in ("numpy", "scipy")}

    def _decompose(
        self, matrix: csr_matrix, seed: int, progress: Progress
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the leading singular values, descending, and right singular vectors, shape ``(n_items, factors)``.

        Both end in zeros where the matrix has fewer rows or columns.
        """
        factors, iterations = self.settings.factors, self.settings.iterations
        columns = min(factors + _OVERSAMPLING, *matrix.shape)
        transposed = matrix.T.tocsr()
        start = np.random.default_rng(seed).standard_normal((matrix.shape[1], columns), dtype=np.float32)
        basis = _orthonormal(matrix @ start)
        for iteration in range(1, iterations + 1):
            basis = _orthonormal(matrix @ _orthonormal(transposed @ basis))
            progress(iteration / iterations, f"iteration {iteration} of {iterations}")
        # Within the basis the matrix is small, but for its length: a triangle has its singular values.
        tall, triangle = np.linalg.qr(transposed @ basis)
        small, values, _ = np.linalg.svd(triangle)
        directions = _with_signs(tall @ small[:, :factors])
        directions[column_degrees(matrix) == 0] = 0.0  # what nobody has is noise there
        missing = max(0, factors - columns)
        return np.pad(values[:factors], (0, missing)), np.pad(directions, ((0, 0), (0, missing)))

    def _project(
        self, user_items: csr_matrix, directions: NDArray[np.float32], singular_values: NDArray[np.float32]
    ) -> Vectors:
        return np.ascontiguousarray((user_items @ directions) * self._spectrum(singular_values))

    def _spectrum(self, singular_values: NDArray[np.float32]) -> NDArray[np.float32]:
        shares = singular_values / singular_values[0]
        weights: NDArray[np.float32] = shares ** np.float32(self.settings.spectrum_power)
        return weights

    def _item_lengths(self, user_items: csr_matrix) -> NDArray[np.float32]:
        return self._lengths(column_degrees(user_items))

    def _lengths(self, degrees: NDArray[np.int64]) -> NDArray[np.float32]:
        counts = np.maximum(degrees, 1).astype(np.float32)
        lengths: NDArray[np.float32] = counts ** np.float32(self.settings.popularity_power)
        return lengths


def _orthonormal(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    basis: NDArray[np.float32] = np.linalg.qr(columns)[0]
    return basis


def _with_signs(directions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn each direction to where its largest component is positive: a decomposition leaves the signs open."""
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[np.newaxis, :], axis=0)
    return np.ascontiguousarray(directions * np.where(largest < 0.0, -1.0, 1.0).astype(np.float32))
