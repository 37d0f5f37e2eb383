"""Look-ups in a published run: similar entities and recommendations, by name or id.

>>> run = pipeline.open_run("runs/lastfm")
>>> run.similar("artist", "Radiohead", k=3)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import annlib
from pipeline.config import USER
from pipeline.data.encode import Encoded
from pipeline.data.imported import ImportedVectors
from pipeline.errors import ConfigError, StoreError
from pipeline.names import find_row
from pipeline.store import Store, read_json

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.data.vocabulary import Vocabulary


@dataclass(frozen=True)
class Neighbor:
    """One entity of a list: its id as it came, its name, the score it is ranked by and its rank from 1."""

    id: int | str
    name: str
    score: float
    rank: int


def open_run(root: str | os.PathLike[str]) -> Run:
    """Open the published run of a root.

    Parameters
    ----------
    root
        Folder the runs are written to, ``run.root`` of the configuration.

    Raises
    ------
    StoreError
        If nothing is published there.
    """
    store = Store(Path(root))
    content = store.current()
    if content is None:
        raise StoreError(
            f"no published run in {store.root}: current.json not found", hint="Make one: cfpipe run CONFIG."
        )
    return Run(store, content)


class Run:
    """A published run, read-only. Its files are memory-mapped and shared with every other process that uses them.

    Attributes
    ----------
    content
        What ``current.json`` says of it.
    """

    def __init__(self, store: Store, content: dict[str, Any]) -> None:
        self._store = store
        self.content = content
        self._indexes: dict[str, annlib.Index] = {}

    @property
    def root(self) -> Path:
        """Folder that the paths in ``content`` are relative to."""
        return self._store.root

    @property
    def date(self) -> str:
        """Date of the run, as ISO 8601."""
        return str(self.content["date"])

    @property
    def entities(self) -> list[str]:
        """The entity types."""
        return sorted(self.content["vectors"])

    @property
    def has_interactions(self) -> bool:
        """Whether some entity types come from interactions; else all have their vectors from files."""
        return "encoded" in self.content

    @property
    def tables(self) -> dict[str, Path]:
        """Folder of each table."""
        return {name: self._store.path(path) for name, path in self.content["tables"].items()}

    def manifest(self, table: str) -> dict[str, Any]:
        """The manifest of a table."""
        return read_json(self.tables[table] / "manifest.json")

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        """The quality measured on the hold-out, beside the baselines'.

        Raises
        ------
        ConfigError
            If the run has no interactions.
        """
        return read_json(self._path_of("evaluation"))

    @cached_property
    def encoded(self) -> Encoded:
        """The interactions, and the vocabularies of the entity types that come from them.

        Raises
        ------
        ConfigError
            If the run has no interactions.
        """
        return Encoded.open(self._path_of("encoded"))

    @cached_property
    def imported(self) -> dict[str, ImportedVectors]:
        """The entity types whose vectors come from a file."""
        paths = self.content.get("imported", {})
        return {entity: ImportedVectors.open(self._store.path(path)) for entity, path in paths.items()}

    def vocabulary(self, entity: str) -> Vocabulary:
        """Ids and names of an entity type."""
        self._check_entity(entity)
        if entity in self.imported:
            return self.imported[entity].vocabulary(entity)
        return self.encoded.vocabulary(entity)

    def similar(self, entity: str, query: int | str, k: int = 10) -> list[Neighbor]:
        """The entities of the same type nearest to one of them, by the cosine of their vectors.

        Parameters
        ----------
        entity
            An entity type, such as ``"artist"``.
        query
            Its name or id.
        k
            How many, at most.

        Raises
        ------
        UnknownNameError
            If the query matches nothing, or several; the message says what is close, or which.
        """
        return self.similar_to_row(entity, find_row(self.vocabulary(entity), entity, query), k)

    def similar_to_row(self, entity: str, row: int, k: int = 10) -> list[Neighbor]:
        """The entities nearest to that of a row of the vocabulary, as :meth:`similar` finds them."""
        index = self.index(entity, "cosine")
        rows, scores = index.neighbor_rows(k, rows=[row])
        return self._neighbors(entity, rows[0], scores[0])

    def recommend(
        self, user: int | str, k: int = 10, *, entity: str | None = None, exclude_seen: bool = True
    ) -> list[Neighbor]:
        """The items, or entities of another type, that suit a user best, by the inner product of their vectors.

        Parameters
        ----------
        user
            Name or id of the user.
        k
            How many, at most.
        entity
            The type of what is recommended; the items by default.
        exclude_seen
            Whether to leave out what the user has interacted with.

        Raises
        ------
        UnknownNameError
            If no user, or several, match.
        ConfigError
            If the run has no interactions, or the entity type does not come from them.
        """
        users = self.encoded.vocabulary(USER)
        entity = entity or self.encoded.item_entity
        self._check_entity(entity)
        if entity in self.imported:
            raise ConfigError(f"{entity} cannot be recommended: its vectors come from a file, not from interactions")
        index = self.index(entity, "inner_product")
        row = find_row(users, USER, user)
        exclude = self._seen(row, entity) if exclude_seen else None
        rows, scores = index.search_rows(self._user_vectors[row][None, :], k, exclude=exclude)
        return self._neighbors(entity, rows[0], scores[0])

    def index(self, entity: str, metric: str) -> annlib.Index:
        """The index of an entity type under a metric.

        Raises
        ------
        ConfigError
            If the run has none.
        """
        name = f"{entity}.{metric}"
        if name not in self.content["indexes"]:
            known = ", ".join(self.content["indexes"])
            raise ConfigError(
                f"the run has no index {name}, only {known}", hint="Declare a table that searches it, and run again."
            )
        if name not in self._indexes:
            self._indexes[name] = annlib.Index.open(self._store.path(self.content["indexes"][name]))
        return self._indexes[name]

    @cached_property
    def _user_vectors(self) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = np.load(self._store.path(self.content["vectors"][USER]), mmap_mode="r")
        return vectors

    def _seen(self, user_row: int, entity: str) -> csr_matrix:
        """What a user has interacted with, as one row of a CSR matrix."""
        items = self.encoded.user_items[[user_row]]
        return items if entity == self.encoded.item_entity else items @ self.encoded.attribute(entity)

    def _neighbors(self, entity: str, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> list[Neighbor]:
        vocabulary = self.vocabulary(entity)
        return [
            Neighbor(vocabulary.id(row), vocabulary.name(row), float(score), rank)
            for rank, (row, score) in enumerate(zip(rows.tolist(), scores, strict=True), start=1)
            if row >= 0
        ]

    def _check_entity(self, entity: str) -> None:
        if entity not in self.content["vectors"]:
            raise ConfigError(f"unknown entity type {entity!r}: expected one of {', '.join(self.entities)}")

    def _path_of(self, key: str) -> Path:
        if key not in self.content:
            raise ConfigError("the run has no interactions: every entity type has its vectors from a file")
        return self._store.path(self.content[key])
