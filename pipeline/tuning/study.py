"""The trials of a study: what is tried next, kept on disk, ended and gone on with at any time."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import optuna
from optuna.trial import TrialState
from sqlalchemy.exc import DatabaseError

from pipeline.errors import DataError, PipelineError, StoreError
from pipeline.factors.search_space import Choice, FloatRange, Range
from pipeline.tuning.space import rounded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.progress import Progress
    from pipeline.trials.candidate import Candidate
    from pipeline.trials.objective import Objective
    from pipeline.tuning.space import StudySpace

_NAME = "cfpipe"


@dataclass(frozen=True)
class TrialRecord:
    """A trial that came to an end.

    Attributes
    ----------
    number
        From 0, in the order they were tried; 0 is the configuration itself.
    sections
        The settings, as sections of a configuration; with the best number of passes where the model is watched.
    measures
        Measures on the validation part; empty for a failed trial.
    configured
        For trial 0: the measures after the configured number of passes.
    seconds
        Time it took.
    error
        Why it failed, or None.
    """

    number: int
    sections: Mapping[str, Mapping[str, Any]]
    measures: Mapping[str, float]
    configured: Mapping[str, float]
    seconds: float
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """As the study keeps it."""
        return {
            "number": self.number,
            "sections": {name: dict(keys) for name, keys in self.sections.items()},
            "measures": dict(self.measures),
            "configured": dict(self.configured),
            "seconds": self.seconds,
            "error": self.error,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` gave."""
        return cls(**document)


class Study:
    """A search for the settings with the highest ``metric``, by a tree-structured Parzen estimator.

    (Bergstra, Bardenet, Bengio & Kégl, NIPS 2011; by ``optuna``.) What is tried next follows from the seed and the
    trials that have ended, so a study that was killed and gone on with tries what it would have tried.

    Parameters
    ----------
    path
        The file that keeps the trials, an SQLite database; made where there is none. One process uses it at a time.
    space
        What there is to choose.
    metric
        The measure, such as ``"ndcg@20"``.
    seed
        Of what is tried.

    Raises
    ------
    StoreError
        If the file is something else.
    """

    def __init__(self, path: Path, space: StudySpace, metric: str, *, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.metric = metric
        self._space = space
        self._seed = seed
        try:
            self._study = optuna.create_study(
                storage=f"sqlite:///{path}", study_name=_NAME, direction="maximize", load_if_exists=True
            )
        except DatabaseError as error:
            raise StoreError(f"{path}: expected the database of a study: {error.orig}", hint="Delete it.") from error
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            # Whoever ran it was killed. It counts for nothing, and its settings are drawn again.
            self._study.tell(trial.number, state=TrialState.FAIL)

    def trials(self) -> list[TrialRecord]:
        """The trials that came to an end, in their order."""
        ended = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
        return [TrialRecord.from_json(trial.user_attrs["record"]) for trial in ended if "record" in trial.user_attrs]

    def best(self) -> TrialRecord | None:
        """The first of the trials with the highest value; None before one has succeeded."""
        done = [trial for trial in self.trials() if trial.error is None]
        return max(done, key=lambda trial: (trial.measures[self.metric], -trial.number), default=None)

    def run(self, objective: Objective, budget: Budget, progress: Progress) -> Iterator[TrialRecord]:
        """Try until the budget is used up.

        Parameters
        ----------
        objective
            What a trial is worth. A trial whose settings cannot be fitted has failed, and the study goes on.
        budget
            How many trials in all, and how long.
        progress
            Told how far the fit of a trial is.

        Yields
        ------
        Each trial, when it has ended.
        """
        while budget.allows(self.trials()):
            yield self._try_next(objective, progress)

    def _try_next(self, objective: Objective, progress: Progress) -> TrialRecord:
        number = len(self.trials())
        trial, candidate = self._ask(number)
        started = time.perf_counter()
        show = None
        if number == 0 and self._space.iterations is not None:
            show = candidate.values([self._space.ITERATIONS])[self._space.ITERATIONS]
        try:
            outcome = objective(candidate, progress, show=show)
        except PipelineError as error:
            seconds = time.perf_counter() - started
            record = TrialRecord(number, candidate.to_sections(), {}, {}, seconds, error.message)
        else:
            if outcome.iterations is not None:
                candidate = candidate.with_values({self._space.ITERATIONS: outcome.iterations})
            seconds = time.perf_counter() - started
            shown = outcome.configured if number == 0 else {}
            record = TrialRecord(number, candidate.to_sections(), outcome.measures, shown, seconds, None)
        trial.set_user_attr("record", record.to_json())
        if record.error is None:
            self._study.tell(trial, record.measures[self.metric])
        else:
            self._study.tell(trial, state=TrialState.FAIL)
        return record

    def _ask(self, number: int) -> tuple[optuna.Trial, Candidate]:
        """The next trial and its settings."""
        state = np.random.SeedSequence([self._seed, number]).generate_state(1)
        with warnings.catch_warnings():
            # `multivariate` and `group` may yet change; that settings of a model depend on each other will not, nor
            # that the configuration may have a value no other trial can have.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study.sampler = optuna.samplers.TPESampler(seed=int(state[0]), multivariate=True, group=True)
        ranges = self._space.ranges
        if number == 0:
            configured = self._space.configured_values()
            self._study.enqueue_trial(configured)
            trial = self._study.ask({name: _distribution(ranges[name]) for name in configured})
            return trial, self._space.configured
        trial = self._study.ask({name: _distribution(each) for name, each in ranges.items()})
        return trial, self._space.configured.with_values({name: rounded(value) for name, value in trial.params.items()})


class Budget:
    """How many trials a study may have in all, and how long this process may try.

    A trial is not started where it would end too late if it took as long as trials take on average; one that runs is
    never cut short.

    Parameters
    ----------
    trials
        Trials in all, those of earlier processes among them.
    minutes
        Minutes from now; None for no limit.
    """

    def __init__(self, trials: int, minutes: float | None) -> None:
        self._trials = trials
        self._deadline = math.inf if minutes is None else time.monotonic() + 60.0 * minutes

    def allows(self, ended: list[TrialRecord]) -> bool:
        """Whether another trial may start."""
        if len(ended) >= self._trials:
            return False
        mean = sum(trial.seconds for trial in ended) / len(ended) if ended else 0.0
        return time.monotonic() + mean <= self._deadline


def check_succeeded(study: Study) -> TrialRecord:
    """The best trial of a study that has ended.

    Raises
    ------
    DataError
        If all trials failed, or there was no time for one.
    """
    best = study.best()
    if best is not None:
        return best
    trials = study.trials()
    if not trials:
        raise DataError("no trial was started", hint="Raise --minutes.")
    raise DataError(f"all {len(trials)} trials failed; the last: {trials[-1].error}")


def _distribution(of: Range) -> optuna.distributions.BaseDistribution:
    if isinstance(of, Choice):
        return optuna.distributions.CategoricalDistribution(of.values)
    if isinstance(of, FloatRange):
        return optuna.distributions.FloatDistribution(of.low, of.high, log=of.log)
    return optuna.distributions.IntDistribution(of.low, of.high, log=of.log)
