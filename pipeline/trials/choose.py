"""What a configuration leaves open, chosen by a few trials on a hold-out of the training data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from pipeline.errors import DataError
from pipeline.factors.choosing import ChosenSettings, TrialsSummary, choose_settings
from pipeline.factors.portfolio import (
    ALPHA,
    ITEM_POWER,
    ITERATIONS,
    PASSES,
    REGULARIZATION,
    ROUNDS,
    START,
    USER_POWER,
)
from pipeline.progress import span
from pipeline.trials.objective import Objective, Validation, count_users

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scipy.sparse import csr_matrix

    from pipeline.factors.portfolio import Move
    from pipeline.progress import Progress
    from pipeline.trials.candidate import Candidate

#: The model whose settings are tried; the others keep their rule.
MODEL = "als"
_TRIED = (ALPHA, REGULARIZATION, USER_POWER, ITEM_POWER)
#: Users that are measured: fewer than the least say more of themselves than of the settings.
_LEAST_USERS, _MOST_USERS = 200, 4_000
#: How many times the measure of the rule's choice another must have: the best of many is a little better by chance.
_GAIN = 1.005
#: Measurements that are no new best after which a fit ends.
_PATIENCE = 1
#: Multiplications of all passes that another round may bring the trials to, and up to which there are trials at all:
#: of the order of half a minute, and of five minutes, on two cores.
_ENOUGH, _MOST = 2.5e11, 1e12
#: Of factors: below, a pass waits for memory, and takes no less time than with so many.
_LEAST_FACTORS = 32
#: What a fit is reckoned to take of :data:`~pipeline.factors.portfolio.PASSES`, on average.
_MEAN_PASSES = 8
#: Rounds that there are in any case.
_FIRST_ROUNDS = 2


@dataclass(frozen=True)
class Trial:
    """Settings that were fitted, and what they are worth.

    Attributes
    ----------
    values
        The settings that were left open and are tried, with the best number of passes where that is open too.
    value
        The measure; None where the settings cannot be fitted.
    """

    values: dict[str, Any]
    value: float | None

    def to_json(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {"values": self.values, "value": self.value}


@dataclass(frozen=True)
class Choice:
    """What came of the trials.

    Attributes
    ----------
    chosen
        The settings; None where there were no trials, so that the rule chooses for each fit.
    skipped
        Why there were none.
    trials
        All of them, in their order.
    """

    chosen: ChosenSettings | None
    skipped: str | None = None
    trials: Sequence[Trial] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {
            "chosen": None if self.chosen is None else self.chosen.to_json(),
            "skipped": self.skipped,
            "trials": [trial.to_json() for trial in self.trials],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` gave."""
        chosen = document["chosen"]
        return cls(
            None if chosen is None else ChosenSettings.from_json(chosen),
            document["skipped"],
            [Trial(**trial) for trial in document["trials"]],
        )


def is_tried(model: str, names: Iterable[str]) -> bool:
    """Whether there are trials for a model that leaves some settings open."""
    return model == MODEL and any(name in (*_TRIED, ITERATIONS) for name in names)


def choose_by_trials(
    configured: Candidate,
    train: csr_matrix,
    held_out: csr_matrix,
    metric: str,
    *,
    seed: int,
    num_threads: int,
    progress: Progress,
    beginnings: Sequence[Mapping[str, float]] | None = None,
) -> Choice:
    """Try what the rule chooses, and what lies around it, and take the best.

    Parameters
    ----------
    configured
        The settings as configured, of a model that :func:`is_tried`.
    train, held_out
        The training part that is fitted and the pairs that are ranked, both of shape ``(n_users, n_items)``.
    metric
        The measure that decides, such as ``"ndcg@20"``.
    seed, num_threads
        Of the fits; threads change nothing of what is chosen.
    progress
        Told how far the trials are.
    beginnings
        Settings to try first, with a value for each that is tried and left open; by default those that the rule
        chooses, and :data:`~pipeline.factors.portfolio.START`.

    Returns
    -------
    What was chosen, or why nothing was: the data are too small, or too large, for trials.
    """
    users = count_users(train, held_out)
    if users < _LEAST_USERS:
        return Choice(None, f"{users} users to measure on, fewer than {_LEAST_USERS}")
    rounds = _rounds(_multiplications(train, configured))
    if not rounds:
        size = f"{train.nnz:,} pairs of {train.shape[0]:,} users and {train.shape[1]:,} items"
        return Choice(None, f"with {size} they would take too long")
    cutoff = int(metric.partition("@")[2])
    validation = Validation(train, held_out, cutoff, num_threads=num_threads, most_users=_MOST_USERS)
    search = _Search(configured, train, validation, metric, seed=seed, num_threads=num_threads)
    search.run(rounds, progress, beginnings)
    return Choice(search.chosen(), trials=search.trials)


class _Search:
    """Trials of one configuration, each round around the best of those before it.

    Parameters
    ----------
    configured
        The settings as configured.
    train
        The matrix that is fitted.
    validation
        What the factors are measured by.
    metric
        The measure that decides.
    seed, num_threads
        Of the fits.
    """

    def __init__(
        self,
        configured: Candidate,
        train: csr_matrix,
        validation: Validation,
        metric: str,
        *,
        seed: int,
        num_threads: int,
    ) -> None:
        factorize = configured.factorize
        by_rule = choose_settings(factorize.model, factorize.settings, configured.weighting, train).chosen
        if by_rule is None:
            raise ValueError("configured: expected settings that are left open, got none")
        self._by_rule = by_rule
        self._filled_in = configured.filled_in(train, by_rule)
        self._open = tuple(name for name in _TRIED if name in self._by_rule.values)
        self._metric, self._users = metric, validation.users
        self._objective = Objective(
            train,
            validation,
            metric,
            PASSES if ITERATIONS in self._by_rule.values else None,
            seed=seed,
            num_threads=num_threads,
            patience=_PATIENCE,
        )
        self.trials: list[Trial] = []

    def run(
        self,
        rounds: Sequence[tuple[Move, ...]],
        progress: Progress,
        beginnings: Sequence[Mapping[str, float]] | None,
    ) -> None:
        """Try the beginnings, and go on around the best so far."""
        if beginnings is None:
            by_rule = self._filled_in.values(_TRIED)
            given = None if ALPHA in self._open else by_rule[ALPHA]
            beginnings = [by_rule, START.values(self._by_rule.statistics, given)]
        total = len(beginnings) + sum(map(len, rounds))
        self._try(beginnings, total, progress)
        for moves in rounds:
            center = self._filled_in.values(_TRIED) | self._best().values
            self._try([move.of(center, self._open) for move in moves], total, progress)

    def chosen(self) -> ChosenSettings:
        """The best, if it is clearly better than the first, and how it was found."""
        best, first = self._best(), self.trials[0]
        if best.value is not None and first.value is not None and best.value < _GAIN * first.value:
            best = first
        summary = TrialsSummary(self._metric, self._users, len(self.trials), best.value, first.value)
        return replace(self._by_rule, values={**self._by_rule.values, **best.values}, trials=summary)

    def _try(self, settings: Iterable[Mapping[str, float]], total: int, progress: Progress) -> None:
        """Fit and measure what has not been yet."""
        for each in settings:
            values = {name: each[name] for name in self._open}
            if any(values.items() <= trial.values.items() for trial in self.trials):
                continue
            number = len(self.trials)
            self.trials.append(self._trial(values, span(progress, number / total, (number + 1) / total)))

    def _trial(self, values: dict[str, Any], progress: Progress) -> Trial:
        to_beat = self._best().value if self.trials else None
        try:
            outcome = self._objective(self._filled_in.with_values(values), progress, to_beat=to_beat)
        except DataError:
            # A fit that diverges is a bad choice like others; the record says so.
            return Trial(values, None)
        passes = {} if outcome.iterations is None else {ITERATIONS: outcome.iterations}
        return Trial(values | passes, outcome.measures[self._metric])

    def _best(self) -> Trial:
        """The first of those with the highest measure."""
        return max(self.trials, key=lambda trial: -1.0 if trial.value is None else trial.value)


def _rounds(work: float) -> Sequence[tuple[Move, ...]]:
    """The rounds there is time for, if a fit takes so many multiplications; none if there is not for the first."""
    fits = 2
    for number, moves in enumerate(ROUNDS):
        fits += len(moves)
        if fits * work > (_MOST if number < _FIRST_ROUNDS else _ENOUGH):
            return ROUNDS[:number] if number >= _FIRST_ROUNDS else ()
    return ROUNDS


def _multiplications(matrix: csr_matrix, configured: Candidate) -> float:
    """About how many a fit takes: three conjugate gradient steps and their start, for each vector of both sides."""
    settings = configured.factorize.settings
    factors = max(settings.factors, _LEAST_FACTORS)
    passes: int = _MEAN_PASSES if "iterations" in settings.left_open else settings.model_dump()["iterations"]
    return 4.0 * passes * factors * (sum(matrix.shape) * factors + 4.0 * matrix.nnz)
