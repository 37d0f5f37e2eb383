"""Weights that fade: what was long ago counts for less."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.matrices import sum_pairs
from pipeline.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.data.encode import EncodedEvents

_DAY_US = 86_400_000_000


def sum_recent(events: EncodedEvents, shape: tuple[int, int], half_life_days: float) -> csr_matrix:
    """Sum events, the weight of each halved by every half-life of its age, counted back from the last of them.

    The last event, and not the date of a run, is when nothing has faded yet: what is fitted on the same events is the
    same, however late, and a training part knows no later time than its own.

    Parameters
    ----------
    events
        The events to sum, at least one.
    shape
        Of the matrix, ``(n_users, n_items)``.
    half_life_days
        Days, above zero.

    Returns
    -------
    CSR, float32, above zero: the structure is that of the matrix of the same events without a half-life.

    Raises
    ------
    DataError
        If nothing that float32 can tell from zero is left of the events of a user and an item, or if a sum is beyond
        float32.
    """
    faded = events.weights * _remaining(events.timestamps, half_life_days)
    matrix = sum_pairs(events.user_rows, events.item_rows, faded, shape)
    vanished = int(np.count_nonzero(matrix.data < np.finfo(np.float32).tiny))
    if vanished:
        days = float(np.ptp(events.timestamps.astype(np.float64))) / _DAY_US
        raise DataError(
            f"weighting.half_life_days = {half_life_days:g}: nothing that float32 can hold is left of {vanished:,} of "
            f"{matrix.nnz:,} pairs of a user and an item; the events span {days:,.1f} days",
            hint="Take a longer half-life, or read fewer days: interactions.window_days.",
        )
    return matrix


def _remaining(timestamps: NDArray[np.int64], half_life_days: float) -> NDArray[np.float64]:
    """The share of its weight that each event keeps."""
    # As float64, in which no age overflows; microseconds are exact in it for two centuries.
    times = timestamps.astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        remaining: NDArray[np.float64] = np.exp2((times - times.max()) / _DAY_US / half_life_days)
    return remaining
