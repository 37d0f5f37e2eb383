"""What ``cfpipe tune`` does, once the training part is split."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.config import load_config
from pipeline.errors import ConfigError
from pipeline.factors.base import effective_threads, find_factorizer
from pipeline.factors.choosing import left_open
from pipeline.factors.defaults import RULE_VERSION
from pipeline.lock import RootLock
from pipeline.store import Store, fingerprint, publish_json, publish_text
from pipeline.tasks import ChooseSettings, FitFactors
from pipeline.trials.objective import Objective, Validation
from pipeline.tuning.plot import draw
from pipeline.tuning.reporting import StudyReporter, print_study
from pipeline.tuning.space import StudySpace
from pipeline.tuning.study import Budget, Study, TrialRecord, check_succeeded
from pipeline.tuning.tuned import check_output, tuned_toml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from pipeline.config import Config
    from pipeline.factors.choosing import ChosenSettings
    from pipeline.tuning.validation import SplitTraining

#: Raised whenever trials mean something else than before: no study goes on with those of another version.
VERSION = 1


def check(settings: Config, config: Path, output: Path) -> None:
    """Check what can be checked before anything is read.

    Raises
    ------
    ConfigError
        If there is nothing to tune, or ``output`` cannot be written.
    """
    if not settings.has_interactions:
        raise ConfigError("nothing to tune: every entity type has its vectors from a file")
    StudySpace.of(settings, weights_differ=True)
    check_output(output, config)


@dataclass(frozen=True)
class Tuned:
    """What a tuning found.

    Attributes
    ----------
    metric
        What was tuned for.
    space
        The settings that were tried.
    trials
        All of them, in the order they were tried.
    best
        The best one.
    files
        What was written: ``configuration``, ``trials`` and ``plot``.
    """

    metric: str
    space: StudySpace
    trials: Sequence[TrialRecord]
    best: TrialRecord
    files: dict[str, Path]

    def to_json(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {
            "metric": self.metric,
            "trials": len(self.trials),
            "failed": sum(trial.error is not None for trial in self.trials),
            "best": self.best.to_json(),
            "configured": dict(self.trials[0].configured),
            "files": {what: str(path) for what, path in self.files.items()},
        }

    def print(self, console: Console) -> None:
        """Print it for a person."""
        print_study(console, self.space, self.trials, self.best, self.files)
        console.print(f"next: cfpipe run {self.files['configuration']}", markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Tuning:
    """A configuration to tune.

    Attributes
    ----------
    split
        The step that splits the training part; done, as is the one that chooses what is left open.
    config
        Path of the configuration.
    overrides
        ``--set`` of the command.
    """

    split: SplitTraining
    config: Path
    overrides: tuple[str, ...]

    @property
    def settings(self) -> Config:
        """The validated configuration."""
        return load_config(self.config, self.overrides)

    def run(self, output: Path, trials: int, minutes: float | None) -> Tuned:
        """Try, and write the best configuration and what tells how it was found.

        Parameters
        ----------
        output
            Where to write the configuration.
        trials
            Trials of the study in all, those of earlier commands among them.
        minutes
            Limit of this command, None for none.

        Returns
        -------
        What was found.

        Raises
        ------
        DataError
            If there is nothing to measure on, or all trials failed.
        LockError
            If another process works on the study.
        """
        settings, parts = self.settings, self.split.open()
        train, metric = parts.train, settings.gates.metric
        space = StudySpace.of(settings, weights_differ=bool(np.ptp(train.data))).filled_in(train, self._chosen())
        folder = self.study_folder()
        lock = RootLock(folder)
        lock.acquire()
        try:
            publish_json(folder / "study.json", self._study_content())
            threads = settings.run.threads
            validation = Validation(train, parts.test, int(metric.partition("@")[2]), num_threads=threads)
            objective = Objective(
                train, validation, metric, space.iterations, seed=settings.run.seed, num_threads=threads
            )
            study = Study(folder / "study.sqlite", space, metric, seed=settings.run.seed)
            self._try(study, objective, Budget(trials, minutes), trials)
            return self._write(study, space, output, folder)
        finally:
            lock.release()

    def _chosen(self) -> ChosenSettings | None:
        """What a run of the configuration takes for what is left open, where that is found by trials; else None."""
        tried = self.split.other(FitFactors).settings_are_tried()
        return self.split.other(ChooseSettings).open().chosen if tried else None

    def _try(self, study: Study, objective: Objective, budget: Budget, trials: int) -> None:
        with StudyReporter(study.metric, len(study.trials()), trials, study.best()) as reporter:
            for trial in study.run(objective, budget, reporter.progress):
                reporter.trial_ended(trial)

    def _write(self, study: Study, space: StudySpace, output: Path, folder: Path) -> Tuned:
        best, trials = check_succeeded(study), study.trials()
        name = self.settings.run.name
        publish_text(folder / "trials.csv", _csv(trials, study.metric))
        draw(folder / "trials.svg", trials, space, study.metric, f"Tuning of {name}: {len(trials)} trials")
        configured = trials[0].configured.get(study.metric)
        header = [
            f" from {self.config.name}: trial {best.number + 1} of {len(trials)} has the highest {study.metric}",
            f"on a validation part of the training data: {best.measures[study.metric]:.4f}"
            + ("" if configured is None else f", where that configuration has {configured:.4f}."),
            f"[factorize] and [weighting] are what was found. The study: tuning/{folder.name} under run.root.",
        ]
        original = self.config.read_text(encoding="utf-8")
        publish_text(output, tuned_toml(original, self.overrides, best.sections, header))
        load_config(output)
        files = {"configuration": output, "trials": folder / "trials.csv", "plot": folder / "trials.svg"}
        return Tuned(study.metric, space, trials, best, files)

    def study_folder(self) -> Path:
        """Where the study is kept: its name is the digest of all that a trial depends on."""
        return Store(Path(self.settings.run.root)).path("tuning", fingerprint(self._study_content()))

    def _study_content(self) -> dict[str, Any]:
        settings = self.settings
        name = settings.factorize.model
        model = find_factorizer(name)
        chooses = bool(left_open(name, settings.factorize.settings, settings.weighting))
        return {
            "version": VERSION,
            "data": self.split.fingerprint,
            "space": StudySpace.of(settings, weights_differ=True).to_json(),
            "metric": settings.gates.metric,
            "rule": RULE_VERSION if chooses else None,
            **({"defaults": settings.factorize.defaults} if chooses else {}),
            "seed": settings.run.seed,
            "threads": effective_threads(settings.run.threads) if model.threads_change_bytes else None,
            "versions": model.versions(),
        }


def _csv(trials: Sequence[TrialRecord], metric: str) -> str:
    """A line for each trial: its value, its settings, its measures."""
    rows = []
    for trial in trials:
        settings = {
            f"{section}.{key}": value for section, keys in trial.sections.items() for key, value in keys.items()
        }
        row = {"trial": trial.number + 1, "value": trial.measures.get(metric, ""), "seconds": round(trial.seconds, 3)}
        rows.append({**row, **settings, **trial.measures, "error": trial.error or ""})
    columns = list(dict.fromkeys(key for row in rows for key in row if key != "error"))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, "error"], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
