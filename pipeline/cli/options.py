"""Arguments and options that several commands take."""

from __future__ import annotations

import datetime
from typing import Annotated

import typer

from pipeline.cli.completion import complete_entity, complete_table

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
    typer.Option(
        "--from",
        metavar="ENTITY",
        help="Entity type of the history: the items, or an attribute of theirs.",
        autocompletion=complete_entity,
    ),
]
Count = Annotated[int, typer.Option("-k", min=1, help="How many, at most.")]
EntityType = Annotated[
    str,
    typer.Argument(help="An entity type, such as artist.", show_default=False, autocompletion=complete_entity),
]
TableName = Annotated[str, typer.Argument(help="Name of a table.", show_default=False, autocompletion=complete_table)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
