"""The rules of a table: whom it is made for, and what is left out of whose list."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from pipeline.config import USER, TableSettings
from pipeline.data.attributes import read_ids
from pipeline.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.data.encode import Encoded

_DAY_US = 86_400_000_000


def source_rows(settings: TableSettings, encoded: Encoded, date: datetime.date) -> NDArray[np.int64]:
    """Rows of the source entities the table is made for, ascending.

    Raises
    ------
    DataError
        If a rule leaves nobody.
    """
    n_sources = len(encoded.vocabulary(settings.source))
    keep = np.ones(n_sources, dtype=bool)
    since = _active_since(settings, date)
    if since is not None:
        last_seen = encoded.last_seen
        if last_seen is None:
            raise DataError(f"table {settings.name!r}: active users need timestamps, the interactions have none")
        keep &= np.asarray(last_seen) >= (since - datetime.date(1970, 1, 1)).days * _DAY_US
    if settings.users is not None:
        listed = np.zeros(n_sources, dtype=bool)
        listed[read_ids(settings.users, encoded.vocabulary(USER), date=date).rows] = True
        keep &= listed
    rows = np.flatnonzero(keep)
    if n_sources and not len(rows):
        raise DataError(
            f"table {settings.name!r}: none of the {n_sources} users is left",
            hint="Check active_days, active_since and the file of users.",
        )
    return rows.astype(np.int64, copy=False)


def excluded_rows(settings: TableSettings, encoded: Encoded) -> sp.csr_matrix | None:
    """What is left out of each source's list: itself, what it has interacted with, or nothing.

    Returns
    -------
    CSR of shape ``(n_sources, n_targets)``, of which only the structure counts.
    """
    if settings.source == settings.target:
        n = len(encoded.vocabulary(settings.source))
        return sp.csr_matrix((np.ones(n, np.float32), np.arange(n), np.arange(n + 1)), shape=(n, n))
    return encoded.entity_items(settings.target) if settings.excludes_seen else None


def _active_since(settings: TableSettings, date: datetime.date) -> datetime.date | None:
    if settings.active_days is not None:
        return date - datetime.timedelta(days=settings.active_days - 1)
    return settings.active_since
