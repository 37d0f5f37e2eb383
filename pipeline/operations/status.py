"""What a root holds: its runs, which is published, and who works on it."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import StoreError
from pipeline.lock import Holder, RootLock
from pipeline.operations.holdings import Holdings, missing_paths
from pipeline.store import Store, read_json

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.store import RunRecord


@dataclass(frozen=True)
class RunStatus:
    """One run.

    Attributes
    ----------
    run, date
        Its fingerprint, and its date as ISO 8601.
    published
        Whether ``current.json`` names it.
    withdrawn
        Whether a rollback took it back.
    published_at, age_seconds
        When it was last made the published run, as ISO 8601 in UTC, and how long ago.
    bytes, own_bytes
        What it takes on disk, and what of that no other run shares.
    gates
        The sanity gates with their limits and values, all passed.
    missing
        Files of it that are gone; empty for a run that can be published.
    """

    run: str
    date: str
    published: bool
    withdrawn: bool
    published_at: str
    age_seconds: float
    bytes: int
    own_bytes: int
    tables: list[str]
    gates: list[dict[str, Any]]
    missing: list[str]


@dataclass(frozen=True)
class RootStatus:
    """A root.

    Attributes
    ----------
    root
        Its path.
    published
        Fingerprint of the published run; None before the first.
    holder
        Who works on it now, None for nobody.
    bytes
        What the outputs of all steps take on disk.
    unreferred_bytes
        What of that no published run refers to: of runs that did not finish, or did not pass their gates.
    runs
        The runs, the latest first.
    """

    root: str
    published: str | None
    holder: Holder | None
    bytes: int
    unreferred_bytes: int
    runs: list[RunStatus]


def root_status(root: Path) -> RootStatus:
    """Look at a root, and change nothing."""
    store = Store(root)
    current = store.current()
    published = None if current is None else str(current["run"])
    holdings = Holdings(store)
    outputs = {record: holdings.outputs_of(record) for record in holdings.records}
    times_referred: dict[str, int] = {}
    for of_run in outputs.values():
        for output in of_run:
            times_referred[output] = times_referred.get(output, 0) + 1

    def status_of(record: RunRecord) -> RunStatus:
        content = holdings.content(record)
        seconds = record.published_ns / 1e9
        return RunStatus(
            run=record.run,
            date=record.date.isoformat(),
            published=record.run == published,
            withdrawn=record.withdrawn,
            published_at=datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds"),
            age_seconds=round(max(time.time() - seconds, 0.0), 1),
            bytes=holdings.size(outputs[record]),
            own_bytes=holdings.size(output for output in outputs[record] if times_referred[output] == 1),
            tables=sorted(content["tables"]),
            gates=_gates(store, content),
            missing=missing_paths(store, content),
        )

    return RootStatus(
        root=str(root),
        published=published,
        holder=RootLock(root).holder(),
        bytes=holdings.size(holdings.outputs),
        unreferred_bytes=holdings.size(output for output in holdings.outputs if output not in times_referred),
        runs=[status_of(record) for record in reversed(holdings.records)],
    )


def _gates(store: Store, content: dict[str, Any]) -> list[dict[str, Any]]:
    path = store.path(content["checks"])
    if not path.exists():
        return []
    gates = read_json(path).get("gates")
    if not isinstance(gates, list):
        raise StoreError(f"{path}: expected a list of gates", hint="It was altered after it was published.")
    return gates
