"""Annoy's ``AnnoyIndex``, with exact results.

>>> from annlib.compat.annoy import AnnoyIndex
>>> index = AnnoyIndex(2, "angular")
>>> index.add_item(0, [1, 0])
>>> index.add_item(7, [1, 1])
>>> index.build(10)
True
>>> index.get_nns_by_vector([1, 0.1], 10)
[0, 7]

What differs from Annoy 1.17, which this class otherwise follows in names, defaults, results, distances and errors:

- Every search is exact: ``search_k`` and ``n_trees`` are accepted and, but for :meth:`AnnoyIndex.get_n_trees`, ignored,
  as are the seed and ``verbose``.
- ``save`` and ``on_disk_build`` write an annlib index file: the metric is annlib's of the same order (``cosine`` for
  angular, ``inner_product`` for dot), ``f`` is its dimensions, the item ids are its integer ids where there are holes
  between them and its row numbers where there are none, and its metadata have the number of trees.
- ``load`` reads both these and the files that Annoy wrote. The first search in one that Annoy wrote builds an index in
  memory; ``load`` and ``save`` once make a file that opens in constant time and is shared by processes.
- NaN, infinite values and items added after ``build`` are errors.
- An index can be pickled and copied: by its path once it was saved or loaded, by its items before.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, cast, overload

import numpy as np

from annlib._native import MAX_DIM
from annlib.compat._annoy_arguments import Default, Vector, as_vector, c_int, check_finite, file_name, metric_name
from annlib.compat._annoy_items import IndexItems, ItemBuffer, Items
from annlib.compat._annoy_search import NearestItems, distance, distances
from annlib.compat._annoy_storage import (
    build_index,
    errors_as_annoy,
    index_annoy_file,
    open_items,
    read_through,
    write_index,
)
from annlib.errors import AnnlibError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from annlib.compat._annoy_file import AnnoyFile

__all__ = ["AnnoyIndex"]


class AnnoyIndex:
    """Items by id, and the nearest of them.

    Parameters
    ----------
    f
        Dimensions of the vectors, 1 to 65535.
    metric
        ``"angular"``, ``"euclidean"``, ``"manhattan"``, ``"hamming"`` or ``"dot"``. The distances are
        sqrt(2 - 2 cos), where a zero vector's cosine is 0; the usual ones, for hamming of which components are above
        0.5; and for dot the product itself, of which more is nearer. To leave it out means angular, and a
        FutureWarning.

    Raises
    ------
    ValueError
        There is no such metric, or ``f`` is out of range.
    """

    def __init__(self, f: SupportsIndex, metric: str | Default = Default.METRIC) -> None:
        self._f = c_int(f)
        self._metric = metric_name(metric)
        if not 1 <= self._f <= MAX_DIM:
            raise ValueError(f"f: expected 1 to {MAX_DIM} dimensions, got {self._f}")
        self._indexing = threading.Lock()
        self._reset(ItemBuffer(self._f))

    def _reset(self, items: Items) -> None:
        self._items = items
        #: None before the index is built, and with a file of Annoy's until the first search.
        self._nearest: NearestItems | None = None
        self._built = False
        self._loaded = False
        #: None with a file of Annoy's, until they are asked for.
        self._n_trees: int | None = 0
        #: The file that the items came from, or will be built in.
        self._path: str | None = None

    @property
    def f(self) -> int:
        """Dimensions of the vectors."""
        return self._f

    def add_item(self, i: SupportsIndex, vector: Vector) -> None:
        """Add item ``i``, 0 or above, or replace it.

        Raises
        ------
        IndexError
            ``i`` is negative, or the vector has not ``f`` components.
        TypeError, ValueError
            A component is not a number; it is not finite.
        AnnlibError
            The index is built or loaded.
        """
        item = c_int(i)
        if item < 0:
            raise IndexError("Item index can not be negative")
        converted = self._converted(vector)
        if not isinstance(self._items, ItemBuffer):
            state = "loaded" if self._loaded else "built"
            raise AnnlibError(f"You can't add an item to a {state} index")
        self._items.add(item, converted)

    def build(self, n_trees: SupportsIndex, n_jobs: SupportsIndex = -1) -> Literal[True]:
        """Build the index; no items can be added then.

        Parameters
        ----------
        n_trees
            What :meth:`get_n_trees` returns; -1, Annoy's choice, counts as one.
        n_jobs
            Threads; -1: all cores.
        """
        trees, jobs = c_int(n_trees), c_int(n_jobs)
        if trees < -1:
            raise ValueError(f"n_trees: expected -1 or above, got {trees}")
        if jobs < -1 or jobs == 0:
            raise ValueError(f"n_jobs: expected -1 or above 0, got {jobs}")
        if not isinstance(self._items, ItemBuffer):
            state = "loaded" if self._loaded else "built"
            raise AnnlibError(f"You can't build a {state} index")
        trees = 1 if trees == -1 else trees
        ids = self._items.ids
        vectors = self._items.vectors() if self._path is None else self._items.blocks()
        threads = max(jobs, 0)
        index = build_index(vectors, ids, self._metric, path=self._path, n_trees=trees, num_threads=threads)
        self._items = IndexItems(index, ids)
        self._nearest = NearestItems(index, ids, self._metric)
        self._n_trees = trees
        self._built = True
        return True

    def unbuild(self) -> Literal[True]:
        """Go back to before :meth:`build`, so that items can be added."""
        if self._loaded:
            raise AnnlibError("You can't unbuild a loaded index")
        if self._built:
            path = self._path
            self._reset(ItemBuffer.copy_of(self._items, self._f, _folder(path)))
            self._path = path
        return True

    def on_disk_build(self, fn: str | os.PathLike[str]) -> Literal[True]:
        """Keep the items that are to be added on disk, beside ``fn``, and let :meth:`build` write the index there."""
        path = file_name(fn)
        if self._built:
            raise AnnlibError("You can't build on disk what is built; call on_disk_build() before adding items")
        with errors_as_annoy("Unable to open", path):
            Path(path).open("ab").close()  # what is there stays until the index takes its place
            self._items = ItemBuffer.copy_of(self._items, self._f, _folder(path))
        self._path = path
        return True

    def save(self, fn: str | os.PathLike[str], prefault: SupportsIndex = False) -> Literal[True]:
        """Write the index to a file, and go on as if loaded from there.

        Raises
        ------
        OSError
            The index is not built, or the file cannot be written.
        """
        path, read_ahead = file_name(fn), c_int(prefault)
        if not self._built:
            raise OSError("You can't save an index that hasn't been built")
        if not self._loaded and self._path is not None and _same_file(path, self._path):
            return True  # it was built there
        with errors_as_annoy("Unable to write", path):
            in_file = write_index(self._searchable().index, path)
        return self.load(path, read_ahead) if in_file else True

    def load(self, fn: str | os.PathLike[str], prefault: SupportsIndex = False) -> Literal[True]:
        """Map an index file, one of annlib's or one that Annoy wrote for this ``f`` and this metric.

        Raises
        ------
        OSError
            The file cannot be read, is neither, or is of another ``f`` or metric as far as can be seen.
        """
        path, read_ahead = file_name(fn), c_int(prefault)
        with errors_as_annoy("Unable to open", path):
            opened = open_items(path, self._f, self._metric)
            if read_ahead:
                read_through(path)
        self._reset(opened.items)
        self._nearest = opened.nearest
        self._n_trees = opened.n_trees
        self._built = self._loaded = True
        self._path = path
        return True

    def unload(self) -> Literal[True]:
        """Drop all items; the index is as new."""
        self._reset(ItemBuffer(self._f))
        return True

    @overload
    def get_nns_by_item(
        self, i: SupportsIndex, n: SupportsIndex, search_k: SupportsIndex = ..., include_distances: Literal[False] = ...
    ) -> list[int]: ...
    @overload
    def get_nns_by_item(
        self, i: SupportsIndex, n: SupportsIndex, search_k: SupportsIndex, include_distances: Literal[True]
    ) -> tuple[list[int], list[float]]: ...
    @overload
    def get_nns_by_item(
        self, i: SupportsIndex, n: SupportsIndex, search_k: SupportsIndex = ..., *, include_distances: Literal[True]
    ) -> tuple[list[int], list[float]]: ...
    def get_nns_by_item(
        self, i: SupportsIndex, n: SupportsIndex, search_k: SupportsIndex = -1, include_distances: SupportsIndex = False
    ) -> list[int] | tuple[list[int], list[float]]:
        """Find the ``n`` items nearest to item ``i``, itself among them, as :meth:`get_nns_by_vector` does.

        Raises
        ------
        IndexError
            ``i`` is negative or above all ids.
        """
        wanted, _, with_distances = c_int(n), c_int(search_k), c_int(include_distances)
        return self._find(self._items.get(self._checked_item(i)), wanted, bool(with_distances))

    @overload
    def get_nns_by_vector(
        self, vector: Vector, n: SupportsIndex, search_k: SupportsIndex = ..., include_distances: Literal[False] = ...
    ) -> list[int]: ...
    @overload
    def get_nns_by_vector(
        self, vector: Vector, n: SupportsIndex, search_k: SupportsIndex, include_distances: Literal[True]
    ) -> tuple[list[int], list[float]]: ...
    @overload
    def get_nns_by_vector(
        self, vector: Vector, n: SupportsIndex, search_k: SupportsIndex = ..., *, include_distances: Literal[True]
    ) -> tuple[list[int], list[float]]: ...
    def get_nns_by_vector(
        self, vector: Vector, n: SupportsIndex, search_k: SupportsIndex = -1, include_distances: SupportsIndex = False
    ) -> list[int] | tuple[list[int], list[float]]:
        """Find the ``n`` items nearest to a vector, or all where ``n`` is negative; none before :meth:`build`.

        Parameters
        ----------
        vector
            ``f`` finite numbers.
        n
            How many; fewer come back where there are fewer items.
        search_k
            Ignored: nothing is missed.
        include_distances
            Whether to return distances too.

        Returns
        -------
        list of int, or tuple of list of int and list of float
            Ids, nearest first, ties by id, and the distance of each.

        Raises
        ------
        IndexError
            The vector has not ``f`` components.
        TypeError, ValueError
            A component is not a number; it is not finite.
        """
        wanted, _, with_distances = c_int(n), c_int(search_k), c_int(include_distances)
        return self._find(self._converted(vector), wanted, bool(with_distances))

    def get_item_vector(self, i: SupportsIndex, /) -> list[float]:
        """Return the vector of item ``i``; zeros where there is a hole."""
        vector: list[float] = self._items.get(self._checked_item(i)).tolist()
        return vector

    def get_distance(self, i: SupportsIndex, j: SupportsIndex, /) -> float:
        """Return the distance between two items."""
        item, other = self._checked_item(i), self._checked_item(j)
        return distance(self._items.get(item), self._items.get(other), self._metric)

    def get_n_items(self) -> int:
        """Return the largest id plus one: holes count."""
        return self._items.n_items

    def get_n_trees(self) -> int:
        """Return how many trees were asked for, or, of a file that Annoy wrote, built."""
        if self._n_trees is None:
            self._n_trees = cast("AnnoyFile", self._items).n_trees
        return self._n_trees

    def verbose(self, v: SupportsIndex, /) -> Literal[True]:
        """Accept Annoy's switch for messages; there are none."""
        c_int(v)
        return True

    def set_seed(self, s: SupportsIndex, /) -> None:
        """Accept Annoy's seed; results do not depend on one."""
        c_int(s)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._built and self._path is not None:
            return _reopened, (type(self), self._f, self._metric, os.path.abspath(self._path), self._loaded)  # noqa: PTH100
        trees = self.get_n_trees() if self._built else None
        vectors = np.ascontiguousarray(self._items.vectors(), dtype=np.float32)
        return _rebuilt, (type(self), self._f, self._metric, self._items.ids, vectors, trees)

    def _checked_item(self, i: SupportsIndex) -> int:
        item = c_int(i)
        if item < 0:
            raise IndexError("Item index can not be negative")
        if item >= self._items.n_items:
            raise IndexError("Item index larger than the largest item index")
        return item

    def _converted(self, vector: Vector) -> NDArray[np.float32]:
        converted = as_vector(vector, self._f)
        if self._metric == "hamming":
            return (converted > 0.5).astype(np.float32)
        check_finite(converted)
        return converted

    def _find(
        self, query: NDArray[np.float32], n: int, with_distances: bool
    ) -> list[int] | tuple[list[int], list[float]]:
        if not self._built:
            return ([], []) if with_distances else []
        ids, scores = self._searchable().find(query, n)
        return (ids, distances(scores, self._metric).tolist()) if with_distances else ids

    def _searchable(self) -> NearestItems:
        """The index, which a file of Annoy's gets when it is first searched."""
        if self._nearest is not None:
            return self._nearest
        with self._indexing:
            if self._nearest is None:
                self._nearest = index_annoy_file(cast("AnnoyFile", self._items), self._metric)
        return self._nearest


def _folder(path: str | None) -> str | None:
    return None if path is None else os.path.dirname(path) or os.curdir  # noqa: PTH120 (keeps the path as text)


def _same_file(path: str, other: str) -> bool:
    return Path(path).exists() and Path(path).samefile(other)


def _reopened(kind: type[AnnoyIndex], f: int, metric: str, path: str, loaded: bool) -> AnnoyIndex:
    index = kind(f, metric)
    index.load(path)
    index._loaded = loaded
    return index


def _rebuilt(
    kind: type[AnnoyIndex],
    f: int,
    metric: str,
    ids: NDArray[np.int64] | None,
    vectors: NDArray[np.float32],
    n_trees: int | None,
) -> AnnoyIndex:
    index = kind(f, metric)
    for i, vector in zip(range(len(vectors)) if ids is None else ids.tolist(), vectors, strict=True):
        index.add_item(i, vector)
    if n_trees is not None:
        index.build(n_trees)
    return index
