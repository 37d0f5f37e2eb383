"""A step of the graph, made by Luigi on behalf of a command."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import luigi

from pipeline.cli.terminal import debugging
from pipeline.errors import PipelineError, StoreError
from pipeline.reporting import FailureLog
from pipeline.tasks import PublishRun

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.steps import StepTask


def run_task(config: str, settings: Config, date: datetime.datetime | None, overrides: list[str] | None) -> PublishRun:
    """The run that a command is about: of the date given, else of the configuration's, else of today."""
    today = datetime.datetime.now(datetime.UTC).date()
    day = date.date() if date is not None else settings.run.date or today
    return PublishRun(date=day, config=config, overrides=tuple(overrides or ()))


def build(task: StepTask, workers: int, scheduler_url: str | None) -> None:
    """Let Luigi run a task, and raise the error of the first step that failed."""
    scheduler: dict[str, Any] = {"scheduler_url": scheduler_url} if scheduler_url else {"local_scheduler": True}
    with FailureLog() as failures:
        log_level = "INFO" if debugging() else "CRITICAL"
        result = luigi.build([task], workers=workers, detailed_summary=True, log_level=log_level, **scheduler)
        errors = failures.errors()
    if errors:
        step, error = errors[0]
        if isinstance(error, PipelineError):
            raise error
        if isinstance(error, OSError):
            raise StoreError(
                f"{step} failed: {error}",
                hint="Check run.root and the space on its disk; the next run goes on from the steps that are done.",
            ) from error
        raise RuntimeError(f"{step} failed") from error
    if not result.scheduling_succeeded:
        raise PipelineError(f"Luigi did not complete the run: {result.one_line_summary}")
