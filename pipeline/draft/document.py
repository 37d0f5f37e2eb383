"""The text of a first configuration, with a comment where somebody may want something else."""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from pipeline.config import USER
from pipeline.data.sample import SCHEME
from pipeline.data.where import column_in_filter

if TYPE_CHECKING:
    from pipeline.draft.guess import Guess, HoldOut
    from pipeline.draft.profile import DataProfile

_ENTITY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def item_entity(column: str) -> str:
    """A name for the items by that of their column: ``movie`` for ``movieId``."""
    name = re.sub(r"(?<=.)[ _-]?(id|ID|Id)$", "", column).strip("_- ").lower()
    return name if _ENTITY.fullmatch(name) and name not in (USER, "column") else "item"


def draft(data: DataProfile, guess: Guess, hold_out: HoldOut) -> str:
    """Write the configuration of interactions whose columns are known.

    Parameters
    ----------
    data
        The interactions.
    guess
        What their columns mean.
    hold_out
        How the hold-out is taken.
    """
    item = item_entity(guess.item)
    items = _plural(item)
    name = _name(data.path)
    sections = [
        _section(
            "run", [f"name = {_text(name)}", f"root = {_text(f'runs/{name}')} # everything a run writes is below"]
        ),
        _section("interactions", _interactions(data, guess)),
        _section(
            f"entities.{item}",
            [
                f"column = {_text(guess.item)}",
                "# Names make look-ups by name possible, and the report readable:",
                '# names = { path = "names.csv", id = "id", name = "title" }',
            ],
        ),
        "\n".join(
            [
                "# An attribute of the items, such as the artist of a track, can have tables too:",
                "# [entities.genre]",
                f"# of = {_text(item)}",
                '# map = { path = "attributes.csv", id = "id", value = "genre" }',
            ]
        ),
        *_evaluation(hold_out),
        "# Each table is a folder of Parquet files: the k best for each entity, by exact search.",
        _table(f"similar_{items}", item, item, ["k = 50"]),
        _table(f"{items}_for_users", USER, item, ["k = 100", "exclude_seen = true # what a user knows is left out"]),
    ]
    header = (
        "# Written by cfpipe init. cfpipe docs configuration describes every setting; what is not here has a default."
    )
    return "\n\n".join([header, *sections]).replace("search.\n\n[[", "search.\n[[") + "\n"


def _interactions(data: DataProfile, guess: Guess) -> list[str]:
    lines = [f"path = {_text(data.path)} # a file, a folder or a glob"]
    if data.format is not None:
        lines.append(f"format = {_text(data.format)}")
    lines += [f"user = {_text(guess.user)}", f"item = {_text(guess.item)}"]
    if guess.weight is not None:
        lines.append(f"weight = {_text(guess.weight)} # repeated pairs are summed")
    else:
        lines.append('# weight = "COLUMN" # how often, or how much; without it every row counts the same')
    if guess.timestamp is not None:
        lines.append(f"timestamp = {_text(guess.timestamp)}")
        if guess.timestamp_unit is not None:
            lines.append(f"timestamp_unit = {_text(guess.timestamp_unit)}")
        lines.append("# window_days = 90 # only the last days before the date of the run")
    filters = [*([] if guess.where is None else [guess.where]), *_without_nulls(data, guess)]
    if filters:
        liked = guess.where is not None and guess.weight is None
        comment = " # what people liked; ratings are no weights" if liked else ""
        lines.append(f"where = {_text(' and '.join(filters))}{comment}")
    lines.append("# min_users_per_item = 2 # leave out what a single user knows")
    return lines


def _without_nulls(data: DataProfile, guess: Guess) -> list[str]:
    """Filters of the rows that lack what every event has, if there are some."""
    needed = (guess.user, guess.item, guess.timestamp)
    return [
        f"{column_in_filter(column.name)} is not null"
        for column in data.columns
        if column.name in needed and column.nulls
    ]


def _evaluation(hold_out: HoldOut) -> list[str]:
    lines = []
    if hold_out.by_user:
        lines.append('split = "user" # most users are wholly before or after any cut in time')
    if hold_out.test_fraction is not None:
        lines.append(f"test_fraction = {hold_out.test_fraction:g} # the users have few items each")
    return [_section("evaluation", lines)] if lines else []


def _table(name: str, source: str, target: str, lines: list[str]) -> str:
    return _section("[tables]", [f"name = {_text(name)}", f"from = {_text(source)}", f"to = {_text(target)}", *lines])


def _section(name: str, lines: list[str]) -> str:
    return "\n".join([f"[{name}]", *lines])


def _plural(name: str) -> str:
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return name if name.endswith("s") else f"{name}s"


def _name(path: str) -> str:
    """A name for the run by that of the data: of a file, its folder's where it says no more than ``*``."""
    place = PurePath(path.removeprefix(SCHEME))
    stems = [re.sub(r"[^A-Za-z0-9_-]+", "", part.split(".")[0]) for part in reversed(place.parts) if "=" not in part]
    return next((stem for stem in stems if stem), "cfpipe")


def _text(value: str) -> str:
    """A TOML string: what JSON writes is one, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
