"""At most so many of each value of an attribute in a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

ScalarT = TypeVar("ScalarT", bound=np.generic)


@dataclass(frozen=True)
class Cap:
    """A list holds at most ``limit`` items of each value of an attribute; an item counts for every value it has.

    Attributes
    ----------
    item_values
        CSR, shape ``(n_items, n_values)``, of which only the structure counts. An item without a value is not limited.
    limit
        How many, at least 1.
    """

    item_values: csr_matrix
    limit: int

    def values_of(self, item: int) -> list[int]:
        """The values of one item."""
        start, end = self.item_values.indptr[item : item + 2]
        values: list[int] = self.item_values.indices[start:end].tolist()
        return values


def accept(target_rows: NDArray[np.int64], caps: Sequence[Cap], length: int) -> NDArray[np.bool_]:
    """Walk down lists, take what no cap forbids beside what was taken before, and stop when a list is long enough.

    Parameters
    ----------
    target_rows
        int64, shape ``(m, c)``: candidates, best first; -1 is none, and may stand anywhere.
    caps
        What must hold at every length of a list.
    length
        How many to take, at most.

    Returns
    -------
    bool, shape ``(m, c)``: what was taken. Time and memory go with ``m``, ``c`` and the most values an item here has.
    """
    there = target_rows >= 0
    if not caps:
        return there & (np.cumsum(there, axis=1) <= length)
    values = [_numbered_values(target_rows, cap.item_values) for cap in caps]
    counts = [np.zeros((len(numbers), numbers.shape[1] * numbers.shape[2]), np.int32) for numbers, _ in values]
    taken = np.zeros(target_rows.shape, dtype=bool)
    n_taken = np.zeros(len(target_rows), dtype=np.int64)
    lists = np.arange(len(target_rows))[:, None]
    for place in range(target_rows.shape[1]):
        fits = there[:, place] & (n_taken < length)
        for cap, (numbers, has), count in zip(caps, values, counts, strict=True):
            full = count[lists, numbers[:, place]] >= cap.limit
            fits &= ~(full & has[:, place]).any(axis=1)
        for (numbers, has), count in zip(values, counts, strict=True):
            # The values of an item are distinct; the places it leaves empty share a number, and add nothing to it.
            count[lists, numbers[:, place]] += fits[:, None] & has[:, place]
        taken[:, place] = fits
        n_taken += fits
        if (n_taken >= length).all():
            break
    return taken


def compact(array: NDArray[ScalarT], taken: NDArray[np.bool_], length: int, rest: ScalarT | float) -> NDArray[ScalarT]:
    """What was taken of each list, moved to its beginning: ``(m, c)`` to ``(m, length)``, padded."""
    result = np.full((len(array), length), rest, dtype=array.dtype)
    result[np.arange(length) < taken.sum(axis=1)[:, None]] = array[taken]
    return result


def most_values(caps: Sequence[Cap]) -> int:
    """The most values that an item has of one of the attributes, at least 1: what :func:`accept` needs memory for."""
    return max((int(np.diff(cap.item_values.indptr).max(initial=1)) for cap in caps), default=1)


def _numbered_values(
    target_rows: NDArray[np.int64], item_values: csr_matrix
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The values of each candidate, numbered from 0 within its list, and which places of the padded array hold one.

    Both have the shape ``(m, c, w)``, where w is the most values that one of these candidates has.
    """
    items = np.maximum(target_rows, 0)
    starts = item_values.indptr[items].astype(np.int64)
    lengths = np.where(target_rows >= 0, item_values.indptr[items + 1] - starts, 0)
    place = np.arange(max(1, int(lengths.max(initial=0))))
    has = place < lengths[..., None]
    values = np.full(has.shape, -1, dtype=np.int64)
    values[has] = item_values.indices[(starts[..., None] + place)[has]]
    flat = values.reshape(len(values), -1)
    order = np.argsort(flat, axis=1, kind="stable")
    ascending = np.take_along_axis(flat, order, axis=1)
    ranks = np.zeros(flat.shape, dtype=np.int64)
    np.cumsum(ascending[:, 1:] != ascending[:, :-1], axis=1, out=ranks[:, 1:])
    numbers = np.empty_like(ranks)
    np.put_along_axis(numbers, order, ranks, axis=1)
    return numbers.reshape(values.shape), has
