"""Where a running step says how far it is: Luigi's scheduler page, and the terminal.

A terminal shows a progress bar for the step that runs; where there is no terminal, or several workers share it, steps
are plain lines.
"""

from __future__ import annotations

import os
import sys
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from types import TracebackType

    import luigi

#: Luigi's scheduler is told this often, at most; a plain line is printed for a step that takes longer than the other.
_SCHEDULER_SECONDS: Final = 0.5
_LINE_SECONDS: Final = 10.0

#: The parameters all tasks share, which say nothing about the step.
_COMMON_PARAMETERS: Final = ("date", "config", "overrides")

_MAIN_PROCESS: Final = os.getpid()


def step_name(task: luigi.Task) -> str:
    """A step as people read it: the task's name and the parameters that tell it from others of its run."""
    own = {name: value for name, value in task.param_kwargs.items() if name not in _COMMON_PARAMETERS}
    return " ".join([type(task).__name__, *(str(value) for value in own.values() if value is not None)])


class StepReporter:
    """Progress of one step; a context manager, and the callable that steps report to."""

    def __init__(self, task: luigi.Task) -> None:
        self._task = task
        self._name = step_name(task)
        self._bar = _Bar(self._name) if sys.stderr.isatty() and os.getpid() == _MAIN_PROCESS else None
        self._started = self._told = self._printed = time.monotonic()

    def __enter__(self) -> StepReporter:
        self._tell_scheduler(0.0, "started")
        if self._bar is None:
            _print_line(f"{self._name}: started")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        seconds = time.monotonic() - self._started
        if kind is None:
            self._tell_scheduler(1.0, f"done in {seconds:.1f} s")
        _print_line(f"{self._name}: {'done' if kind is None else 'failed'} in {seconds:.1f} s")

    def __call__(self, fraction: float, message: str) -> None:
        """Report how far the step is; see :data:`pipeline.progress.Progress`."""
        now = time.monotonic()
        if now - self._told >= _SCHEDULER_SECONDS:
            self._told = now
            self._tell_scheduler(fraction, message)
        if self._bar is not None:
            self._bar.update(fraction, message)
        elif now - self._printed >= _LINE_SECONDS:
            self._printed = now
            _print_line(f"{self._name}: {fraction:4.0%} {message}")

    def _tell_scheduler(self, fraction: float, message: str) -> None:
        # Luigi sets these attributes while it runs the task; they are absent or None when somebody else calls run().
        set_percentage = getattr(self._task, "set_progress_percentage", None)
        set_message = getattr(self._task, "set_status_message", None)
        if set_percentage is not None:
            set_percentage(round(100 * fraction))
        if set_message is not None:
            set_message(message)


class CommandReporter:
    """Progress of a command that is no step, on stderr; a context manager, and the callable to report to."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar = _Bar(name) if sys.stderr.isatty() else None
        self._printed = time.monotonic()

    def __enter__(self) -> CommandReporter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, fraction: float, message: str) -> None:
        """Report how far the command is; see :data:`pipeline.progress.Progress`."""
        if self._bar is not None:
            self._bar.update(fraction, message)
        elif time.monotonic() - self._printed >= _LINE_SECONDS:
            self._printed = time.monotonic()
            _print_line(f"{self._name}: {fraction:4.0%} {message}")


class _Bar:
    """A progress bar that leaves nothing behind."""

    def __init__(self, name: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[message]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._id: TaskID = self._progress.add_task(name, total=1.0, message="")
        self._progress.start()

    def update(self, fraction: float, message: str) -> None:
        self._progress.update(self._id, completed=fraction, message=message)

    def stop(self) -> None:
        self._progress.stop()


def _print_line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class FailureLog:
    """The errors of a run's tasks, also of those that ran in forked workers; a context manager around the run."""

    _active: FailureLog | None = None

    def __init__(self) -> None:
        self._queue: Any = get_context("fork").SimpleQueue()

    def __enter__(self) -> FailureLog:
        FailureLog._active = self
        return self

    def __exit__(self, *_: object) -> None:
        FailureLog._active = None

    @classmethod
    def remember(cls, task: luigi.Task, error: BaseException) -> None:
        """Keep an error for who started the run, if somebody listens."""
        if cls._active is not None:
            cls._active._queue.put((step_name(task), error))

    def errors(self) -> list[tuple[str, BaseException]]:
        """The steps that failed, and why."""
        found = []
        while not self._queue.empty():
            found.append(self._queue.get())
        return found
