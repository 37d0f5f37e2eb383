"""The command ``cfpipe``: a module for each group of commands, and here the commands in the order help lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.cli import comparing, documentation, drafting, exporting, lookups, roots, runs, serving, tuning
from pipeline.cli.terminal import app, main

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["app", "main"]

_COMMANDS: Final[tuple[Callable[..., Any], ...]] = (
    drafting.init,
    runs.run,
    runs.plan,
    lookups.similar,
    lookups.recommend,
    lookups.explain,
    serving.serve,
    tuning.tune,
    comparing.compare,
    exporting.export,
    roots.status,
    roots.rollback,
    roots.clean,
    documentation.docs,
)

for command in _COMMANDS:
    app.command()(command)
