"""Items by id, with holes between the ids: while they are added, and once they are in an index."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from annlib.index import Index

_SMALLEST_CAPACITY = 16
_BLOCK_BYTES = 16 << 20


class Items(Protocol):
    """Where items' vectors are read from, wherever they lie."""

    @property
    def n_items(self) -> int:
        """The largest id, plus one."""

    @property
    def ids(self) -> NDArray[np.int64] | None:
        """The ids there are, ascending; None where they are 0, 1, 2, ... without a hole."""

    def get(self, item: int) -> NDArray[np.float32]:
        """Return the vector of an item below ``n_items``, float32 ``(dim,)``: zeros where there is a hole."""

    def vectors(self) -> NDArray[np.generic]:
        """Return the vectors in the order of their ids, ``(count, dim)``, without a copy where that can be."""


class ItemBuffer:
    """Items that are still being added.

    Parameters
    ----------
    dim
        Dimensions of the vectors.
    folder
        Keep the vectors in a nameless file in this folder, not in memory.
    """

    def __init__(self, dim: int, folder: str | None = None) -> None:
        self.n_items = 0
        self._dim = dim
        self._scratch = None if folder is None else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (see below)
        if self._scratch is not None:
            weakref.finalize(self, self._scratch.close)
        self._rows = np.empty((0, dim), dtype=np.float32)
        self._count = 0
        #: The row of each id, in the order they came; None while they come as 0, 1, 2, ...
        self._row_of: dict[int, int] | None = None

    @classmethod
    def copy_of(cls, items: Items, dim: int, folder: str | None = None) -> Self:
        """Return a buffer that holds the items of another place."""
        buffer = cls(dim, folder)
        vectors, ids = items.vectors(), items.ids
        buffer._reserve(len(vectors))
        buffer._rows[: len(vectors)] = vectors
        buffer._row_of = None if ids is None else {item: row for row, item in enumerate(ids.tolist())}
        buffer._count = len(vectors)
        buffer.n_items = items.n_items
        return buffer

    def add(self, item: int, vector: NDArray[np.float32]) -> None:
        """Add an item, or replace it."""
        row = self._row(item)
        if row < 0:
            row = self._append(item)
        self._rows[row] = vector

    @property
    def ids(self) -> NDArray[np.int64] | None:
        """As of :class:`Items`."""
        if self._row_of is None:
            return None
        return np.sort(self._arrivals(self._row_of))

    def get(self, item: int) -> NDArray[np.float32]:
        """As of :class:`Items`."""
        row = self._row(item)
        return self._rows[row] if row >= 0 else np.zeros(self._dim, dtype=np.float32)

    def vectors(self) -> NDArray[np.float32]:
        """As of :class:`Items`."""
        order = self._order()
        return self._rows[: self._count] if order is None else self._rows[order]

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Give the vectors in the order of their ids, a few MB at a time; at least one block, which may be empty."""
        order = self._order()
        rows = max(1, _BLOCK_BYTES // (4 * self._dim))
        for start in range(0, max(1, self._count), rows):
            end = min(start + rows, self._count)
            yield self._rows[start:end] if order is None else self._rows[order[start:end]]

    def _row(self, item: int) -> int:
        if self._row_of is None:
            return item if item < self._count else -1
        return self._row_of.get(item, -1)

    def _append(self, item: int) -> int:
        row = self._count
        if self._row_of is None and item != row:
            self._row_of = {earlier: earlier for earlier in range(row)}
        if self._row_of is not None:
            self._row_of[item] = row
        if row == len(self._rows):
            self._reserve(max(_SMALLEST_CAPACITY, row + row // 2))
        self._count += 1
        self.n_items = max(self.n_items, item + 1)
        return row

    def _reserve(self, capacity: int) -> None:
        if capacity <= len(self._rows):
            return
        if self._scratch is None:
            # Not resized in place: another thread may be reading.
            rows = np.empty((capacity, self._dim), dtype=np.float32)
            rows[: self._count] = self._rows[: self._count]
            self._rows = rows
            return
        size = capacity * self._dim * self._rows.itemsize
        # Not a sparse file: a full disk is then an error here, not a crash where a page is first written.
        os.posix_fallocate(self._scratch.fileno(), 0, size)
        self._rows = np.frombuffer(mmap.mmap(self._scratch.fileno(), size), dtype=np.float32).reshape(-1, self._dim)

    def _arrivals(self, row_of: dict[int, int]) -> NDArray[np.int64]:
        return np.fromiter(row_of, dtype=np.int64, count=len(row_of))

    def _order(self) -> NDArray[np.int64] | None:
        """Return the rows by ascending id; None where they came like that."""
        if self._row_of is None:
            return None
        arrivals = self._arrivals(self._row_of)
        return None if (arrivals[1:] > arrivals[:-1]).all() else np.argsort(arrivals)


class IndexItems:
    """Items of an index whose rows are in the order of their ids.

    Parameters
    ----------
    index
        The index.
    ids
        As of :class:`Items`: one for each row.
    """

    def __init__(self, index: Index, ids: NDArray[np.int64] | None) -> None:
        self.ids = ids
        self.n_items = len(index) if ids is None else int(ids[-1]) + 1
        self._vectors = index.vectors

    def get(self, item: int) -> NDArray[np.float32]:
        """As of :class:`Items`."""
        if self.ids is None:
            vector: NDArray[np.float32] = self._vectors[item]
            return vector
        row = int(self.ids.searchsorted(item))
        return self._vectors[row] if self.ids[row] == item else np.zeros(self._vectors.shape[1], dtype=np.float32)

    def vectors(self) -> NDArray[np.float32]:
        """As of :class:`Items`."""
        return self._vectors
