"""The hold-out for evaluation: the last events of all, or some items of each user."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from pipeline.data.matrices import binary_pairs, canonical, open_csr, row_numbers, save_csr, sum_pairs
from pipeline.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.config import EvaluationSettings
    from pipeline.data.encode import Encoded, EncodedEvents

#: Raised whenever what :func:`split` writes changes.
SCHEMA_VERSION = 1


def split(
    encoded: Encoded, settings: EvaluationSettings, *, by_time: bool, seed: int, fold: int = 0, folder: Path
) -> None:
    """Write the training part and the hold-out into an empty folder; :class:`Split` opens them.

    Parameters
    ----------
    encoded
        What is split.
    settings
        Its ``test_fraction``: the share of the events (by time) or of each user's items (by user) that is held out.
    by_time
        Hold out the last events of all, rather than random items of each user.
    seed
        Of the random choice.
    fold
        Which of several hold-outs, from 0. By time they follow each other backwards, and what is held out in one is no
        part of the next; by user they are independent choices.
    folder
        Where to write.

    Raises
    ------
    DataError
        If the training part or the hold-out would be empty, or there are no timestamps to split by.
    """
    if by_time:
        events = events_with_times(encoded)
        train, test, stats = split_by_time(events, encoded.user_items.shape, settings.test_fraction, fold)
    else:
        train, test, stats = split_by_user(encoded.user_items, settings.test_fraction, seed, fold)
    save_split(folder, train, test, stats)


def save_split(folder: Path, train: csr_matrix, test: csr_matrix, stats: dict[str, Any]) -> None:
    """Write the two parts and what is counted of them; :class:`Split` opens them."""
    save_csr(folder / "train", train)
    save_test(folder, test, stats | {"train_pairs": int(train.nnz)})


def save_test(folder: Path, test: csr_matrix, stats: dict[str, Any]) -> None:
    """Write a hold-out whose training part is somewhere else, and what is counted of it."""
    save_csr(folder / "test", test)
    counts = {"test_pairs": int(test.nnz), "test_users": int(np.count_nonzero(np.diff(test.indptr)))}
    document = {"schema_version": SCHEMA_VERSION, "stats": stats | counts}
    (folder / "split.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def events_with_times(encoded: Encoded) -> EncodedEvents:
    """The events, which must have times."""
    events = encoded.events
    if events is None:
        raise DataError("a split by time needs timestamps, and the interactions have none")
    return events


def time_cutoff(timestamps: NDArray[np.int64], test_fraction: float) -> int:
    """The time at which the last events begin, of which there are a share of all."""
    n_events = len(timestamps)
    place = min(n_events - 1, n_events - math.floor(test_fraction * n_events))
    return int(np.partition(timestamps, place)[place])


def split_by_time(
    events: EncodedEvents, shape: tuple[int, int], test_fraction: float, fold: int = 0
) -> tuple[csr_matrix, csr_matrix, dict[str, Any]]:
    """Training part, hold-out and counts: the last events are held out, or in a later fold as many before them.

    Events after a fold's hold-out are in neither part.
    """
    n_events = len(events.timestamps)
    share = (fold + 1) * test_fraction
    cutoff = time_cutoff(events.timestamps, share)
    before = events.timestamps < cutoff
    if not before.any():
        raise DataError(
            f"expected events before the hold-out, but the last {share:.0%} of {n_events:,} events begin with "
            "the first of all",
            hint='Set evaluation.split = "user", or another test_fraction.',
        )
    train = sum_pairs(events.user_rows[before], events.item_rows[before], events.weights[before], shape)
    after = ~before
    until = time_cutoff(events.timestamps, fold * test_fraction) if fold else None
    if until is not None:
        after &= events.timestamps < until
    later = binary_pairs(events.user_rows[after], events.item_rows[after], shape)
    test = without(later, train)
    if not test.nnz:
        raise DataError(
            f"the hold-out is empty: none of the {np.count_nonzero(after):,} last events is of a new user and item",
            hint='Set evaluation.split = "user", or another test_fraction.',
        )
    stats: dict[str, Any] = {
        "split": "time",
        "cutoff": cutoff,
        "train_events": int(np.count_nonzero(before)),
        "test_events": int(np.count_nonzero(after)),
    }
    return train, test, stats if until is None else stats | {"fold": fold, "until": until}


def split_by_user(
    user_items: csr_matrix, test_fraction: float, seed: int, fold: int = 0
) -> tuple[csr_matrix, csr_matrix, dict[str, Any]]:
    """Training part, hold-out and counts: of each user, the items with the lowest of random keys are held out.

    The keys are drawn user by user and item by item.
    """
    rng = np.random.default_rng([seed, fold] if fold else seed)
    held_out = _lowest_of_each_row(user_items, rng.random(user_items.nnz), test_fraction)
    if not held_out.any():
        raise DataError(
            f"the hold-out is empty: no user has {math.ceil(1 / test_fraction):,} items, of which "
            f"test_fraction = {test_fraction:g} would be one",
            hint="Set evaluation.test_fraction higher.",
        )
    test = _where(user_items, held_out)
    test.data[:] = 1
    stats = {"split": "user", "seed": seed}
    return _where(user_items, ~held_out), test, stats | {"fold": fold} if fold else stats


def _lowest_of_each_row(matrix: csr_matrix, keys: NDArray[np.float64], fraction: float) -> NDArray[np.bool_]:
    """Mask over the stored values: in each row the share with the lowest keys, rounded down."""
    rows = row_numbers(matrix)
    order = np.lexsort((keys, rows))
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
    # A share such as 0.29 of 100 is a hair below 29 in binary.
    counts = np.floor(fraction * np.diff(matrix.indptr) + 1e-9)
    mask = np.zeros(matrix.nnz, bool)
    mask[order] = place < counts[rows]
    return mask


def _where(matrix: csr_matrix, mask: NDArray[np.bool_]) -> csr_matrix:
    """A matrix of the stored values where a mask is true."""
    indptr = np.concatenate([[0], np.cumsum(mask)])[matrix.indptr].astype(matrix.indptr.dtype)
    return canonical(csr_matrix((matrix.data[mask], matrix.indices[mask], indptr), shape=matrix.shape))


def without(matrix: csr_matrix, other: csr_matrix) -> csr_matrix:
    """A matrix of the stored values at which another stores none."""
    n_columns = np.int64(matrix.shape[1])
    places, others = (row_numbers(each) * n_columns + each.indices for each in (matrix, other))
    return _where(matrix, ~np.isin(places, others, assume_unique=True))


def stored_at(matrix: csr_matrix, rows: NDArray[np.int32], columns: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether a matrix stores a value at each of some places; its indices are sorted."""
    n_columns = np.int64(matrix.shape[1])
    stored = row_numbers(matrix) * n_columns + matrix.indices
    return np.isin(rows * n_columns + columns, stored)


@dataclass(frozen=True)
class Split:
    """What :func:`split` wrote into a folder; arrays are mapped. Pickles as its paths.

    Attributes
    ----------
    folder
        Where the hold-out is.
    train_folder
        Folder of the training part's matrix.
    """

    folder: Path
    train_folder: Path

    @classmethod
    def open(cls, folder: Path, *, train_folder: Path | None = None) -> Split:
        """Open a folder, with a training part that may be somewhere else.

        Raises
        ------
        FileNotFoundError
            If there is no split in it.
        """
        if not (folder / "split.json").is_file():
            raise FileNotFoundError(f"{folder}: expected a split for evaluation, found none")
        return cls(folder, train_folder or folder / "train")

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.folder, self.train_folder))

    @cached_property
    def train(self) -> csr_matrix:
        """Summed weights of the training part, CSR, float32, shape ``(n_users, n_items)``."""
        return open_csr(self.train_folder)

    @cached_property
    def test(self) -> csr_matrix:
        """The held-out pairs, none of them in ``train``, CSR, binary float32, shape ``(n_users, n_items)``."""
        return open_csr(self.folder / "test")

    def trained(self, events: EncodedEvents) -> NDArray[np.bool_]:
        """Which of the events that were split are in the training part; bool, shape ``(n_events,)``."""
        if "cutoff" in self.stats:
            return events.timestamps < np.int64(self.stats["cutoff"])
        return stored_at(self.train, events.user_rows, events.item_rows)

    def recent(self, events: EncodedEvents, share: float) -> csr_matrix:
        """The pairs of the last events of the training part: what was popular most recently.

        Parameters
        ----------
        events
            The events that were split.
        share
            Of the training part's events, as many as are recent; more where several have the time of the first of
            them.

        Returns
        -------
        CSR, binary float32, shape ``(n_users, n_items)``.
        """
        trained = self.trained(events)
        times = events.timestamps[trained]
        place = max(0, len(times) - max(1, math.floor(share * len(times))))
        recent = np.flatnonzero(trained)[times >= np.partition(times, place)[place]]
        return binary_pairs(events.user_rows[recent], events.item_rows[recent], self.train.shape)

    @cached_property
    def stats(self) -> dict[str, Any]:
        """How it was split, and counts."""
        stats: dict[str, Any] = json.loads((self.folder / "split.json").read_text(encoding="utf-8"))["stats"]
        return stats
