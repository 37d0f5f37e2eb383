"""The command that shows the documentation."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.cli.completion import complete_page
from pipeline.docs import page, pages, title


def docs(
    name: Annotated[
        str | None,
        typer.Argument(metavar="PAGE", help="Its name; without it, all are listed.", autocompletion=complete_page),
    ] = None,
) -> None:
    """Show a page of the documentation, or list the pages."""
    console = Console()
    if name is not None:
        from rich.markdown import Markdown  # takes longer than the other commands' modules together

        console.print(Markdown(page(name)))
        return
    listed = Table("page", "about", box=None)
    for known, text in pages().items():
        listed.add_row(known, title(text))
    console.print(listed)
