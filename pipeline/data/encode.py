"""Interactions on disk to a sparse matrix, vocabularies and attributes; and reading them back."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix

from pipeline.config import USER, AttributeEntity, Config, InteractionSpace, InteractionsSettings
from pipeline.data.attributes import read_attribute, read_names
from pipeline.data.files import require_unchanged
from pipeline.data.ids import IdEncoder
from pipeline.data.interactions import read_interactions
from pipeline.data.matrices import canonical, open_array, open_csr, save_array, save_csr, sum_pairs
from pipeline.data.sources import open_source
from pipeline.data.thresholds import find_core
from pipeline.data.vocabulary import Vocabulary
from pipeline.errors import DataError
from pipeline.progress import Progress, no_progress, span

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.data.files import FileStamp
    from pipeline.data.source import FileSettings, Source

#: Raised whenever what :func:`encode` writes changes, so that nothing older is taken for it.
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class EncodedEvents:
    """Every event used, in the order of the input.

    Attributes
    ----------
    user_rows, item_rows
        int32, shape ``(n_events,)``.
    weights
        float32, shape ``(n_events,)``; 1 where the interactions have no weight.
    timestamps
        int64, shape ``(n_events,)``, microseconds since 1970-01-01 UTC.
    """

    user_rows: NDArray[np.int32]
    item_rows: NDArray[np.int32]
    weights: NDArray[np.float32]
    timestamps: NDArray[np.int64]

    def where(self, mask: NDArray[np.bool_]) -> EncodedEvents:
        """The events for which a mask is true."""
        return EncodedEvents(self.user_rows[mask], self.item_rows[mask], self.weights[mask], self.timestamps[mask])


def input_stamps(config: Config, date: datetime.date) -> dict[str, list[FileStamp]]:
    """What tells whether the inputs of :func:`encode` are still the same, by the section that names them.

    An input that is not there has no stamps; that is not an error here.
    """
    space = config.interaction_space
    sections: dict[str, FileSettings] = {"interactions": space.interactions}
    for name, entity in sorted(space.entities.items()):
        if isinstance(entity, AttributeEntity):
            sections[f"entities.{name}.map"] = entity.map
        if entity.names is not None:
            sections[f"entities.{name}.names"] = entity.names
    return {section: open_source(settings, date=date).stamps() for section, settings in sections.items()}


def encode(config: Config, date: datetime.date, folder: Path, progress: Progress = no_progress) -> None:
    """Read the inputs and write them as matrices and vocabularies; :class:`Encoded` opens them.

    The same input gives the same bytes. Memory at the peak: about 60 bytes an event (70 with timestamps), three times
    the distinct ids, and a few row groups.

    Parameters
    ----------
    config
        What to read.
    date
        The last day that is read.
    folder
        An empty folder to write into.
    progress
        Told how far it is.

    Raises
    ------
    MissingInputError
        If a file or a column is missing.
    DataError
        If an input cannot be used, nothing is left of it, or it changes while it is read.
    ConfigError
        If a setting does not fit the input.
    """
    space = config.interaction_space
    stamps = input_stamps(config, date)
    source = open_source(space.interactions, date=date)
    events = _collect(source, space.interactions, date, span(progress, 0.0, 0.6))
    progress(0.6, "building the matrix")
    events, user_items, stats = _build(events, space.interactions)
    progress(0.8, "reading attributes and names")
    vocabularies = {USER: events.user_ids, space.item_entity: events.item_ids}
    items = Vocabulary(events.item_ids)
    stats["attributes"] = {}
    for name, entity in space.attributes.items():
        attribute = read_attribute(entity.map, items, date=date)
        save_csr(folder / "attributes" / name, attribute.item_values)
        vocabularies[name] = attribute.ids
        stats["attributes"][name] = attribute.stats
    stats["names"] = _save_vocabularies(space, vocabularies, date, folder)
    require_unchanged(stamps, input_stamps(config, date))
    progress(0.9, "writing")
    _save(events, user_items, stats, space.item_entity, folder)
    progress(1.0, "encoded")


@dataclass
class _Collected:
    """Events with their ids numbered."""

    user_ids: pa.Array
    item_ids: pa.Array
    user_rows: NDArray[np.int32]
    item_rows: NDArray[np.int32]
    weights: NDArray[np.float32] | None
    timestamps: NDArray[np.int64] | None
    rows_read: int


def _collect(source: Source, settings: InteractionsSettings, date: datetime.date, progress: Progress) -> _Collected:
    """Read all events."""
    users = IdEncoder(f"column {settings.user!r}", text=source.text)
    items = IdEncoder(f"column {settings.item!r}", text=source.text)
    weights: list[NDArray[np.float32]] = []
    times: list[NDArray[np.int64]] = []
    expected = max(1, source.estimated_rows())
    # Arrow hashes without holding the interpreter: two threads do users and items side by side.
    with ThreadPoolExecutor(2) as pool:
        for events in read_interactions(source, settings, date=date):
            added = [pool.submit(users.add, events.users), pool.submit(items.add, events.items)]
            if events.weights is not None:
                weights.append(events.weights)
            if events.timestamps is not None:
                times.append(events.timestamps)
            for future in added:
                future.result()
            progress(min(1.0, source.rows_seen / expected), f"read {source.rows_seen:,} rows")
        finished = pool.submit(users.finish)
        item_ids, item_rows = items.finish()
        user_ids, user_rows = finished.result()
    if not len(user_rows):
        raise DataError(_nothing_read(source, settings, date))
    return _Collected(
        user_ids,
        item_ids,
        user_rows,
        item_rows,
        np.concatenate(weights) if weights else None,
        np.concatenate(times) if times else None,
        source.rows_seen,
    )


def _nothing_read(source: Source, settings: InteractionsSettings, date: datetime.date) -> str:
    limits = []
    if settings.timestamp is not None:
        days = "" if settings.window_days is None else f" and in the {settings.window_days} days before its end"
        limits.append(f"at or before the end of {date} (UTC){days}")
    if settings.where is not None:
        limits.append(f"where {settings.where}")
    suffix = f" {' and '.join(limits)}" if limits else ""
    return f"{source.path}: expected events, but none of its {source.rows_seen:,} rows is one{suffix}"


def _build(events: _Collected, settings: InteractionsSettings) -> tuple[_Collected, csr_matrix, dict[str, Any]]:
    """Sum the events of each user and item, and leave out the rare ones."""
    n_events = len(events.user_rows)
    shape = (len(events.user_ids), len(events.item_ids))
    user_items = sum_pairs(events.user_rows, events.item_rows, events.weights, shape)
    if settings.min_items_per_user > 1 or settings.min_users_per_item > 1:
        events, user_items = _apply_thresholds(events, user_items, settings)
    stats = {
        "rows_read": events.rows_read,
        "rows_outside_filters": events.rows_read - n_events,
        "rows_below_thresholds": n_events - len(events.user_rows),
        "rows_used": len(events.user_rows),
        "users": user_items.shape[0],
        "users_below_thresholds": shape[0] - user_items.shape[0],
        "items": user_items.shape[1],
        "items_below_thresholds": shape[1] - user_items.shape[1],
        "nnz": int(user_items.nnz),
    }
    if events.timestamps is not None:
        stats["first_timestamp"] = int(events.timestamps.min())
        stats["last_timestamp"] = int(events.timestamps.max())
    return events, user_items, stats


def _apply_thresholds(
    events: _Collected, user_items: csr_matrix, settings: InteractionsSettings
) -> tuple[_Collected, csr_matrix]:
    core = find_core(
        user_items,
        min_items_per_user=settings.min_items_per_user,
        min_users_per_item=settings.min_users_per_item,
    )
    if not core.users.any():
        steps = ", then ".join(f"{users:,} users and {items:,} items" for users, items in core.steps)
        raise DataError(
            f"nothing is left after min_items_per_user = {settings.min_items_per_user} and "
            f"min_users_per_item = {settings.min_users_per_item}: {steps}",
            hint="Lower the thresholds in [interactions].",
        )
    kept = core.users[events.user_rows] & core.items[events.item_rows]
    user_numbers = np.cumsum(core.users, dtype=np.int32) - 1
    item_numbers = np.cumsum(core.items, dtype=np.int32) - 1
    dense = canonical(user_items[np.flatnonzero(core.users)][:, np.flatnonzero(core.items)])
    return (
        _Collected(
            events.user_ids.filter(pa.array(core.users)),
            events.item_ids.filter(pa.array(core.items)),
            user_numbers[events.user_rows[kept]],
            item_numbers[events.item_rows[kept]],
            None if events.weights is None else events.weights[kept],
            None if events.timestamps is None else events.timestamps[kept],
            events.rows_read,
        ),
        dense,
    )


def _save_vocabularies(
    space: InteractionSpace, ids: dict[str, pa.Array], date: datetime.date, folder: Path
) -> dict[str, dict[str, int]]:
    """Write the ids of each entity type with their names; returns what was counted while reading the names."""
    stats = {}
    (folder / "vocabularies").mkdir()
    for name, values in ids.items():
        settings = space.entities[name].names
        names = None
        if settings is not None:
            names, stats[name] = read_names(settings, values, date=date)
        Vocabulary(values, names).save(folder / "vocabularies" / f"{name}.parquet")
    return stats


def _save(events: _Collected, user_items: csr_matrix, stats: dict[str, Any], item_entity: str, folder: Path) -> None:
    save_csr(folder / "user_items", user_items)
    if events.timestamps is not None:
        weights = np.ones(len(events.user_rows), np.float32) if events.weights is None else events.weights
        (folder / "events").mkdir()
        columns: dict[str, NDArray[Any]] = {
            "user_rows": events.user_rows,
            "item_rows": events.item_rows,
            "weights": weights,
            "timestamps": events.timestamps,
        }
        for name, array in columns.items():
            save_array(folder / "events" / f"{name}.npy", array)
        last_seen = np.full(len(events.user_ids), np.iinfo(np.int64).min)
        np.maximum.at(last_seen, events.user_rows, events.timestamps)
        save_array(folder / "last_seen.npy", last_seen)
    document = {"schema_version": SCHEMA_VERSION, "item_entity": item_entity, "stats": stats}
    (folder / "encoded.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Encoded:
    """What :func:`encode` wrote into a folder; nothing is read before it is asked for, arrays are mapped.

    Pickles as its path.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Encoded:
        """Open a folder; FileNotFoundError if nothing was encoded into it."""
        if not (folder / "encoded.json").is_file():
            raise FileNotFoundError(f"{folder}: expected encoded interactions, found none")
        return cls(folder)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.folder,))

    @cached_property
    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "encoded.json").read_text(encoding="utf-8"))
        return document

    @property
    def stats(self) -> dict[str, Any]:
        """Counts of what was read, used and left out."""
        stats: dict[str, Any] = self._document["stats"]
        return stats

    @property
    def item_entity(self) -> str:
        """The entity type of the items."""
        return str(self._document["item_entity"])

    @property
    def user_items_folder(self) -> Path:
        """Where :attr:`user_items` is."""
        return self.folder / "user_items"

    @cached_property
    def user_items(self) -> csr_matrix:
        """Summed weights, CSR, float32, shape ``(n_users, n_items)``, indices sorted."""
        return open_csr(self.user_items_folder)

    def vocabulary(self, entity: str) -> Vocabulary:
        """Ids and names of an entity type; read once."""
        loaded: dict[str, Vocabulary] = self.__dict__.setdefault("_vocabularies", {})
        if entity not in loaded:
            loaded[entity] = Vocabulary.load(self._existing(self.folder / "vocabularies" / f"{entity}.parquet"))
        return loaded[entity]

    def attribute(self, entity: str) -> csr_matrix:
        """Which items have which values, CSR, binary float32, shape ``(n_items, n_values)``; opened once."""
        opened: dict[str, csr_matrix] = self.__dict__.setdefault("_attributes", {})
        if entity not in opened:
            opened[entity] = open_csr(self._existing(self.folder / "attributes" / entity))
        return opened[entity]

    def entity_items(self, entity: str, user_items: csr_matrix | None = None) -> csr_matrix:
        """Summed weights of users and an entity type, CSR, float32, shape ``(n_users, n_entities)``.

        For an attribute: each item's weight goes to every value the item has. Computed anew at each call.

        Parameters
        ----------
        entity
            The items, or an attribute of theirs.
        user_items
            Other weights of users and items in the place of :attr:`user_items`.
        """
        user_items = self.user_items if user_items is None else user_items
        if entity == self.item_entity:
            return user_items
        product = csr_matrix(user_items @ self.attribute(entity))
        product.sort_indices()
        return canonical(product)

    @cached_property
    def events(self) -> EncodedEvents | None:
        """Every event used; None without timestamps."""
        folder = self.folder / "events"
        if not folder.is_dir():
            return None
        return EncodedEvents(
            user_rows=open_array(folder / "user_rows.npy"),
            item_rows=open_array(folder / "item_rows.npy"),
            weights=open_array(folder / "weights.npy"),
            timestamps=open_array(folder / "timestamps.npy"),
        )

    @cached_property
    def last_seen(self) -> NDArray[np.int64] | None:
        """Time of each user's last event, int64 microseconds since 1970-01-01 UTC; None without timestamps."""
        path = self.folder / "last_seen.npy"
        return open_array(path) if path.is_file() else None

    def _existing(self, path: Path) -> Path:
        if not path.exists():
            raise ValueError(f"unknown entity type {path.stem!r} in {self.folder}")
        return path
