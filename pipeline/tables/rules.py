"""The rules of a table: whom it is made for, what is left out of whose list, and what ranks and fills it.

They apply in this order, whichever of them are set:

1. ``allow``, ``deny`` and ``min_support`` take targets out of the catalogue; ``exclude_seen`` takes what the user has
   interacted with out of a user's list, and no entity is in its own.
2. ``popularity_penalty`` and ``boosts`` weigh the scores: what follows goes by the weighted ones.
3. ``max_per`` walks down the ranking and passes over whatever would be one too many.
4. ``diversity`` chooses the list from the best ``candidates`` of what is left, else the list is the best ``k``.
5. ``fallback`` fills a list that is still short, under 1 and 3. The list of a source whose vector is all zeros, of
   which the model knows nothing, is made of it altogether, and so is that of a user in the file of ``users`` whom the
   interactions do not have (but where active users are asked for).

Each step sees all that it could need: a list is searched deeper until it is full or the catalogue exhausted.
``score`` is what a list ends up ranked by: the model's score, the weighted one, or the value of the choice for
``diversity``; below them, for what is popular, a number that goes on falling (:func:`pipeline.tables.fallback.fill`).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from pipeline.config import USER, TableSettings
from pipeline.data.attributes import read_ids
from pipeline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from pipeline.config import DiversitySettings
    from pipeline.data.encode import Encoded
    from pipeline.tables.caps import Cap
    from pipeline.tables.fallback import Popular

#: Microseconds of a day, the unit of timestamps.
DAY_US = 86_400_000_000


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
    allow
        bool, shape ``(n_targets,)``: what any list may hold; None for everything.
    weights
        float64, shape ``(n_targets,)``, above zero: see :func:`~pipeline.tables.scoring.weighted_scores`; None for 1.
    caps
        How many of each value of an attribute a list may hold.
    diversity
        How a list is chosen from the best; None where it is the best.
    popular
        What fills the lists that are short; None where they stay short.
    strangers
        Ids of wanted sources that are not in the vocabulary, sorted as it is, whose lists are made of what is popular;
        None where there are none.
    counts
        What was counted when the rules were read, for the manifest.
    """

    wanted: NDArray[np.int64]
    exclude: sp.csr_matrix | None
    allow: NDArray[np.bool_] | None = None
    weights: NDArray[np.float64] | None = None
    caps: tuple[Cap, ...] = ()
    diversity: DiversitySettings | None = None
    popular: Popular | None = None
    strangers: pa.Array | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def change_scores(self) -> bool:
        """Whether lists are ranked by anything but the model's own scores."""
        return self.weights is not None or self.diversity is not None

    @property
    def are_filters(self) -> bool:
        """Whether the best that may be listed are the list: a search does the whole of the work."""
        return not (self.change_scores or self.caps or self.popular is not None)


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
    wanted, strangers = _wanted_users(settings, encoded, date)
    if settings.source == settings.target:
        return Rules(wanted, _itself(len(encoded.vocabulary(USER))))
    seen = encoded.entity_items(settings.target) if settings.excludes_seen else None
    return Rules(wanted, seen, strangers=strangers)


def _wanted_users(
    settings: TableSettings, encoded: Encoded, date: datetime.date
) -> tuple[NDArray[np.int64], pa.Array | None]:
    """Rows of the users, ascending, and ids of those listed but unknown, where there is something to give them."""
    users = encoded.vocabulary(USER)
    keep = np.ones(len(users), dtype=bool)
    since = _active_since(settings, date)
    if since is not None:
        last_seen = encoded.last_seen
        if last_seen is None:
            raise DataError(f"table {settings.name!r}: active users need timestamps, the interactions have none")
        keep &= np.asarray(last_seen) >= (since - datetime.date(1970, 1, 1)).days * DAY_US
    strangers = None
    if settings.users is not None:
        found = read_ids(settings.users, users, date=date)
        listed = np.zeros(len(users), dtype=bool)
        listed[found.rows] = True
        keep &= listed
        if settings.fallback is not None and since is None and len(found.strangers):
            strangers = found.strangers
    rows = np.flatnonzero(keep)
    if not len(rows) and strangers is None:
        raise DataError(
            f"table {settings.name!r}: none of the {len(users)} users is left",
            hint="Check active_days, active_since and the file of users.",
        )
    return rows.astype(np.int64, copy=False), strangers


def _itself(n: int) -> sp.csr_matrix:
    return sp.csr_matrix((np.ones(n, np.float32), np.arange(n), np.arange(n + 1)), shape=(n, n))


def _active_since(settings: TableSettings, date: datetime.date) -> datetime.date | None:
    if settings.active_days is not None:
        return date - datetime.timedelta(days=settings.active_days - 1)
    return settings.active_since
