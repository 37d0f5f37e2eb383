"""Commands that make a run, or say what would be made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

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
from pipeline.published import PublishedRun
from pipeline.store import read_json
from pipeline.tasks import PublishRun


def run(
    config: ConfigPath,
    date: RunDate = None,
    overrides: Overrides = None,
    workers: Annotated[int, typer.Option(min=1, help="Luigi's worker processes.")] = 1,
    scheduler_url: Annotated[
        str | None, typer.Option(help="URL of a luigid; without it, a scheduler of the run's own.")
    ] = None,
    as_json: AsJson = False,
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
    is_withdrawn = task.store.is_withdrawn(task.date, task.fingerprint)
    if as_json:
        print_json(_run_json(task, already_published=already_published, is_withdrawn=is_withdrawn))
    else:
        summary.print_run(
            Console(),
            open_run(settings.run.root),
            task.date,
            already_published=already_published,
            withdrawn=task.fingerprint if is_withdrawn else None,
        )


def _run_json(task: PublishRun, *, already_published: bool, is_withdrawn: bool) -> dict[str, Any]:
    """The run that was asked for, which is not the published one where a later date's is, or a rollback withdrew it."""
    made = PublishedRun(task.store, read_json(Path(task.output().path)))
    manifests = {name: made.manifest(name) for name in made.tables}
    tables = {
        name: {
            "path": str(path),
            "rows": manifests[name]["rows"],
            "neighbor_recall": manifests[name]["neighbor_recall"],
        }
        for name, path in made.tables.items()
    }
    return {
        "run": task.fingerprint,
        "date": made.date,
        "root": str(made.root),
        "already_published": already_published,
        "withdrawn": is_withdrawn,
        "published": open_run(made.root).content["run"],
        "tables": tables,
        "quality": made.evaluation["model"] if made.has_interactions else None,
    }


def plan(config: ConfigPath, date: RunDate = None, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Say what a run would do, and the memory it would take, and do nothing."""
    task = run_task(config, load_config(config, overrides or ()), date, overrides)
    steps = planning.plan(task)
    if as_json:
        content = {"date": task.date.isoformat(), "steps": [asdict(step) for step in steps]}
        print_json(content | {"chosen_from_data": dict(planning.left_open(task))})
    else:
        summary.print_plan(Console(), steps, task, planning.left_open(task))
        summary.print_trials(Console(), planning.chosen_settings(task))
