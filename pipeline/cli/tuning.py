"""The command that chooses the settings of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline import tuning
from pipeline.cli.building import build, run_task
from pipeline.cli.options import AsJson, ConfigPath, Overrides, RunDate
from pipeline.cli.terminal import print_json
from pipeline.config import load_config
from pipeline.lock import RootLock
from pipeline.plan import check_inputs


def tune(
    config: ConfigPath,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, those of earlier commands among them.")] = 50,
    minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Start no trial that would end later than so many minutes from now.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="TUNED.toml", help="Where to write the best configuration; CONFIG.tuned.toml by default."),
    ] = None,
    date: RunDate = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Choose the settings of model and weighting on a part of the training data; the same command goes on."""
    tuning.check_installed()
    from pipeline.tasks import ChooseSettings, FitFactors
    from pipeline.tuning.command import Tuning, check
    from pipeline.tuning.validation import SplitTraining

    settings = load_config(config, overrides or ())
    split = run_task(config, settings, date, overrides).other(SplitTraining)
    path = output or Path(config).with_suffix(".tuned.toml")
    check(settings, Path(config), path)
    check_inputs(split)
    lock = RootLock(Path(settings.run.root))
    lock.acquire()
    try:
        build(split, workers=1, scheduler_url=None)
        if split.other(FitFactors).settings_are_tried():
            build(split.other(ChooseSettings), workers=1, scheduler_url=None)
    finally:
        lock.release()
    tuned = Tuning(split, Path(config), tuple(overrides or ())).run(path, trials, minutes)
    if as_json:
        print_json(tuned.to_json())
    else:
        tuned.print(Console())
