"""Commands that ask the published run: what is similar, what suits whom, and why."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline import summary
from pipeline.cli.options import AsJson, ConfigPath, Count, EntityType, Histories, HistoryOf, Overrides
from pipeline.cli.terminal import print_json
from pipeline.config import load_config
from pipeline.errors import ConfigError
from pipeline.lookup import Neighbor, Run, open_run
from pipeline.store import Store


def similar(
    config: ConfigPath,
    entity: EntityType,
    query: Annotated[str, typer.Argument(metavar="NAME", help="Name or id.", show_default=False)],
    k: Count = 10,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Print what is nearest to an entity, in the published run."""
    neighbors = _open(config, overrides).similar(entity, query, k)
    _print_neighbors(neighbors, f"{entity} similar to {query}", as_json)


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
    rules: Annotated[bool, typer.Option("--rules/--no-rules", help="Obey the rules of the table, or none.")] = True,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Print recommendations for a user, or for a history of somebody new, in the published run.

    By the rules of the first table from users to what is recommended: lists, caps, support, seen items and the others.
    """
    run = _open(config, overrides)
    if user is not None:
        _check_no_history("USER", history, history_of)
        neighbors = run.recommend(user, k, entity=to, exclude_seen=False if seen else None, rules=rules)
        title = f"recommended to user {user}"
    else:
        exclude = False if seen else None
        neighbors = run.recommend_history(
            _given(history), k, to=to, of=history_of, exclude_history=exclude, rules=rules
        )
        title = f"recommended after {', '.join(_given(history))}"
    _print_neighbors(neighbors, title, as_json)


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
        print_json(asdict(explanation))
    else:
        summary.print_explanation(Console(), explanation, k)


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
        print_json([asdict(neighbor) for neighbor in neighbors])
        return
    table = Table(title=summary.plain(title), title_justify="left", box=None)
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right")
    table.add_column("name")
    table.add_column("id", justify="right")
    if any(neighbor.source for neighbor in neighbors):
        table.add_column("source")
    for neighbor in neighbors:
        shown = (str(neighbor.rank), f"{neighbor.score:.4f}", summary.plain(neighbor.name), str(neighbor.id))
        table.add_row(*shown, *([neighbor.source] if neighbor.source else []))
    Console().print(table)
