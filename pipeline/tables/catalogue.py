"""The rules of the catalogue: what their files and the interactions make of the settings."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from pipeline.data.attributes import read_boosts, read_ids
from pipeline.data.matrices import binary_pairs
from pipeline.errors import DataError
from pipeline.tables.caps import Cap
from pipeline.tables.fallback import Popular
from pipeline.tables.rules import DAY_US

if TYPE_CHECKING:
    import datetime

    from numpy.typing import NDArray

    from pipeline.config import ListSettings, TableSettings
    from pipeline.data.encode import Encoded
    from pipeline.data.vocabulary import Vocabulary
    from pipeline.tables.rules import Rules

_log = logging.getLogger(__name__)


def with_catalogue(
    rules: Rules, settings: TableSettings, targets: Vocabulary, encoded: Encoded | None, *, date: datetime.date
) -> Rules:
    """Add the rules of the catalogue to a table's others.

    Parameters
    ----------
    rules
        Whom the table is made for, and what is left out of whose list.
    settings
        The table.
    targets
        The ids of what is listed.
    encoded
        The interactions; None where the vectors come from files, of which no rule counts users.
    date
        Date of the run, for the paths of the files.

    Raises
    ------
    MissingInputError
        If a file or a column is missing.
    DataError
        If the ids in a file are all unknown, a boost is not a number above zero, or nothing is left to be listed.
    """
    if not settings.rules_of_catalogue:
        return rules
    reader = _CatalogueReader(settings, targets, encoded, date)
    if rules.strangers is not None:
        reader.counts["users"] = {"without_interactions": len(rules.strangers)}
    allow = reader.allow()
    return dataclasses.replace(
        rules,
        allow=allow,
        weights=reader.weights(),
        caps=reader.caps(),
        diversity=settings.diversity,
        popular=reader.popular(allow),
        counts=reader.counts,
    )


class _CatalogueReader:
    """Reads one rule after another, and keeps what was counted."""

    def __init__(
        self, settings: TableSettings, targets: Vocabulary, encoded: Encoded | None, date: datetime.date
    ) -> None:
        self._settings = settings
        self._targets = targets
        self._encoded = encoded
        self._date = date
        self.counts: dict[str, Any] = {}

    def allow(self) -> NDArray[np.bool_] | None:
        """What any list may hold; None for everything."""
        settings = self._settings
        allow = np.ones(len(self._targets), dtype=bool)
        if settings.allow is not None:
            allow &= self._listed("allow", settings.allow)
        if settings.deny is not None:
            allow &= ~self._listed("deny", settings.deny)
        if settings.min_support is not None:
            supported = self._users_of_targets() >= settings.min_support
            self.counts["min_support"] = {"targets_below": int(np.count_nonzero(~supported))}
            allow &= supported
        if not allow.any():
            raise DataError(
                f"table {settings.name!r}: none of the {len(allow)} {settings.target}s is left to be listed",
                hint="Check " + ", ".join(key for key in ("allow", "deny", "min_support") if getattr(settings, key)),
            )
        if allow.all():
            return None
        self.counts["targets_left_out"] = int(np.count_nonzero(~allow))
        return allow

    def weights(self) -> NDArray[np.float64] | None:
        """What scores are multiplied by; None for 1."""
        settings = self._settings
        if settings.popularity_penalty is None and settings.boosts is None:
            return None
        weights = np.ones(len(self._targets))
        if settings.popularity_penalty is not None:
            weights *= np.maximum(self._users_of_targets(), 1) ** -settings.popularity_penalty
        if settings.boosts is not None:
            boosts = read_boosts(settings.boosts, self._targets, date=self._date)
            self._count("boosts", settings.boosts, boosts.known, boosts.unknown)
            weights *= boosts.factors
        if not (np.isfinite(weights) & (weights > 0.0)).all():
            raise DataError(
                f"table {settings.name!r}: popularity_penalty and boosts multiply to beyond float64",
                hint="Make them milder.",
            )
        return weights

    def caps(self) -> tuple[Cap, ...]:
        """How many of each value of an attribute a list may hold."""
        limits = self._settings.max_per or {}
        return tuple(Cap(self._interactions().attribute(name), limit) for name, limit in limits.items())

    def popular(self, allow: NDArray[np.bool_] | None) -> Popular | None:
        """What fills the lists that are short; None where they stay short."""
        settings = self._settings
        if settings.fallback is None:
            return None
        popular = Popular.of(_recent_users(self._interactions(), settings.target, settings.recent_days), allow)
        self.counts["fallback"] = {"popular_targets": len(popular.order)}
        return popular

    def _listed(self, key: str, settings: ListSettings) -> NDArray[np.bool_]:
        found = read_ids(settings, self._targets, date=self._date)
        self._count(key, settings, len(found.rows), found.unknown)
        listed = np.zeros(len(self._targets), dtype=bool)
        listed[found.rows] = True
        return listed

    def _count(self, key: str, settings: ListSettings, known: int, unknown: int) -> None:
        """Keep how many ids of a file are known; if not one is, the file is of something else."""
        self.counts[key] = {"known_ids": known, "unknown_ids": unknown}
        where = f"tables.{self._settings.name}.{key}: {settings.path}"
        if unknown and not known:
            some = ", ".join(repr(value) for value in self._targets.ids[:3].to_pylist())
            raise DataError(
                f"{where}: expected ids of {self._settings.target}s, but all {unknown:,} in column {settings.id!r} are "
                "unknown",
                hint=f"Is {settings.id!r} the column of the ids? The first that are known are {some}.",
            )
        if unknown:
            _log.warning("%s: %s of %s ids are unknown and passed over", where, f"{unknown:,}", f"{known + unknown:,}")

    def _users_of_targets(self) -> NDArray[np.int64]:
        """How many distinct users have interacted with each target, int64."""
        return _column_degrees(self._interactions().entity_items(self._settings.target))

    def _interactions(self) -> Encoded:
        assert self._encoded is not None  # noqa: S101 - the configuration sees to it
        return self._encoded


def _recent_users(encoded: Encoded, entity: str, days: int) -> NDArray[np.int64]:
    """How many distinct users had each entity in the last days up to the last event, or ever without timestamps."""
    events = encoded.events
    if events is None:
        return _column_degrees(encoded.entity_items(entity))
    recent = np.flatnonzero(events.timestamps > events.timestamps.max() - days * DAY_US)
    pairs = binary_pairs(events.user_rows[recent], events.item_rows[recent], encoded.user_items.shape)
    return _column_degrees(pairs if entity == encoded.item_entity else csr_matrix(pairs @ encoded.attribute(entity)))


def _column_degrees(matrix: csr_matrix) -> NDArray[np.int64]:
    return np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.int64)
