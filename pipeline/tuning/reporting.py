"""What a person sees of a study: how far it is while it runs, and what came of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from pipeline.tuning.space import StudySpace
    from pipeline.tuning.study import TrialRecord


class StudyReporter:
    """Progress of a study on stderr: a bar on a terminal, else a line for each trial; a context manager."""

    def __init__(self, metric: str, ended: int, trials: int, best: TrialRecord | None) -> None:
        self._metric, self._ended, self._trials, self._best = metric, ended, trials, best
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("tuning"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
                TextColumn("[dim]{task.fields[message]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(self._best_so_far(), total=trials, completed=ended, message="")

    def __enter__(self) -> StudyReporter:
        if self._bar is not None:
            self._bar.start()
        if self._ended:
            self._print(f"going on after {self._ended} trials; {self._best_so_far()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is KeyboardInterrupt:
            self._print(f"interrupted after {self._ended} trials; the same command goes on from here")

    def progress(self, fraction: float, message: str) -> None:
        """How far the fit of a trial is; see :data:`pipeline.progress.Progress`."""
        if self._bar is not None:
            self._bar.update(self._task, message=message)

    def trial_ended(self, trial: TrialRecord) -> None:
        """Show what came of a trial."""
        self._ended += 1
        if trial.error is not None:
            value = f"failed: {trial.error}"
        else:
            value = f"{self._metric} {trial.measures[self._metric]:.4f}"
            if self._best is None or trial.measures[self._metric] > self._best.measures[self._metric]:
                self._best = trial
        line = f"trial {self._ended} of {self._trials}: {value} in {trial.seconds:.1f} s; {self._best_so_far()}"
        if self._bar is not None:
            self._bar.update(self._task, completed=self._ended, description=self._best_so_far())
            if trial.error is None:
                return
        self._print(line)

    def _best_so_far(self) -> str:
        if self._best is None:
            return "no best yet"
        return f"best {self._metric} {self._best.measures[self._metric]:.4f} (trial {self._best.number + 1})"

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)


def print_study(
    console: Console, space: StudySpace, trials: Sequence[TrialRecord], best: TrialRecord, files: dict[str, Path]
) -> None:
    """Print the best trial beside the configuration, and where the files are."""
    first = trials[0]
    failed = sum(trial.error is not None for trial in trials)
    title = f"Best of {len(trials)} trials: trial {best.number + 1}" + (f"; {failed} failed" if failed else "")
    console.print(_measures(title, first, best))
    console.print(_settings(space, best))
    if first.error is not None:
        console.print(f"The configuration itself failed: {first.error}", markup=False)
    for what, path in files.items():
        console.print(f"{what}: {path}", markup=False, highlight=False, soft_wrap=True)


def _measures(title: str, first: TrialRecord, best: TrialRecord) -> Table:
    table = Table(title=title, title_justify="left", box=None)
    for column in ("validation part", "configuration", "best", "ratio"):
        table.add_column(column, justify="left" if column == "validation part" else "right")
    for name, value in best.measures.items():
        before = first.configured.get(name)
        ratio = f"{value / before:.3f} x" if before else ""
        table.add_row(name, "" if before is None else f"{before:.4f}", f"{value:.4f}", ratio)
    return table


def _settings(space: StudySpace, best: TrialRecord) -> Table:
    table = Table(title="Settings", title_justify="left", box=None)
    for column in ("setting", "configuration", "best"):
        table.add_column(column, justify="left" if column == "setting" else "right")
    names = [*space.ranges, *([space.ITERATIONS] if space.iterations is not None else [])]
    configured = space.configured.values(dict.fromkeys(names))
    for name in names:
        section, _, key = name.partition(".")
        table.add_row(name, _shown(configured.get(name)), _shown(best.sections[section].get(key)))
    return table


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
