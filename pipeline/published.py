"""A published run: its files, opened when they are asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

import annlib
from pipeline.config import USER
from pipeline.data.encode import Encoded
from pipeline.data.imported import ImportedVectors
from pipeline.data.matrices import open_array
from pipeline.errors import ConfigError, StoreError
from pipeline.factors.fitted import FittedModel
from pipeline.fold_in import FoldIn
from pipeline.names import NameIndex
from pipeline.store import Store, read_json
from pipeline.tables.kept import KeptRules

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from pipeline.data.vocabulary import Vocabulary


class PublishedRun:
    """What a published run holds, read-only, and the same whatever is published later.

    Its files are memory-mapped and shared with every other process that uses them.

    Attributes
    ----------
    content
        What ``current.json`` says of it.
    """

    def __init__(self, store: Store, content: dict[str, Any]) -> None:
        self._store = store
        self.content = content
        self._indexes: dict[str, annlib.Index] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}

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
        self.check_entity(entity)
        if entity in self.imported:
            return self.imported[entity].vocabulary(entity)
        return self.encoded.vocabulary(entity)

    def names(self, entity: str) -> NameIndex:
        """The names of an entity type, to be searched as they are typed.

        Raises
        ------
        StoreError
            If the run was published before names were indexed.
        """
        self.check_entity(entity)
        if entity not in self.content.get("names", {}):
            raise StoreError(
                f"the run of {self.date} has no index of names: it was published by an earlier version of cfpipe",
                hint="Run again: cfpipe run CONFIG.",
            )
        return NameIndex.open(self._store.path(self.content["names"][entity]))

    def rules(self, entity: str) -> KeptRules | None:
        """What recommendations of an entity type obey: the rules of the first table from users to it.

        None where there is no such table, or the run was published before rules were kept.
        """
        self.check_entity(entity)
        path = self.content.get("rules", {}).get(entity)
        return None if path is None else KeptRules.open(self._store.path(path))

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

    def vectors(self, entity: str) -> NDArray[np.float32]:
        """The vectors of an entity type, mapped, float32, shape ``(n, d)``."""
        if entity not in self._vectors:
            self._vectors[entity] = open_array(self._store.path(self.content["vectors"][entity]))
        return self._vectors[entity]

    @property
    def maps(self) -> list[str]:
        """The entity types that have a map; none in a run that was published before there were maps."""
        return sorted(self.content.get("maps", {}))

    def map(self, entity: str) -> pa.Table:
        """The map of an entity type: columns ``id, name, x, y, group``, the most popular first.

        Coordinates are float32 within 0 and 1; the group is the number of a cluster, or the name of an attribute.

        Raises
        ------
        ConfigError
            If there is no such entity type, or it has no map.
        StoreError
            If the run was published before there were maps.
        """
        self.check_entity(entity)
        if "maps" not in self.content:
            raise StoreError(
                f"the run of {self.date} has no maps: it was published by an earlier version of cfpipe",
                hint="Run again: cfpipe run CONFIG.",
            )
        if entity not in self.maps:
            raise ConfigError(f"{entity} has no map, only {', '.join(self.maps)}")
        return pq.read_table(self._store.path(self.content["maps"][entity]))

    @cached_property
    def fold_in(self) -> FoldIn:
        """The run's model, which takes in what it was not fitted on.

        Raises
        ------
        ConfigError
            If the run has no interactions.
        StoreError
            If the run was published before models were kept.
        """
        encoded = self.encoded
        if "model" not in self.content:
            raise StoreError(
                f"the run of {self.date} keeps no model: it was published by an earlier version of cfpipe",
                hint="Run again: cfpipe run CONFIG.",
            )
        attributes = set(self.entities) - {USER, encoded.item_entity, *self.imported}
        return FoldIn(
            encoded,
            FittedModel.open(self._path_of("model")),
            {entity: self.vectors(entity) for entity in sorted(attributes)},
        )

    def check_entity(self, entity: str) -> None:
        """Raise a ConfigError if there is no such entity type."""
        if entity not in self.content["vectors"]:
            raise ConfigError(f"unknown entity type {entity!r}: expected one of {', '.join(self.entities)}")

    def _path_of(self, key: str) -> Path:
        if key not in self.content:
            raise ConfigError("the run has no interactions: every entity type has its vectors from a file")
        return self._store.path(self.content[key])
