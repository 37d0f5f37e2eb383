"""Commands that make a run, or say what would be made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline import plan as planning
from pipeline import summary
from pipeline.cli.building import build, run_task
from pipeline.cli.options import AsJson, ConfigPath, Overrides, RunDate
from pipeline.cli.terminal import print_json
from pipeline.config import load_config
from pipeline.lock import RootLock
from pipeline.lookup import open_run


def run(
    config: ConfigPath,
    date: RunDate = None,
    overrides: Overrides = None,
    workers: Annotated[int, typer.Option(min=1, help="Luigi's worker processes.")] = 1,
    scheduler_url: Annotated[
        str | None, typer.Option(help="URL of a luigid; without it, a scheduler of the run's own.")
    ] = None,
) -> None:
    """Run the pipeline and publish its tables."""
    settings = load_config(config, overrides or ())
    task = run_task(config, settings, date, overrides)
    planning.check_inputs(task)
    lock = RootLock(Path(settings.run.root))
    if lock.acquire():
        task.store.sweep()
    try:
        already_published = task.complete()
        build(task, workers, scheduler_url)
    finally:
        lock.release()
    withdrawn = task.fingerprint if task.store.is_withdrawn(task.date, task.fingerprint) else None
    published = open_run(settings.run.root)
    summary.print_run(Console(), published, task.date, already_published=already_published, withdrawn=withdrawn)


def plan(config: ConfigPath, date: RunDate = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Say what a run would do, and the memory it would take, and do nothing."""
    task = run_task(config, load_config(config, overrides or ()), date, overrides)
    steps = planning.plan(task)
    if as_json:
        content = {"date": task.date.isoformat(), "steps": [asdict(step) for step in steps]}
        print_json(content | {"chosen_from_data": dict(planning.left_open(task))})
    else:
        summary.print_plan(Console(), steps, task, planning.left_open(task))
