"""Maps of the entity types."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import luigi
import numpy as np

from pipeline import maps
from pipeline.data.popularity import interactions_of
from pipeline.steps import PipelineTask, StepTask
from pipeline.tasks.entities import ImportVectors, open_vectors, vectors_task, vocabulary_task
from pipeline.tasks.interactions import EncodeInteractions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipeline.progress import Progress


class DrawMap(StepTask):
    """The most popular entities of a type in two dimensions."""

    version = maps.SCHEMA_VERSION

    entity = luigi.Parameter(positional=False)

    def requires(self) -> Mapping[str, PipelineTask]:
        """The vectors, and the ids, names and popularity."""
        return {"encoded": vocabulary_task(self, self.entity), "vectors": vectors_task(self, self.entity)}

    def ingredients(self) -> dict[str, Any]:
        """How many, and what lays them out."""
        return {
            "entity": self.entity,
            "items": self.settings.report.map_items,
            "seed": self.settings.run.seed,
            "versions": {package: version(package) for package in ("numpy", "scikit-learn")},
        }

    def output(self) -> luigi.LocalTarget:
        """A Parquet file, see :func:`pipeline.maps.save_map`."""
        return luigi.LocalTarget(str(self.store.path("maps", self.fingerprint, f"{self.entity}.parquet")))

    def make(self, report: Progress) -> None:
        """Choose, lay out and colour."""
        settings = self.settings
        vectors = open_vectors(self, self.entity)
        rows = maps.choose_rows(self.popularity(), vectors, settings.report.map_items)
        report(0.1, f"placing {len(rows):,} of {len(vectors):,}")
        chosen = np.ascontiguousarray(vectors[rows])
        places = maps.place(chosen, seed=settings.run.seed)
        groups = self.attribute_groups(rows) or maps.cluster(chosen, seed=settings.run.seed)
        path = Path(self.output().path)
        with self.publish(path.parent) as folder:
            vocabulary = vocabulary_task(self, self.entity).open().vocabulary(self.entity)
            maps.save_map(folder / path.name, vocabulary, rows, places, groups)

    def popularity(self) -> NDArray[np.int64]:
        """Of each entity: its interactions, or how early it comes in the file of its vectors."""
        source = vocabulary_task(self, self.entity)
        if isinstance(source, ImportVectors):
            return -source.open().positions
        return interactions_of(source.open(), self.entity)

    def attribute_groups(self, rows: NDArray[np.int64]) -> list[str | None] | None:
        """What items are coloured by: the attribute with the fewest values, if they are few enough to tell apart."""
        settings = self.settings
        if self.entity in settings.file_entities or self.entity != settings.interaction_space.item_entity:
            return None
        encoded = self.other(EncodeInteractions).open()
        attributes = {entity: encoded.attribute(entity) for entity in settings.interaction_space.attributes}
        few = [entity for entity, values in attributes.items() if 1 < values.shape[1] <= maps.MOST_VALUES]
        if not few:
            return None
        entity = min(few, key=lambda entity: (attributes[entity].shape[1], entity))
        return maps.attribute_groups(attributes[entity], encoded.vocabulary(entity).display_names(), rows)
