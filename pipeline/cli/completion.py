"""What the shell offers for an argument: the names that the configuration declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pipeline.config import load_config
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.config import Config


def complete_table(context: typer.Context, incomplete: str) -> list[str]:
    """Names of tables."""
    config = _config(context)
    return [] if config is None else [table.name for table in config.tables if table.name.startswith(incomplete)]


def complete_entity(context: typer.Context, incomplete: str) -> list[str]:
    """Entity types."""
    config = _config(context)
    return [] if config is None else [name for name in sorted(config.entities) if name.startswith(incomplete)]


def complete_page(incomplete: str) -> list[str]:
    """Pages of the documentation."""
    from pipeline.docs import pages

    return [name for name in pages() if name.startswith(incomplete)]


def _config(context: typer.Context) -> Config | None:
    """The configuration that the command names; None where it cannot be read, which is not the time to say why."""
    path = context.params.get("config")
    try:
        return load_config(path) if path else None
    except PipelineError:
        return None
