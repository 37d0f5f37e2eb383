"""Deleting old runs, and what no run refers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.lock import RootLock
from pipeline.operations.holdings import Holdings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.store import RunRecord, Store


@dataclass(frozen=True)
class Cleaning:
    """What is to be deleted.

    Attributes
    ----------
    kept, runs
        The runs that stay, and those that go, oldest first.
    outputs
        The outputs of steps that go, with their bytes, largest first.
    """

    kept: list[RunRecord]
    runs: list[RunRecord]
    outputs: dict[str, int]

    @property
    def nbytes(self) -> int:
        """Bytes of all that goes."""
        return sum(self.outputs.values())


def plan_cleaning(store: Store, keep: int) -> Cleaning:
    """Choose what may go.

    The ``keep`` latest runs that are not withdrawn stay, and the published one, and what a rollback has withdrawn after
    it. Of the outputs of steps, what one of these runs refers to stays; so does, of what no run refers to, what is
    younger than the published run: a run that is not finished goes on from there.

    Parameters
    ----------
    store
        The root.
    keep
        Runs to keep, at least 1.
    """
    holdings = Holdings(store)
    current = store.current()
    published = next((record for record in holdings.records if current and record.run == current["run"]), None)
    if published is None:
        return Cleaning(holdings.records, [], {})
    kept = _kept(holdings.records, published, keep)
    runs = [record for record in holdings.records if record not in kept]
    reachable = {output for record in kept for output in holdings.outputs_of(record)}
    going = {output for record in runs for output in holdings.outputs_of(record)}
    if all(holdings.is_recorded(record) for record in kept):
        referred = reachable | going
        going |= {
            output
            for output in holdings.outputs
            if output not in referred and holdings.modified_ns(output) < published.published_ns
        }
    sizes = {output: holdings.size([output]) for output in going - reachable}
    return Cleaning(kept, runs, dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))))


def clean(store: Store, keep: int, chosen: Cleaning) -> Cleaning:
    """Delete what was chosen, so far as it may still go.

    Killed anywhere, this leaves whole runs: a run is forgotten before anything of it goes, and an output is renamed
    before its files go. The next cleaning, or run, takes the rest.

    Parameters
    ----------
    store
        The root.
    keep
        As in :func:`plan_cleaning`.
    chosen
        What somebody has seen and agreed to; what has come to be deletable since then stays.

    Returns
    -------
    What was deleted.

    Raises
    ------
    LockError
        If another process holds the root.
    """
    with RootLock(store.root) as is_new:
        if is_new:
            store.sweep()
        store.settle()
        now = plan_cleaning(store, keep)
        runs = [record for record in now.runs if record in chosen.runs]
        outputs = {output: nbytes for output, nbytes in now.outputs.items() if output in chosen.outputs}
        for record in runs:
            store.forget(record)
        for output in outputs:
            store.delete(store.path(output))
    return Cleaning(now.kept, runs, outputs)


def _kept(records: Sequence[RunRecord], published: RunRecord, keep: int) -> list[RunRecord]:
    latest = [record for record in records if not record.withdrawn][-keep:]
    return [record for record in records if record in latest or record == published or record > published]
