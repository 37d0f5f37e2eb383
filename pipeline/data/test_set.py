"""A test set in files of its own, as a matrix over the users and items of the interactions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.config import USER, InteractionsSettings
from pipeline.data.ids import ids_like
from pipeline.data.interactions import read_interactions
from pipeline.data.matrices import binary_pairs
from pipeline.data.sources import open_source
from pipeline.data.split import save_test, without
from pipeline.errors import DataError

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.data.encode import Encoded
    from pipeline.data.source import Source
    from pipeline.data.vocabulary import Vocabulary


def held_out_settings(interactions: InteractionsSettings, path: str) -> InteractionsSettings:
    """How the files of a test set are read: as the interactions, but for weights and times, which play no part."""
    unused = dict.fromkeys(("weight", "timestamp", "timestamp_unit", "window_days"))
    return interactions.model_copy(update={"path": path, **unused})


def encode_test_set(encoded: Encoded, settings: InteractionsSettings, *, date: datetime.date, folder: Path) -> None:
    """Write the pairs of a test set that are not in the interactions; :class:`~pipeline.data.split.Split` opens them.

    Pairs of a user or an item that the interactions do not have are left out and counted: no model can rank them.

    Parameters
    ----------
    encoded
        The interactions, which are all for training.
    settings
        Where the test set is, see :func:`held_out_settings`.
    date
        Date of the run, for ``{date}`` in the path.
    folder
        An empty folder to write into.

    Raises
    ------
    MissingInputError
        If a file or a column is missing.
    DataError
        If the test set cannot be read, shares no user or no item with the interactions, or has no pair that is new.
    """
    source = open_source(settings, date=date)
    users = _Side(encoded.vocabulary(USER), source, settings.user)
    items = _Side(encoded.vocabulary(encoded.item_entity), source, settings.item)
    for events in read_interactions(source, settings, date=date):
        users.add(events.users)
        items.add(events.items)
    user_rows, item_rows = users.rows(), items.rows()
    known = (user_rows >= 0) & (item_rows >= 0)
    if not known.any():
        raise DataError(f"{source.path}: none of its {len(known):,} pairs is of a user and an item of the interactions")
    pairs = binary_pairs(user_rows[known], item_rows[known], encoded.user_items.shape)
    test = without(pairs, encoded.user_items)
    if not test.nnz:
        raise DataError(
            f"{source.path}: the test set is empty: all {pairs.nnz:,} pairs of known users and items are in the "
            "interactions",
            hint="Leave them out of the interactions: what was trained on cannot be tested on.",
        )
    stats: dict[str, Any] = {
        "split": "test set",
        "train_pairs": int(encoded.user_items.nnz),
        "test_rows": len(known),
        "test_pairs_in_train": int(pairs.nnz - test.nnz),
        "test_rows_of_unknown": int(np.count_nonzero(~known)),
        "unknown_users": len(users.unknown),
        "unknown_items": len(items.unknown),
    }
    save_test(folder, test, stats)


@dataclass
class _Side:
    """The ids of one column, matched with a vocabulary batch by batch."""

    vocabulary: Vocabulary
    source: Source
    column: str
    unknown: set[object] = field(default_factory=set)
    _rows: list[NDArray[np.int32]] = field(default_factory=list)
    _n_known: int = 0

    def add(self, ids: pa.Array) -> None:
        """Match a batch."""
        label = f"{self.source.path}: column {self.column!r}"
        rows = self.vocabulary.rows(ids_like(ids, self.vocabulary.ids.type, text=self.source.text, column=label))
        self.unknown.update(ids.filter(pa.array(rows < 0)).unique().to_pylist())
        self._n_known += int(np.count_nonzero(rows >= 0))
        self._rows.append(rows)

    def rows(self) -> NDArray[np.int32]:
        """Rows of all ids, -1 for unknown ones."""
        if not self._n_known:
            raise DataError(
                f"{self.source.path}: expected ids in column {self.column!r} that the interactions have, got "
                f"{len(self.unknown):,} others",
                hint="Check evaluation.test, and that its ids are those of the interactions.",
            )
        return np.concatenate(self._rows)
