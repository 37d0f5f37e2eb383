"""The files that Annoy writes, mapped and read in place.

Such a file has no header: it is an array of nodes of one size, which follows from the metric and the dimensions. Node
``i`` is item ``i`` as long as there are items, all zeros where there is none of this id; then come the nodes of the
trees, and last a copy of every root. Beside its vector a node has ``n_descendants`` (1 for an item; for a root the
largest id plus one) and ``children``, which for the smaller nodes of a tree are the ids of the items below, and then
take the place of the vector too. The metric ``hamming`` packs its vector, 64 components to a word, lowest bit first.

All this is what Annoy 1.17 writes, and versions back to 1.3 alike. Nothing in the file names its metric or its
dimensions, so what is checked is that items and a root are what they must be.
"""

from __future__ import annotations

import mmap
import os
import stat
from contextlib import suppress
from functools import lru_cache
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Where in a node its children and its vector begin, in bytes, newest layout first: before Annoy 1.17, words of hamming
#: were not aligned. The squared norm of an angular item lies where the first of its children would.
_OFFSETS = {
    "angular": ((4, 12),),
    "euclidean": ((8, 16),),
    "manhattan": ((8, 16),),
    "dot": ((4, 16),),
    "hamming": ((4, 16), (4, 12)),
}
_BITS_PER_WORD = 64


def open_annoy_file(file: IO[bytes], path: str, dim: int, metric: str) -> AnnoyFile:
    """Map a file that Annoy wrote, and look at the head of each item, not at the vectors.

    Parameters
    ----------
    file
        The file, open for reading; it may be closed afterwards.
    path
        Its name, for messages.
    dim
        Dimensions of the vectors.
    metric
        Annoy's name of the metric.

    Raises
    ------
    OSError
        The file cannot be read, or is not one that Annoy writes for these dimensions and this metric.
    """
    newest, *older = _node_types(metric, dim)
    try:
        return AnnoyFile(file, path, dim, metric, newest)
    except OSError:
        for node_type in older:
            with suppress(OSError):
                return AnnoyFile(file, path, dim, metric, node_type)
        raise


class AnnoyFile:
    """The items of a file that Annoy wrote (:class:`~annlib.compat._annoy_items.Items`).

    Parameters
    ----------
    file, path, dim, metric
        As of :func:`open_annoy_file`.
    node_type
        One of the layouts of a node.
    """

    def __init__(self, file: IO[bytes], path: str, dim: int, metric: str, node_type: np.dtype[np.void]) -> None:
        self.path = path
        self._dim = dim
        self._metric = metric
        self._nodes = _map_nodes(file, path, node_type)
        self._descendants: NDArray[np.int32] = self._nodes["n_descendants"]
        self._children: NDArray[np.int32] = self._nodes["children"]
        self.n_items = int(self._descendants[-1])
        #: As of Items.
        self.ids = self._checked_ids()
        self._stored = self._nodes["vector"][: self.n_items]

    def get(self, item: int) -> NDArray[np.float32]:
        """As of Items."""
        stored = self._stored[item]
        if self._metric != "hamming":
            vector: NDArray[np.float32] = stored
            return vector
        return self._unpacked(stored).astype(np.float32)

    def vectors(self) -> NDArray[np.generic]:
        """As of Items: the file itself where there is no hole; uint8 for hamming."""
        stored = self._stored if self.ids is None else self._stored[self.ids]
        return stored if self._metric != "hamming" else self._unpacked(stored)

    @property
    def n_trees(self) -> int:
        """How many trees there are; to count them is to look at every node."""
        # Of the nodes that are no items, only a root and its copy have all items below.
        return int(np.count_nonzero(self._descendants[self.n_items :] == self.n_items)) // 2

    def _unpacked(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.unpackbits(stored, axis=-1, count=self._dim, bitorder="little")

    def _checked_ids(self) -> NDArray[np.int64] | None:
        """Return the ids there are, None where there is no hole, once items and a root have been looked at."""
        self._check_extent()
        kinds = self._descendants[: self.n_items]
        present = kinds == 1
        if not (present | (kinds == 0)).all():
            raise self._foreign("its items are not items")
        # An item has no children; in an angular one, the norm lies over the first.
        first_child = 1 if self._metric == "angular" else 0
        if self._children[: self.n_items, first_child:2][present].any():
            raise self._foreign("its items have children")
        ids = np.flatnonzero(present)
        self._check_root(ids)
        return None if len(ids) == self.n_items else ids

    def _check_extent(self) -> None:
        count = len(self._nodes)
        n_items = self.n_items
        if not 0 <= n_items <= count - (n_items > 0):
            raise self._foreign(f"its last node tells of {n_items} items, of {count} nodes in all")
        if n_items == 0 and self._descendants.any():
            raise self._foreign("it has nodes but no items; it may be cut short")
        if n_items == 1 and not self._is_only_vector(self._nodes["vector"][0]):
            raise self._foreign("it has one item but several vectors; it may be cut short, or built without trees")
        if n_items > 1 and (self._descendants[n_items - 1] != 1 or self._descendants[n_items] < 2):
            raise self._foreign(f"its items are not {n_items}, as its last node tells; it may be cut short")

    def _is_only_vector(self, vector: NDArray[np.generic]) -> bool:
        """Tell whether all other nodes have this vector or none: the roots of one item are blank, or its copies."""
        others = self._nodes["vector"][1:]
        return bool(((others == vector).all(axis=1) | ~others.any(axis=1)).all())

    def _check_root(self, ids: NDArray[np.int64]) -> None:
        """Compare what is below the last root with the items, or, before Annoy 1.9, with items and holes."""
        if self.n_items == 0:
            return
        children = self._children[-1]
        if self.n_items <= len(children) or len(ids) == 1:
            below = children[: self.n_items]
            whole = np.array_equal(below[: len(ids)], ids) or np.array_equal(below, np.arange(self.n_items))
        else:
            left, right = children[:2].tolist()
            known = min(left, right) >= 0 and max(left, right) < len(self._nodes)
            whole = known and int(self._descendants[[left, right]].sum()) in (len(ids), self.n_items)
        if not whole:
            raise self._foreign("its last root does not have its items below")

    def _foreign(self, what: str) -> OSError:
        return OSError(
            f"{self.path}: expected an index that Annoy wrote for f={self._dim} and metric={self._metric!r}, or one "
            f"of annlib: {what}. Ensure you are opening using the same f and metric you used to create the index."
        )


@lru_cache(maxsize=64)
def _node_types(metric: str, dim: int) -> tuple[np.dtype[np.void], ...]:
    """Return the layouts of a node as structured types; the children, as many as fit, overlap the vector."""
    words = -(-dim // _BITS_PER_WORD)
    vector = np.dtype(("u1", (8 * words,))) if metric == "hamming" else np.dtype(("<f4", (dim,)))
    layouts = []
    for children_at, vector_at in _OFFSETS[metric]:
        size = vector_at + vector.itemsize
        layouts.append(
            np.dtype(
                {
                    "names": ["n_descendants", "children", "vector"],
                    "formats": ["<i4", ("<i4", ((size - children_at) // 4,)), vector],
                    "offsets": [0, children_at, vector_at],
                    "itemsize": size,
                }
            )
        )
    return tuple(layouts)


def _map_nodes(file: IO[bytes], path: str, node: np.dtype[np.void]) -> NDArray[np.void]:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path}: expected a regular file")
    if status.st_size == 0:
        raise OSError(f"{path}: Size of file is zero")
    if status.st_size % node.itemsize != 0:
        raise OSError(
            f"{path}: Index size is not a multiple of vector size. Ensure you are opening using the same metric "
            f"you used to create the index. (expected a multiple of {node.itemsize}, got {status.st_size})"
        )
    return np.frombuffer(mmap.mmap(file.fileno(), status.st_size, access=mmap.ACCESS_READ), dtype=node)
