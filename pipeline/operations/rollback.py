"""Publishing an earlier run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import StoreError, UnknownNameError
from pipeline.lock import RootLock
from pipeline.operations.holdings import missing_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.store import RunRecord, Store


@dataclass(frozen=True)
class Rollback:
    """What a rollback did.

    Attributes
    ----------
    before, after
        The run that was published, and the one that is now; the same where nothing was to be done.
    withdrawn
        The runs after it, which only another rollback publishes again.
    """

    before: RunRecord
    after: RunRecord
    withdrawn: list[RunRecord]


def roll_back(store: Store, to: str | None = None) -> Rollback:
    """Publish a run again, and withdraw those after it.

    ``current.json`` moves in one step. A withdrawn run stays where it is, and running the pipeline again with its
    settings and inputs does not publish it; another run of the same date, with other settings or inputs, or of a later
    one, is published as ever.

    Parameters
    ----------
    store
        The root.
    to
        The run: its fingerprint or the beginning of it, or a date, for the last run of it; None for the run before the
        published one that is not withdrawn.

    Raises
    ------
    StoreError
        If nothing is published, nothing was before it, or files of the run are gone.
    UnknownNameError
        If no run, or several, are meant by ``to``.
    LockError
        If another process holds the root.
    """
    if store.current() is None:  # before the lock, which would make the folder
        raise StoreError(f"no published run in {store.root}", hint="Make one: cfpipe run CONFIG.")
    with RootLock(store.root) as is_new:
        if is_new:
            store.sweep()
        store.settle()
        records = store.runs()
        before = _published(store, records)
        after = _meant(records, to) if to is not None else _run_before(records, before)
        missing = missing_paths(store, store.content(after))
        if missing:
            raise StoreError(f"the run {after} is not whole: {missing[0]} is gone", hint="Roll back to another one.")
        withdrawn = [record for record in records if record > after]
        # The other way round, a run killed between the two could be published once more by whoever runs it again.
        for record in withdrawn:
            store.withdraw(record.date, record.run)
        store.republish(after)
    return Rollback(before, after, withdrawn)


def _published(store: Store, records: Sequence[RunRecord]) -> RunRecord:
    current = store.current()
    assert current is not None  # noqa: S101 - was there before the lock, and nothing removes it
    return next(record for record in records if record.run == current["run"])


def _run_before(records: Sequence[RunRecord], published: RunRecord) -> RunRecord:
    earlier = [record for record in records if record < published and not record.withdrawn]
    if not earlier:
        raise StoreError(
            f"nothing to roll back to: no run before {published} is kept",
            hint="cfpipe status CONFIG lists the runs; --to RUN publishes any of them.",
        )
    return earlier[-1]


def _meant(records: Sequence[RunRecord], to: str) -> RunRecord:
    of_date = [record for record in records if record.date.isoformat() == to]
    if of_date:
        return of_date[-1]
    found = [record for record in records if to and record.run.startswith(to)]
    if len(found) != 1:
        shown = ", ".join(map(str, found or records))
        raise UnknownNameError(
            f"no run is {to!r}: the runs are {shown}" if not found else f"{to!r} is the beginning of several: {shown}",
            hint="Give the fingerprint of one, or the beginning of it, or a date.",
        )
    return found[0]
