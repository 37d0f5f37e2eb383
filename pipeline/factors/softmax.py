"""Matrix factorization by a sampled softmax."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field
from scipy.sparse import csr_matrix, diags_array
from threadpoolctl import threadpool_limits

from pipeline.errors import DataError
from pipeline.factors._sphere import Sphere, best_directions, softmax, unit
from pipeline.factors.automatic import Auto
from pipeline.factors.base import Factorizer, FactorizerSettings, Factors, TrainingCurve, Vectors, effective_threads
from pipeline.factors.search_space import FloatRange, Iterations
from pipeline.factors.spectral import Spectral, SpectralSettings
from pipeline.factors.weighting import column_degrees, row_degrees
from pipeline.progress import no_progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.factors.base import Watch
    from pipeline.factors.search_space import SearchSpace
    from pipeline.progress import Progress

#: The learning rate of each pass, as a share of that of the pass before: of passes so far, not of passes to come, so
#: that a fit of more of them begins as one of fewer.
_DECAY = 0.95
#: Users are met once a pass, items by many of its batches: the angle of users, as a multiple of that of items.
_USER_STEPS = 3.0
#: What the training curve shows.
_MEASURE = "mean cross-entropy of an interaction among the items drawn"
#: Length of the random vectors that are added to where the fit starts, against 1 of the leading of those.
_NOISE = 1e-3


class SoftmaxSettings(FactorizerSettings):
    """Settings of the softmax model."""

    #: Cosines are divided by it: the lower, the more the items that score highest are pushed away, the others less.
    temperature: Auto[float] = Field(default=0.1, gt=0.0, le=10.0)
    #: The most that an item's vector turns at once, in radians, in the first pass, a user's three times as much; each
    #: pass after has 0.95 of the one before.
    learning_rate: Auto[float] = Field(default=0.05, gt=0.0, le=1.0)
    #: Passes over the users.
    iterations: Auto[int] = Field(default=40, ge=1)
    #: Vectors of items are lengthened by (number of users) ** popularity_power, which cosines know too little of.
    popularity_power: Auto[float] = Field(default=0.05, ge=0.0, le=2.0)
    #: Items drawn for each batch, which stand for all.
    negatives: int = Field(default=2048, ge=1)
    #: Users of a batch.
    batch_size: int = Field(default=512, ge=1)


class Softmax(Factorizer[SoftmaxSettings]):
    """Each user chooses among items, by a softmax of cosines (Wu et al., ACM TOIS 2024).

    Minimizes the mean over users u of ``sum_i c_ui (ln sum_j exp(s_uj / temperature) - s_ui / temperature)`` over items
    i that the user has, s being the cosine of the vectors and j items drawn uniformly for each batch of users. Vectors
    have unit length, start as those of a singular value decomposition, and are turned by Adam.

    Users are served at unit length, items at ``(number of users) ** popularity_power``: a cosine trusts an item of
    three users as it trusts one of a thousand.

    Fold-in maximizes the same for each user by itself, with a fixed sample of items in the place of the draws; for
    items with the roles swapped.
    """

    Settings: ClassVar[type[FactorizerSettings]] = SoftmaxSettings
    threads_change_bytes: ClassVar[bool] = True
    search_space: ClassVar[SearchSpace] = {
        "temperature": FloatRange(0.05, 0.3, log=True),
        "learning_rate": FloatRange(0.01, 0.2, log=True),
        "iterations": Iterations(10, 80, step=10),
        "popularity_power": FloatRange(0.0, 0.3),
    }

    def fit(self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress) -> Factors:
        """Factorize; see :meth:`Factorizer.fit`."""
        with threadpool_limits(effective_threads(num_threads), user_api="blas"):
            training = self._training(user_items, seed, num_threads)
            passes = range(1, self.settings.iterations + 1)
            losses = tuple(self._pass(training, iteration, progress) for iteration in passes)
        return replace(self._factors(training), curve=TrainingCurve(_MEASURE, losses))

    def watch_fit(
        self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress, watch: Watch
    ) -> None:
        """Factorize under the eyes of ``watch``; see :meth:`Factorizer.watch_fit`."""
        with threadpool_limits(effective_threads(num_threads), user_api="blas"):
            training = self._training(user_items, seed, num_threads)
            for iteration in range(1, self.settings.iterations + 1):
                self._pass(training, iteration, progress)
                if not watch(iteration, lambda: self._factors(training)):
                    return

    def fold_in_users(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other users; see :meth:`Factorizer.fold_in_users`."""
        return best_directions(user_items, unit(factors.item_factors), self.settings.temperature, num_threads)

    def fold_in_items(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other items or of attributes; see :meth:`Factorizer.fold_in_items`."""
        transposed = user_items.T.tocsr()
        directions = best_directions(transposed, factors.user_factors, self.settings.temperature, num_threads)
        return self._lengthened(directions, row_degrees(transposed))

    @classmethod
    def versions(cls) -> dict[str, str]:
        """Versions of NumPy and SciPy, which compute it."""
        return {package: version(package) for package in ("numpy", "scipy")}

    def _training(self, user_items: csr_matrix, seed: int, num_threads: int) -> _Training:
        if user_items.nnz == 0:
            n_users, n_items = user_items.shape
            raise DataError(f"nothing to factorize: no interactions between {n_users} users and {n_items} items")
        rng = np.random.default_rng(seed)
        users, items = _start(user_items, self.settings.factors, seed, num_threads, rng)
        return _Training(user_items, Sphere(users), Sphere(items), rng, self.settings)

    def _pass(self, training: _Training, iteration: int, progress: Progress) -> float:
        loss = training.visit_users(self.settings.learning_rate * _DECAY ** (iteration - 1))
        progress(iteration / self.settings.iterations, f"iteration {iteration} of {self.settings.iterations}")
        return loss

    def _factors(self, training: _Training) -> Factors:
        """What is served of the vectors as they are, copied."""
        degrees = column_degrees(training.matrix)
        items = np.where(degrees[:, np.newaxis] > 0, training.items.vectors, np.float32(0.0))
        return Factors(training.users.vectors.copy(), self._lengthened(items, degrees))

    def _lengthened(self, directions: Vectors, degrees: NDArray[np.int64]) -> Vectors:
        lengths = np.maximum(degrees, 1).astype(np.float32) ** np.float32(self.settings.popularity_power)
        lengthened: Vectors = directions * lengths[:, np.newaxis]
        return lengthened


class _Training:
    """The vectors of a fit and what turns them, batch by batch."""

    def __init__(
        self, matrix: csr_matrix, users: Sphere, items: Sphere, rng: np.random.Generator, settings: SoftmaxSettings
    ) -> None:
        self.matrix = matrix
        self.users = users
        self.items = items
        self._rng = rng
        self._settings = settings
        self._with_items = np.flatnonzero(row_degrees(matrix))
        self._with_users = np.flatnonzero(column_degrees(matrix))
        self._position = np.zeros(matrix.shape[1], dtype=np.intp)

    def visit_users(self, angle: float) -> float:
        """Turn the vectors by one step for each batch of users, in random order; the mean loss of an interaction."""
        order, size = self._rng.permutation(self._with_items), self._settings.batch_size
        total = sum(self._visit(order[start : start + size], angle) for start in range(0, len(order), size))
        return total / float(self.matrix.sum(dtype=np.float64))

    def _visit(self, batch: NDArray[np.intp], angle: float) -> float:
        """Turn the vectors of a batch; the loss that it had before, summed."""
        rows = self.matrix[batch]
        size = min(self._settings.negatives, len(self._with_users))
        drawn = self._rng.choice(self._with_users, size, replace=False, shuffle=False)
        touched = np.union1d(drawn, rows.indices)
        self._position[touched] = np.arange(len(touched))
        negatives = self._position[drawn]
        shape = (len(batch), len(touched))
        liked = csr_matrix((rows.data, self._position[rows.indices], rows.indptr), shape=shape)

        users, items = self.users.vectors[batch], self.items.vectors[touched]
        candidates = items[negatives]
        chosen, log_sums = softmax((users @ candidates.T) / np.float32(self._settings.temperature))
        totals = np.asarray(rows.sum(axis=1), dtype=np.float32).reshape(-1, 1)
        chosen *= totals
        wanted = liked @ items
        # Of the loss times the temperature: Adam knows no scale.
        user_gradients = chosen @ candidates - wanted
        item_gradients = -(liked.T @ users)
        item_gradients[negatives] += chosen.T @ users
        self.users.turn(batch, user_gradients, _USER_STEPS * angle)
        self.items.turn(touched, item_gradients, angle)
        return float((totals * log_sums).sum() - (wanted * users).sum() / self._settings.temperature)


def _start(
    user_items: csr_matrix, factors: int, seed: int, num_threads: int, rng: np.random.Generator
) -> tuple[Vectors, Vectors]:
    """Directions of items in the decomposition of the matrix, its degrees evened out; users at the mean of theirs."""
    settings = SpectralSettings(factors=factors, popularity_power=0.0)
    spectral = Spectral(settings).fit(_evened(user_items), seed=seed, num_threads=num_threads, progress=no_progress)
    # Noise for what the leading directions do not reach.
    noise = rng.standard_normal(spectral.item_factors.shape, dtype=np.float32)
    items = unit(unit(spectral.item_factors) + np.float32(_NOISE) * noise)
    return np.asarray(user_items @ items), items


def _evened(user_items: csr_matrix) -> csr_matrix:
    """The values divided by the square roots of the numbers of entries in their rows and columns."""
    by_users, by_items = (
        diags_array(1.0 / np.sqrt(np.maximum(degrees, 1), dtype=np.float32))
        for degrees in (row_degrees(user_items), column_degrees(user_items))
    )
    return csr_matrix(by_users @ user_items @ by_items)
