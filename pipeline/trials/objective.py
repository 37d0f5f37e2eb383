"""What a trial is worth: a model fitted on the training part, measured on the validation part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluation.evaluate import BATCH_USERS, recommender
from pipeline.evaluation.metrics import ranking_metrics
from pipeline.factors.base import find_factorizer
from pipeline.factors.weighting import Weighting, column_degrees, row_degrees
from pipeline.progress import span

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.factors.base import Factorizer, FactorizerSettings, Factors
    from pipeline.factors.search_space import Iterations
    from pipeline.progress import Progress
    from pipeline.trials.candidate import Candidate

Measures = dict[str, float]

#: Measurements without a new best after which a watched fit ends.
PATIENCE = 3
#: A watched fit ends, too, where after so many passes its best is below such a share of what there is to beat.
_HOPELESS = ((4, 0.85), (8, 0.95))


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Attributes
    ----------
    measures
        The measures at their best, keyed ``"ndcg@20"``.
    iterations
        The passes after which they were taken; None where the fit was not watched.
    configured
        The measures after the configured number of passes, where the fit was asked to show them; else those above.
    """

    measures: Measures
    iterations: int | None
    configured: Measures


class Validation:
    """Quality on the validation part, as the evaluation measures it on the hold-out.

    All items with training interactions are ranked by inner product, exactly, a user's own left out; users count who
    have both training and validation interactions.

    Parameters
    ----------
    train
        Training interactions, shape ``(n_users, n_items)``.
    held_out
        Pairs of the validation part, same shape.
    cutoff
        The k of the measures.
    num_threads
        Threads of the search; never changes a figure.
    most_users
        Users that are measured at most, evenly spread; None for all.
    """

    def __init__(
        self,
        train: csr_matrix,
        held_out: csr_matrix,
        cutoff: int,
        *,
        num_threads: int,
        most_users: int | None = None,
    ) -> None:
        self._train, self._held_out = train, held_out
        self._cutoff, self._num_threads = cutoff, num_threads
        self._users = _measurable(train, held_out)
        if len(self._users) == 0:
            raise DataError(
                "no validation part: no user has both training and validation interactions",
                hint="Change evaluation.split or evaluation.test_fraction.",
            )
        if most_users is not None and len(self._users) > most_users:
            self._users = self._users[np.linspace(0, len(self._users) - 1, most_users).astype(np.int64)]
        self._candidates = column_degrees(train) > 0

    @property
    def users(self) -> int:
        """Users that are measured."""
        return len(self._users)

    def measure(self, factors: Factors) -> Measures:
        """Means over the users."""
        recommend = recommender(factors, self._candidates, self._num_threads)
        depth = min(self._cutoff, self._train.shape[1])
        sums: Measures = {}
        for start in range(0, len(self._users), BATCH_USERS):
            batch = self._users[start : start + BATCH_USERS]
            rows = recommend(batch, self._train[batch], depth)
            for name, values in ranking_metrics(rows, self._held_out[batch], (self._cutoff,)).items():
                sums[name] = sums.get(name, 0.0) + float(values.sum())
        return {name: total / len(self._users) for name, total in sums.items()}


def count_users(train: csr_matrix, held_out: csr_matrix) -> int:
    """How many users there are to measure on."""
    return len(_measurable(train, held_out))


def _measurable(train: csr_matrix, held_out: csr_matrix) -> NDArray[np.int64]:
    return np.flatnonzero((row_degrees(train) > 0) & (row_degrees(held_out) > 0))


class Objective:
    """Fits settings on the training part and measures them.

    Parameters
    ----------
    train
        Training interactions.
    validation
        What the factors are measured by.
    metric
        The measure that decides between numbers of passes.
    iterations
        The passes after which factors are looked at; None to fit as configured.
    seed, num_threads
        Of the fits.
    patience
        Measurements without a new best after which a watched fit ends.
    """

    def __init__(
        self,
        train: csr_matrix,
        validation: Validation,
        metric: str,
        iterations: Iterations | None,
        *,
        seed: int,
        num_threads: int,
        patience: int = PATIENCE,
    ) -> None:
        self._train = train
        self._validation = validation
        self._metric = metric
        self._iterations = iterations
        self._seed, self._num_threads = seed, num_threads
        self._patience = patience

    def __call__(
        self, candidate: Candidate, progress: Progress, *, show: int | None = None, to_beat: float | None = None
    ) -> Outcome:
        """Fit and measure.

        Parameters
        ----------
        candidate
            The settings.
        progress
            Told how far the fit is.
        show
            A number of passes to measure after in any case: the configured one. Without it the fit ends where
            ``patience`` measurements bring nothing better.
        to_beat
            The measure of something that is known already: a watched fit ends where it is far below that.

        Raises
        ------
        PipelineError
            If the settings cannot be fitted, as a fit that diverges.
        """
        confidences = Weighting.fit(self._train, candidate.weighting).transform(self._train)
        if self._iterations is None:
            factors = _factorizer(candidate).fit(
                confidences, seed=self._seed, num_threads=self._num_threads, progress=span(progress, 0.0, 0.9)
            )
            measures = self._validation.measure(factors)
            return Outcome(measures, None, measures)
        watcher = _Watcher(self._validation.measure, self._metric, self._iterations, show, self._patience, to_beat)
        factorizer = _factorizer(candidate.with_values({"factorize.iterations": watcher.last}))
        factorizer.watch_fit(
            confidences, seed=self._seed, num_threads=self._num_threads, progress=progress, watch=watcher
        )
        return watcher.outcome()


class _Watcher:
    """Measures the factors of a fit at some of its passes, and keeps the best."""

    def __init__(
        self,
        measure: Callable[[Factors], Measures],
        metric: str,
        iterations: Iterations,
        show: int | None,
        patience: int,
        to_beat: float | None,
    ) -> None:
        self._measure, self._metric, self._iterations, self._show = measure, metric, iterations, show
        self._patience, self._to_beat = patience, to_beat
        self._found: dict[int, Measures] = {}

    @property
    def last(self) -> int:
        """The pass after which the fit ends, unless it is told to earlier."""
        return max(self._iterations.high, self._show or 0)

    def __call__(self, done: int, factors: Callable[[], Factors]) -> bool:
        if done in self._iterations or done == self._show:
            self._found[done] = self._measure(factors())
        if not self._found or (self._show is not None and done < self._show):
            return True
        if done >= self.last or self._is_hopeless(done):
            return False
        return sum(passes > self._best() for passes in self._found) < self._patience

    def outcome(self) -> Outcome:
        best = self._best()
        shown = self._found[best if self._show is None else self._show]
        return Outcome(self._found[best], best, shown)

    def _is_hopeless(self, done: int) -> bool:
        if self._to_beat is None:
            return False
        value = self._found[self._best()][self._metric]
        return any(done >= passes and value < share * self._to_beat for passes, share in _HOPELESS)

    def _best(self) -> int:
        return max(self._found, key=lambda done: (self._found[done][self._metric], -done))


def _factorizer(candidate: Candidate) -> Factorizer[FactorizerSettings]:
    return find_factorizer(candidate.factorize.model)(candidate.factorize.settings)
