"""The command ``cfpipe``."""

from __future__ import annotations

import datetime
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import luigi
import typer
from rich.console import Console
from rich.table import Table

from pipeline import summary, tuning
from pipeline.compare import compare_runs, find_run, print_comparison
from pipeline.config import Config, load_config
from pipeline.errors import ConfigError, PipelineError
from pipeline.lock import RootLock
from pipeline.lookup import Neighbor, Run, open_run
from pipeline.plan import check_inputs, plan
from pipeline.reporting import FailureLog
from pipeline.store import Store
from pipeline.tasks import PublishRun

if TYPE_CHECKING:
    from pipeline.steps import StepTask

app = typer.Typer(
    help="Interactions in, recommendation tables out: exact neighbours, scheduled by Luigi.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigPath = Annotated[str, typer.Argument(metavar="CONFIG", help="The TOML configuration.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a setting; the value is TOML. Repeatable."),
]
RunDate = Annotated[
    datetime.datetime | None,
    typer.Option("--date", formats=["%Y-%m-%d"], help="Date of the run; by default run.date, else today (UTC)."),
]
Histories = Annotated[
    list[str] | None,
    typer.Option(
        "--history", metavar="NAME", help="In place of USER: name or id of what somebody new knows. Repeatable."
    ),
]
HistoryOf = Annotated[
    str | None,
    typer.Option("--from", metavar="ENTITY", help="Entity type of the history: the items, or an attribute of theirs."),
]
_RUN_HELP = "A root, for its published run, or ROOT/runs/DATE or ROOT/runs/DATE/ID.json for one of its runs."
Count = Annotated[int, typer.Option("-k", min=1, help="How many, at most.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass
class _Options:
    debug: bool = False


_options = _Options()


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show Luigi's log, and where errors come from.")] = False,
) -> None:
    _options.debug = debug


@app.command()
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
    task = _task(config, settings, date, overrides)
    check_inputs(task)
    lock = RootLock(Path(settings.run.root))
    if lock.acquire():
        task.store.sweep()
    try:
        already_published = task.complete()
        _build(task, workers, scheduler_url)
    finally:
        lock.release()
    summary.print_run(Console(), open_run(settings.run.root), task.date, already_published=already_published)


@app.command(name="plan")
def plan_command(
    config: ConfigPath, date: RunDate = None, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Say what a run would do, and the memory it would take, and do nothing."""
    task = _task(config, load_config(config, overrides or ()), date, overrides)
    steps = plan(task)
    if as_json:
        _print_json({"date": task.date.isoformat(), "steps": [asdict(step) for step in steps]})
    else:
        summary.print_plan(Console(), steps, task)


@app.command()
def similar(
    config: ConfigPath,
    entity: Annotated[str, typer.Argument(help="An entity type, such as artist.", show_default=False)],
    query: Annotated[str, typer.Argument(metavar="NAME", help="Name or id.", show_default=False)],
    k: Count = 10,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Print what is nearest to an entity, in the published run."""
    neighbors = _open(config, overrides).similar(entity, query, k)
    _print_neighbors(neighbors, f"{entity} similar to {query}", as_json)


@app.command()
def recommend(
    config: ConfigPath,
    user: Annotated[
        str | None, typer.Argument(help="Name or id of a user; or give --history.", show_default=False)
    ] = None,
    history: Histories = None,
    history_of: HistoryOf = None,
    k: Count = 10,
    to: Annotated[str | None, typer.Option("--to", "--entity", help="What to recommend; the items by default.")] = None,
    seen: Annotated[bool, typer.Option("--seen", help="Keep what the user has interacted with.")] = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Print recommendations for a user, or for a history of somebody new, in the published run."""
    run = _open(config, overrides)
    if user is not None:
        _check_no_history("USER", history, history_of)
        neighbors = run.recommend(user, k, entity=to, exclude_seen=not seen)
        title = f"recommended to user {user}"
    else:
        neighbors = run.recommend_history(_given(history), k, to=to, of=history_of, exclude_history=not seen)
        title = f"recommended after {', '.join(_given(history))}"
    _print_neighbors(neighbors, title, as_json)


@app.command()
def explain(
    config: ConfigPath,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[USER] ITEM", help="Names or ids; with --history, of the item alone.", show_default=False
        ),
    ],
    history: Histories = None,
    history_of: HistoryOf = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many of the history to show; --json has all.")] = 10,
    to: Annotated[str | None, typer.Option("--to", help="Entity type of ITEM; the items by default.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Print what each item of a history adds to the score of an item, in the published run.

    The shares add up to the score by fold-in: by a user vector fitted to the history, the item vectors held fixed.
    The published score is by the user vector of the fit, before the rules of a table; the two are close.
    """
    run = _open(config, overrides)
    match names:
        case [user, item]:
            _check_no_history("USER", history, history_of)
            explanation = run.explain(user, item, to=to)
        case [item]:
            explanation = run.explain_history(_given(history), item, to=to, of=history_of)
        case _:
            raise ConfigError(f"expected USER and ITEM, or ITEM with --history; got {', '.join(map(repr, names))}")
    if as_json:
        _print_json(asdict(explanation))
    else:
        summary.print_explanation(Console(), explanation, k)


@app.command()
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
) -> None:
    """Choose the settings of model and weighting on a part of the training data; the same command goes on."""
    tuning.check_installed()
    from pipeline.tuning.command import Tuning, check
    from pipeline.tuning.validation import SplitTraining

    settings = load_config(config, overrides or ())
    split = _task(config, settings, date, overrides).other(SplitTraining)
    path = output or Path(config).with_suffix(".tuned.toml")
    check(settings, Path(config), path)
    check_inputs(split)
    lock = RootLock(Path(settings.run.root))
    lock.acquire()
    try:
        _build(split, workers=1, scheduler_url=None)
    finally:
        lock.release()
    Tuning(split, Path(config), tuple(overrides or ())).run(path, trials, minutes)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN_A", help=_RUN_HELP, show_default=False)],
    second: Annotated[str, typer.Argument(metavar="RUN_B", help="The run that is compared with it.")],
    as_json: AsJson = False,
) -> None:
    """Compare two runs: their quality with a paired test over users, and their tables."""
    comparison = compare_runs(find_run(first), find_run(second))
    if as_json:
        _print_json(comparison.to_json())
    else:
        print_comparison(Console(), comparison)


def main() -> None:
    """Entry point: exits with 0, or with the exit code of the error (see :mod:`pipeline.errors`)."""
    try:
        app()
    except PipelineError as error:
        if _options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _task(config: str, settings: Config, date: datetime.datetime | None, overrides: list[str] | None) -> PublishRun:
    today = datetime.datetime.now(datetime.UTC).date()
    day = date.date() if date is not None else settings.run.date or today
    return PublishRun(date=day, config=config, overrides=tuple(overrides or ()))


def _build(task: StepTask, workers: int, scheduler_url: str | None) -> None:
    """Let Luigi run a task, and raise the error of the first step that failed."""
    scheduler: dict[str, Any] = {"scheduler_url": scheduler_url} if scheduler_url else {"local_scheduler": True}
    with FailureLog() as failures:
        log_level = "INFO" if _options.debug else "CRITICAL"
        result = luigi.build([task], workers=workers, detailed_summary=True, log_level=log_level, **scheduler)
        errors = failures.errors()
    if errors:
        step, error = errors[0]
        if isinstance(error, PipelineError):
            raise error
        raise RuntimeError(f"{step} failed") from error
    if not result.scheduling_succeeded:
        raise PipelineError(f"Luigi did not complete the run: {result.one_line_summary}")


def _open(config: str, overrides: list[str] | None) -> Run:
    return open_run(Store(Path(load_config(config, overrides or ()).run.root)).root)


def _check_no_history(given: str, history: list[str] | None, history_of: str | None) -> None:
    for option, value in (("--history", history), ("--from", history_of)):
        if value:
            raise ConfigError(f"expected {given} or --history, got both {given} and {option}")


def _given(history: list[str] | None) -> list[str]:
    if not history:
        raise ConfigError("expected a USER or --history, got neither")
    return history


def _print_neighbors(neighbors: list[Neighbor], title: str, as_json: bool) -> None:
    if as_json:
        _print_json([asdict(neighbor) for neighbor in neighbors])
        return
    table = Table(title=summary.plain(title), title_justify="left", box=None)
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right")
    table.add_column("name")
    table.add_column("id", justify="right")
    for neighbor in neighbors:
        table.add_row(str(neighbor.rank), f"{neighbor.score:.4f}", summary.plain(neighbor.name), str(neighbor.id))
    Console().print(table)


def _print_json(content: Any) -> None:
    print(json.dumps(content, ensure_ascii=False, indent=2))
