"""The command that serves the look-up page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline import serve as serving
from pipeline.cli.options import ConfigPath, Overrides
from pipeline.config import load_config


def serve(
    config: ConfigPath,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="TCP port to listen on; 0 for any that is free.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 to be reached by others.")] = ("127.0.0.1"),
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Host name to answer to, beside localhost; * for any. Repeatable."),
    ] = None,
    recall: Annotated[
        float, typer.Option(min=0.5, max=1.0, help="Of look-ups: 1 is exact, .99 takes a fraction of the time.")
    ] = 1.0,
    overrides: Overrides = None,
) -> None:
    """Serve a page and a JSON API to look things up in the published run, whichever it is at the moment."""
    serving.check_installed()
    from pipeline.serve.command import serve as serve_root

    root = Path(load_config(config, overrides or ()).run.root)
    serve_root(root, host=host, port=port, hosts=allow_host or (), recall=recall)
