"""The command that writes a first configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.config import load_config
from pipeline.draft.document import draft
from pipeline.draft.guess import Guess, choose_hold_out, guess_roles, with_timestamp, with_weight
from pipeline.draft.profile import DataProfile, profile_data
from pipeline.errors import ConfigError, OutputError, StoreError
from pipeline.store import publish_text
from pipeline.summary import plain

_SAMPLE = "sample://listening"
#: What a person types for a column that there is none of.
_NONE = "-"


def init(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="Interactions: a file, folder or glob of Parquet, CSV, TSV or .npz; by default, asks.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="Where to write the configuration.")
    ] = Path("config.toml"),
    user: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of the users, if it is guessed wrong.")
    ] = None,
    item: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the items.")] = None,
    weight: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of weights or ratings; - for none.")
    ] = None,
    timestamp: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of times; - for none.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Take the guesses, ask nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a configuration that is there.")] = False,
) -> None:
    """Write a commented configuration by looking at your data: guesses its columns, shows them, and asks.

    Without DATA and with --yes, it is one of the built-in sample.
    """
    if data is None:
        data = _SAMPLE if yes else typer.prompt("Interactions", default=_SAMPLE, err=True)
    found = profile_data(data)
    given = (user, item, weight, timestamp)
    guess = _corrected(found, guess_roles(found), given)
    _print_columns(Console(stderr=True), found, guess)
    if not yes:
        guess = _corrected(found, guess, _asked(found, guess))
    if guess is None:
        raise ConfigError(
            f"{data}: cannot tell which columns are the users and the items", hint="Name them: --user and --item."
        )
    _check_replaceable(output, yes=yes, overwrite=overwrite)
    try:
        publish_text(output, draft(found, guess, choose_hold_out(found, guess)))
    except StoreError as error:
        raise OutputError(error.message, hint="Name another --output.") from None
    load_config(str(output))
    print(f"{output} is written.\nnext: cfpipe run {output}")


def _asked(found: DataProfile, guess: Guess | None) -> tuple[str, str, str, str]:
    """What a person says the columns are; what was guessed is what Enter gives."""
    names = [column.name for column in found.columns]

    def ask(what: str, guessed: str | None, *, needed: bool = False) -> str:
        while True:
            default = guessed or (None if needed else _NONE)
            note = "" if needed else f" ({_NONE} for none)"
            answer: str = typer.prompt(f"{what}{note}", default=default, err=True)
            if answer in names or (answer == _NONE and not needed):
                return answer
            typer.echo(f"There is no column {answer!r}: expected one of {', '.join(names)}.", err=True)

    return (
        ask("Column of the users", guess.user if guess else None, needed=True),
        ask("Column of the items", guess.item if guess else None, needed=True),
        ask("Column of weights or ratings", _weighed_by(found, guess)),
        ask("Column of times", guess.timestamp if guess else None),
    )


def _corrected(
    found: DataProfile, guess: Guess | None, given: tuple[str | None, str | None, str | None, str | None]
) -> Guess | None:
    """The guess with what a person says of it."""
    user, item, weight, timestamp = given
    user = user or (guess.user if guess else None)
    item = item or (guess.item if guess else None)
    if user is None or item is None:
        return None
    for name in (user, item):
        if not found.column(name).is_id:
            raise ConfigError(
                f"column {name!r} holds no ids, but {found.column(name).type}", hint="Ids are integers or strings."
            )
    changed = Guess(user, item) if guess is None else replace(guess, user=user, item=item)
    taken = (user, item)
    if timestamp is not None or changed.timestamp in taken:
        column = None if timestamp in (None, _NONE) else found.column(str(timestamp))
        changed = with_timestamp(changed, column)
    if weight is not None or _weighed_by(found, changed) in taken:
        column = None if weight in (None, _NONE) else found.column(str(weight))
        changed = with_weight(changed, column)
    return changed


def _weighed_by(found: DataProfile, guess: Guess | None) -> str | None:
    """The column that weights come from, or the filter of ratings."""
    if guess is None:
        return None
    named = (column.name for column in found.columns if guess.where and column.name in guess.where)
    return guess.weight or next(named, None)


def _check_replaceable(output: Path, *, yes: bool, overwrite: bool) -> None:
    if not output.exists() or overwrite:
        return
    if output.is_dir() or yes or not typer.confirm(f"{output} is there already. Replace it?", err=True):
        raise OutputError(f"{output} is there already", hint="Name another --output, or give --overwrite.")


def _print_columns(console: Console, found: DataProfile, guess: Guess | None) -> None:
    table = Table(title=plain(f"Columns of {found.path}"), title_justify="left", box=None)
    for heading in ("column", "type", "values", "for example", "taken as"):
        table.add_column(heading, justify="right" if heading == "values" else "left")
    for column in found.columns:
        table.add_row(
            plain(column.name),
            column.type,
            f"{column.distinct:,}",
            plain(", ".join(column.examples)),
            _role(column.name, found, guess),
        )
    console.print(table)


def _role(name: str, found: DataProfile, guess: Guess | None) -> str:
    if guess is None:
        return ""
    if name == guess.timestamp:
        return "timestamp" + (f" ({guess.timestamp_unit})" if guess.timestamp_unit else "")
    if name == _weighed_by(found, guess):
        return "weight" if guess.weight else f"filter: {guess.where}"
    return {guess.user: "user", guess.item: "item"}.get(name, "")
