"""The entities of a published run: found by id or by what was typed, and what they are connected with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import USER
from pipeline.errors import StoreError
from pipeline.names import NameIndex, build_name_index
from pipeline.serve.errors import NotFoundError
from pipeline.serve.models import Entity, EntityDetails

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.data.vocabulary import Vocabulary
    from pipeline.lookup import Run

#: Names of a run without an index of them that are indexed when it is opened: a second's work.
_MAX_UNINDEXED_NAMES = 200_000
#: How many connected entities of a type are shown.
_SHOWN_RELATED = 12


class Catalogue:
    """The entities of a run, everything opened at once, so that a run that is deleted still answers.

    Parameters
    ----------
    run
        The published run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._vocabularies = {entity: run.vocabulary(entity) for entity in run.entities}
        self._names = {entity: self._open_names(entity) for entity in run.entities}
        self._item_entity = run.encoded.item_entity if run.has_interactions else None
        self._user_items = run.encoded.user_items if run.has_interactions else None
        self._attributes = [entity for entity in run.entities if entity not in {USER, self._item_entity, *run.imported}]
        self._item_places = self._places_by_popularity(self._item_entity)
        # Which items have an attribute, the other way round: rows of attributes.
        self._items_of = {entity: run.encoded.attribute(entity).tocsc() for entity in self._attributes}

    def vocabulary(self, entity: str) -> Vocabulary:
        """Ids and names of an entity type."""
        if entity not in self._vocabularies:
            raise NotFoundError(
                f"unknown entity type {entity[:50]!r}", hint=f"Entity types: {', '.join(self._vocabularies)}."
            )
        return self._vocabularies[entity]

    def row(self, entity: str, id: str) -> int:  # noqa: A002
        """Row of an id that came as text."""
        vocabulary = self.vocabulary(entity)
        row = vocabulary.row(vocabulary.parse(id))
        if row < 0:
            raise NotFoundError(f"no {entity} has the id {id[:50]!r}", hint="Search for its name.")
        return row

    def reference(self, reference: str) -> tuple[str, int]:
        """Entity type and row of ``type:id``."""
        entity, _, id = reference.partition(":")  # noqa: A001
        return entity, self.row(entity, id)

    def identify(self, entity: str, row: int) -> dict[str, str]:
        """Type, id and name of a row, as :class:`Entity` and those derived from it take them."""
        vocabulary = self._vocabularies[entity]
        return {"type": entity, "id": str(vocabulary.id(row)), "name": vocabulary.name(row)}

    def entity(self, entity: str, row: int) -> Entity:
        """Type, id and name of a row."""
        return Entity(**self.identify(entity, row))

    def search(self, entity: str, query: str, limit: int) -> list[Entity]:
        """Names that match what was typed, best first, then the id it is; the most popular where nothing was typed."""
        vocabulary, names = self.vocabulary(entity), self._names.get(entity)
        if names is None:
            raise StoreError(
                f"the run of {self._run.date} has no index of names: it was published by an earlier version of cfpipe",
                hint="Run again: cfpipe run CONFIG.",
            )
        rows = [row for row, _ in names.search(query, limit)] if query.strip() else names.most_popular(limit)
        meant = vocabulary.row(vocabulary.parse(query.strip()))
        if meant >= 0 and meant not in rows:
            rows = [*rows[: limit - 1], meant]
        return [self.entity(entity, row) for row in rows]

    def describe(self, entity: str, row: int) -> EntityDetails:
        """An entity, and what it is connected with."""
        connected = {name: rows for name, rows in self._connected(entity, row) if len(rows)}
        return EntityDetails(
            **self.identify(entity, row),
            related={name: self._entities(name, rows[:_SHOWN_RELATED]) for name, rows in connected.items()},
            counts={name: len(rows) for name, rows in connected.items()},
        )

    def _connected(self, entity: str, row: int) -> Iterable[tuple[str, NDArray[np.int32]]]:
        if self._user_items is None or self._item_entity is None:
            return
        if entity == USER:
            yield self._item_entity, _heaviest(self._user_items, row)
        elif entity == self._item_entity:
            for attribute in self._attributes:
                yield attribute, _heaviest(self._run.encoded.attribute(attribute), row)
        elif entity in self._items_of:
            columns = self._items_of[entity]
            items = columns.indices[columns.indptr[row] : columns.indptr[row + 1]]
            yield self._item_entity, items[np.argsort(self._item_places[items], kind="stable")]

    def _entities(self, entity: str, rows: NDArray[np.int32]) -> list[Entity]:
        return [self.entity(entity, row) for row in rows.tolist()]

    def _places_by_popularity(self, entity: str | None) -> NDArray[np.int32]:
        """Place of each row among all by popularity; by row where popularity is not known."""
        if entity is None:
            return np.empty(0, dtype=np.int32)
        names = self._names[entity]
        places = np.arange(len(self._vocabularies[entity]), dtype=np.int32)
        if names is not None:
            places[names.rows] = np.arange(len(names), dtype=np.int32)
        return places

    def _open_names(self, entity: str) -> NameIndex | None:
        try:
            return self._run.names(entity)
        except StoreError:
            vocabulary = self._vocabularies[entity]
            if len(vocabulary) > _MAX_UNINDEXED_NAMES:
                return None
            return build_name_index(vocabulary.display_names())


def _heaviest(matrix: csr_matrix, row: int) -> NDArray[np.int32]:
    """Columns of the entries of a row, the heaviest first."""
    entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
    columns: NDArray[np.int32] = matrix.indices[entries][np.argsort(-matrix.data[entries], kind="stable")]
    return columns
