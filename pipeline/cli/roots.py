"""Commands for who operates a root: what it holds, an earlier run published again, old runs deleted."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipeline.cli.options import AsJson, ConfigPath, Overrides
from pipeline.cli.terminal import print_json
from pipeline.config import load_config
from pipeline.operations.clean import Cleaning, plan_cleaning
from pipeline.operations.clean import clean as delete
from pipeline.operations.rollback import roll_back
from pipeline.operations.status import RootStatus, RunStatus, root_status
from pipeline.store import RunRecord, Store

_UNITS = (("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
#: Outputs that are listed by name before a cleaning; the others are a line.
_LISTED = 20


def status(config: ConfigPath, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Print the runs that are kept, which is published, their sizes and ages, and who holds the root."""
    found = root_status(_root(config, overrides))
    if as_json:
        print_json(asdict(found))
    else:
        _print_status(Console(), found)


def rollback(
    config: ConfigPath,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="RUN", help="A run or date that status lists; by default the run before."),
    ] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Publish an earlier run again, and withdraw those after it.

    A withdrawn run is published again by another rollback only, not by running the pipeline again as it was run.
    A run of other settings or inputs, or of a later date, is published as ever.
    """
    done = roll_back(Store(_root(config, overrides)), to)
    if as_json:
        print_json(
            {
                "before": _run_json(done.before),
                "published": _run_json(done.after),
                "withdrawn": [_run_json(record) for record in done.withdrawn],
            }
        )
        return
    was = "stays" if done.before == done.after else "is"
    print(f"The run {done.after} {was} published; before, it was {done.before}.")
    for record in done.withdrawn:
        print(f"withdrawn: {record}")


def clean(
    config: ConfigPath,
    keep: Annotated[int, typer.Option(min=1, help="Runs to keep, the latest; the published one stays besides.")] = 3,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Delete old runs, and what no run refers to: lists all of it first, then asks.

    With --json and without --yes, nothing is asked and nothing deleted.
    """
    store = Store(_root(config, overrides))
    chosen = plan_cleaning(store, keep)
    if as_json:
        cleaned = delete(store, keep, chosen) if yes else chosen
        print_json(_cleaning_json(cleaned, deleted=yes))
        return
    _print_cleaning(Console(), chosen)
    if not chosen.runs and not chosen.outputs:
        return
    if yes or typer.confirm("Delete it?", err=True):
        cleaned = delete(store, keep, chosen)
        print(f"Deleted {len(cleaned.runs)} runs, {_size(cleaned.nbytes)}.")
    else:
        print("Nothing was deleted.")


def _root(config: str, overrides: list[str] | None) -> Path:
    return Path(load_config(config, overrides or ()).run.root)


def _print_status(console: Console, found: RootStatus) -> None:
    if found.published is None:
        console.print(f"Nothing is published in {found.root}.", markup=False, highlight=False, soft_wrap=True)
    else:
        table = Table(title=f"Runs in {found.root}", title_justify="left", box=None)
        for column in ("date", "run", "state", "age", "size", "its own", "gates", "tables"):
            table.add_column(column, justify="right" if column in ("age", "size", "its own", "tables") else "left")
        for run in found.runs:
            table.add_row(
                run.date,
                run.run[:8],
                _state(run),
                _age(run.age_seconds),
                _size(run.bytes),
                _size(run.own_bytes),
                f"{len(run.gates)} passed",
                str(len(run.tables)),
            )
        console.print(table)
    rest = f", {_size(found.unreferred_bytes)} of it of no published run" if found.unreferred_bytes else ""
    console.print(f"{_size(found.bytes)} in all{rest}.", highlight=False)
    holder = "Nobody holds the root." if found.holder is None else f"Held by {found.holder}."
    console.print(holder, markup=False, highlight=False, soft_wrap=True)


def _state(run: RunStatus) -> str:
    state = "published" if run.published else "withdrawn" if run.withdrawn else ""
    return f"{state} incomplete".strip() if run.missing else state


def _print_cleaning(console: Console, cleaning: Cleaning) -> None:
    if not cleaning.runs and not cleaning.outputs:
        console.print("Nothing to delete.")
        return
    table = Table(title="To be deleted", title_justify="left", box=None)
    table.add_column("what")
    table.add_column("size", justify="right")
    for record in cleaning.runs:
        table.add_row(f"run {record}", "")
    listed = list(cleaning.outputs.items())
    for output, nbytes in listed[:_LISTED]:
        table.add_row(output, _size(nbytes))
    if len(listed) > _LISTED:
        rest = listed[_LISTED:]
        table.add_row(f"{len(rest)} others", _size(sum(nbytes for _, nbytes in rest)))
    console.print(table)
    stays = f"{len(cleaning.kept)} run" + ("s" if len(cleaning.kept) != 1 else "")
    console.print(f"{_size(cleaning.nbytes)} in all; {stays} would stay.", highlight=False)


def _cleaning_json(cleaning: Cleaning, *, deleted: bool) -> dict[str, Any]:
    return {
        "deleted": deleted,
        "kept": [_run_json(record) for record in cleaning.kept],
        "runs": [_run_json(record) for record in cleaning.runs],
        "outputs": [{"path": output, "bytes": nbytes} for output, nbytes in cleaning.outputs.items()],
        "bytes": cleaning.nbytes,
    }


def _run_json(record: RunRecord) -> dict[str, Any]:
    return {"run": record.run, "date": record.date.isoformat()}


def _age(seconds: float) -> str:
    unit, length = next((each for each in _UNITS if seconds >= 2 * each[1]), _UNITS[-1])
    return f"{int(seconds // length)} {unit}"


def _size(nbytes: int) -> str:
    """Bytes as people read them, in powers of 1,024."""
    size, unit = float(nbytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1_000:
            break
        size, unit = size / 1_024, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
