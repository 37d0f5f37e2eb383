"""The files that Annoy writes, mapped and read in place.

Such a file has no header: it is an array of nodes of one size, which follows from the metric and the dimensions. Node
``i`` is item ``i`` as long as there are items, all zeros where there is none of this id; then come the nodes of the
trees, and last a copy of every root. Beside its vector a node has ``n_descendants`` (1 for an item; for a root the
largest id plus one) and ``children``, which for the smaller nodes of a tree are the ids of the items below, and then
take the place of the vector too. The metric ``hamming`` packs its vector, 64 components to a word, lowest bit first.

All this is what Annoy 1.17 writes, and earlier versions back to 1.8 alike. Nothing in the file names its metric or its
dimensions, so what is checked is that items and a root are what they must be.
"""

from __future__ import annotations

import mmap
import os
import stat
from functools import cached_property, lru_cache
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Where in a node its children and its vector begin, in bytes. The vector of an angular item comes right after what
#: would be its second child, its squared norm in the place of the first.
_OFFSETS = {"angular": (4, 12), "euclidean": (8, 16), "manhattan": (8, 16), "dot": (4, 16), "hamming": (4, 16)}
_BITS_PER_WORD = 64


class AnnoyFile:
    """The items of a file that Annoy wrote (:class:`~annlib.compat._annoy_items.Items`).

    Opening it looks at the head of each item, not at the vectors.

    Parameters
    ----------
    file
        The file, open for reading; it may be closed afterwards.
    path
        Its name.
    dim
        Dimensions of the vectors.
    metric
        Annoy's name of the metric.

    Raises
    ------
    OSError
        The file cannot be read, or is not one that Annoy writes for these dimensions and this metric.
    """

    def __init__(self, file: IO[bytes], path: str, dim: int, metric: str) -> None:
        self.path = path
        self._dim = dim
        self._metric = metric
        self._nodes = _map_nodes(file, path, node_type(metric, dim))
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

    @cached_property
    def n_trees(self) -> int:
        """How many trees there are."""
        if self.n_items <= 1:  # every node of every tree is a root
            return (len(self._nodes) - self.n_items) // 2
        run = self._roots_at_the_end()
        if self._root_lists_items():  # the roots, one after another, and as many copies
            return run // 2
        # Copies of all roots, and before them the root, or the roots of several threads, that were made last.
        return len({(left, right) for left, right in self._children[-run:, :2].tolist()})

    def _unpacked(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.unpackbits(stored, axis=-1, count=self._dim, bitorder="little")

    def _roots_at_the_end(self) -> int:
        window = _BITS_PER_WORD
        while True:
            tail = self._descendants[-window:]
            others = np.flatnonzero(tail != self.n_items)
            if others.size > 0:
                return len(tail) - 1 - int(others[-1])
            if window >= len(self._descendants):
                return len(tail)
            window *= 2

    def _root_lists_items(self) -> bool:
        return self.n_items <= self._children.shape[1] or self._n_present == 1

    @property
    def _n_present(self) -> int:
        return self.n_items if self.ids is None else len(self.ids)

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
        if not 0 <= n_items <= count - (n_items > 1):
            raise self._foreign(f"its last node tells of {n_items} items, of {count} nodes in all")
        if n_items == 0 and self._descendants.any():
            raise self._foreign("it has nodes but no items; it may be cut short")
        if n_items == 1 and self._nodes["vector"][1:].any():
            raise self._foreign("it has one item but several vectors; it may be cut short, or built without trees")
        if n_items > 1 and (self._descendants[n_items - 1] != 1 or self._descendants[n_items] < 2):
            raise self._foreign(f"its items are not {n_items}, as its last node tells; it may be cut short")

    def _check_root(self, ids: NDArray[np.int64]) -> None:
        if self.n_items == 0:
            return
        children = self._children[-1]
        if self.n_items <= len(children) or len(ids) == 1:
            whole = np.array_equal(children[: len(ids)], ids)
        else:
            left, right = children[:2].tolist()
            count = len(self._nodes)
            whole = (
                0 <= left < count
                and 0 <= right < count
                and int(self._descendants[left]) + int(self._descendants[right]) == len(ids)
            )
        if not whole:
            raise self._foreign("its last root does not have its items below")

    def _foreign(self, what: str) -> OSError:
        return OSError(
            f"{self.path}: expected an index that Annoy wrote for f={self._dim} and metric={self._metric!r}, or one "
            f"of annlib: {what}. Ensure you are opening using the same f and metric you used to create the index."
        )


@lru_cache(maxsize=64)
def node_type(metric: str, dim: int) -> np.dtype[np.void]:
    """Return a node as a structured type; the children, as many as fit, overlap the vector."""
    children, vector = _OFFSETS[metric]
    vector_type: np.dtype[np.generic]
    if metric == "hamming":
        words = -(-dim // _BITS_PER_WORD)
        vector_type = np.dtype(("u1", (8 * words,)))
    else:
        vector_type = np.dtype(("<f4", (dim,)))
    size = vector + vector_type.itemsize
    return np.dtype(
        {
            "names": ["n_descendants", "children", "vector"],
            "formats": ["<i4", ("<i4", ((size - children) // 4,)), vector_type],
            "offsets": [0, children, vector],
            "itemsize": size,
        }
    )


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
