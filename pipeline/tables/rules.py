"""The rules of a table: whom it is made for, and what is left out of whose list."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Rules:
    """What the settings of a table come to.

    Attributes
    ----------
    wanted
        int64: rows of the source entities the table is made for, ascending.
    exclude
        CSR of shape ``(n_sources, n_targets)``, of which only the structure counts: what is left out of each source's
        list; None where nothing is.
    """

    wanted: NDArray[np.int64]
    exclude: sp.csr_matrix | None


def item_rules(settings: TableSettings, n_sources: int) -> Rules:
    """The rules of a table that is not from users: for every source, and nobody in their own list."""
    return Rules(np.arange(n_sources), _itself(n_sources) if settings.source == settings.target else None)


def user_rules(settings: TableSettings, encoded: Encoded, date: datetime.date) -> Rules:
    """The rules of a table from users: for some of them, without what they have interacted with.

    Parameters
    ----------
    settings
        The table.
    encoded
        The interactions.
    date
        Date of the run, which active users are counted back from.

    Raises
    ------
    DataError
        If a rule leaves nobody.
    """
    wanted = _wanted_users(settings, encoded, date)
    if settings.source == settings.target:
        return Rules(wanted, _itself(len(encoded.vocabulary(USER))))
    return Rules(wanted, encoded.entity_items(settings.target) if settings.excludes_seen else None)


def _wanted_users(settings: TableSettings, encoded: Encoded, date: datetime.date) -> NDArray[np.int64]:
    users = encoded.vocabulary(USER)
    keep = np.ones(len(users), dtype=bool)
    since = _active_since(settings, date)
    if since is not None:
        last_seen = encoded.last_seen
        if last_seen is None:
            raise DataError(f"table {settings.name!r}: active users need timestamps, the interactions have none")
        keep &= np.asarray(last_seen) >= (since - datetime.date(1970, 1, 1)).days * _DAY_US
    if settings.users is not None:
        listed = np.zeros(len(users), dtype=bool)
        listed[read_ids(settings.users, users, date=date).rows] = True
        keep &= listed
    rows = np.flatnonzero(keep)
    if not len(rows):
        raise DataError(
            f"table {settings.name!r}: none of the {len(users)} users is left",
            hint="Check active_days, active_since and the file of users.",
        )
    return rows.astype(np.int64, copy=False)


def _itself(n: int) -> sp.csr_matrix:
    return sp.csr_matrix((np.ones(n, np.float32), np.arange(n), np.arange(n + 1)), shape=(n, n))


def _active_since(settings: TableSettings, date: datetime.date) -> datetime.date | None:
    if settings.active_days is not None:
        return date - datetime.timedelta(days=settings.active_days - 1)
    return settings.active_since
