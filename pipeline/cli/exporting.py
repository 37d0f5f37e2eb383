"""The command that writes a published table in another format."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import AsJson, ConfigPath, Overrides, TableName
from pipeline.cli.terminal import print_json
from pipeline.config import load_config
from pipeline.errors import ConfigError
from pipeline.export.export import ExportFormat, RedisOptions, default_output, export_to_file, export_to_stream
from pipeline.export.lines import RedisType
from pipeline.export.source import PublishedTable
from pipeline.lookup import open_run
from pipeline.reporting import CommandReporter

#: As an ``--output``: standard output.
_STDOUT = Path("-")


def export(
    config: ConfigPath,
    table: TableName,
    to: Annotated[ExportFormat, typer.Option("--to", help="The format.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="The file, or - for standard output; by default TABLE.FORMAT."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    key_prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Begins every key in Redis; TABLE: by default.")
    ] = None,
    redis_type: Annotated[
        RedisType, typer.Option(help="In Redis, a sorted set, which keeps scores, or a list, which keeps ranks.")
    ] = RedisType.ZSET,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Write a table of the published run for loaders that do not read Parquet.

    A file appears under its name when it is complete; the same command goes on where a killed one stopped.
    CSV, JSON Lines and Redis commands are compressed where the name ends in .gz, and can go to standard output.
    """
    if output == _STDOUT and as_json:
        raise ConfigError("--json and --output - both write to standard output", hint="Give one of the two.")
    published = PublishedTable(open_run(load_config(config, overrides or ()).run.root), table)
    redis = RedisOptions(key_prefix, redis_type)
    with CommandReporter(f"export {table}") as report:
        if output == _STDOUT:
            # A descriptor of its own: closing it shows a reader that has gone, before Python flushes at its end.
            with os.fdopen(os.dup(1), "wb") as stream:
                export_to_stream(published, to, stream, redis=redis, progress=report)
            return
        done = export_to_file(
            published, to, output or default_output(table, to), overwrite=overwrite, redis=redis, progress=report
        )
    if as_json:
        print_json(asdict(done))
    else:
        resumed = f", {done.resumed_rows:,} of them before this call" if done.resumed_rows else ""
        print(f"{done.output}: {done.rows:,} rows of {table}{resumed}, {done.bytes:,} bytes")
