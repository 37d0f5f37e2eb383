"""Where the ids, names and vectors of an entity type come from: the interactions, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import luigi
import numpy as np

from pipeline import names
from pipeline.config import USER
from pipeline.data import imported
from pipeline.data.imported import ImportedVectors
from pipeline.errors import DataError
from pipeline.factors.weighting import column_degrees
from pipeline.steps import PipelineTask, StepTask
from pipeline.tasks.factors import FitFactors, FoldInEntity
from pipeline.tasks.inputs import EntityFiles, without_paths
from pipeline.tasks.interactions import EncodeInteractions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipeline.config import FileEntity
    from pipeline.progress import Progress


class ImportVectors(StepTask):
    """The vectors of an entity type, its ids and its names from files."""

    version = imported.SCHEMA_VERSION

    entity = luigi.Parameter(positional=False)

    def requires(self) -> Mapping[str, PipelineTask]:
        """The files."""
        return {"files": self.other(EntityFiles, entity=self.entity)}

    def ingredients(self) -> dict[str, Any]:
        """How the files are read; with whom the vectors share a space changes nothing."""
        settings = self.entity_settings()
        names = None if settings.names is None else without_paths(settings.names)
        return {"entity": self.entity, "vectors": without_paths(settings.vectors), "names": names}

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.data.imported.ImportedVectors` opens."""
        return self.folder("vectors")

    def make(self, report: Progress) -> None:
        """Import."""
        with self.publish_what_was_read() as folder:
            imported.import_vectors(self.entity, self.entity_settings(), date=self.date, folder=folder, progress=report)

    def entity_settings(self) -> FileEntity:
        """The section ``[entities.NAME]``."""
        return self.settings.file_entities[self.entity]

    def open(self) -> ImportedVectors:
        """The output."""
        return ImportedVectors.open(Path(self.output().path))

    def vectors_path(self, entity: str) -> Path:
        """File of the entity type's vectors."""
        return Path(self.output().path, f"{entity}.npy")


def vocabulary_task(task: PipelineTask, entity: str) -> EncodeInteractions | ImportVectors:
    """The task that numbers and names the entities of a type."""
    if entity in task.settings.file_entities:
        return task.other(ImportVectors, entity=entity)
    return task.other(EncodeInteractions)


class IndexNames(StepTask):
    """The names of an entity type, searched as they are typed."""

    version = names.SCHEMA_VERSION

    entity = luigi.Parameter(positional=False)

    def requires(self) -> Mapping[str, PipelineTask]:
        """The names, and what tells how popular who bears them is."""
        return {"vocabulary": vocabulary_task(self, self.entity)}

    def ingredients(self) -> dict[str, Any]:
        """Which entity type."""
        return {"entity": self.entity}

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.names.NameIndex` opens."""
        return self.folder("names")

    def make(self, report: Progress) -> None:
        """Build."""
        vocabulary = vocabulary_task(self, self.entity).open().vocabulary(self.entity)
        index = names.build_name_index(vocabulary.display_names(), self._popularity())
        with self.publish() as folder:
            index.save(folder)

    def _popularity(self) -> NDArray[np.int64] | None:
        """Users of each item or attribute, items of each user; None where there are no interactions."""
        if self.entity in self.settings.file_entities:
            return None
        encoded = self.other(EncodeInteractions).open()
        if self.entity == USER:
            return np.diff(encoded.user_items.indptr).astype(np.int64)
        return column_degrees(encoded.entity_items(self.entity))


def vectors_task(task: PipelineTask, entity: str) -> FitFactors | FoldInEntity | ImportVectors:
    """The task that makes an entity type's vectors, from all of the interactions or from a file."""
    settings = task.settings
    if entity in settings.file_entities:
        return task.other(ImportVectors, entity=entity)
    if entity in settings.interaction_space.attributes:
        return task.other(FoldInEntity, entity=entity)
    return task.other(FitFactors)


def open_vectors(task: PipelineTask, entity: str) -> NDArray[np.float32]:
    """Map the vectors of an entity type, float32, shape ``(n, d)``, rows those of the vocabulary."""
    vectors: NDArray[np.float32] = np.load(vectors_task(task, entity).vectors_path(entity), mmap_mode="r")
    return vectors


def open_comparable_vectors(task: PipelineTask, entity: str, like: str) -> NDArray[np.float32]:
    """Map the vectors of an entity type that are to be compared with those of another.

    Raises
    ------
    DataError
        If these have other dimensions.
    """
    vectors, expected = open_vectors(task, entity), open_vectors(task, like).shape[1]
    if vectors.shape[1] != expected:
        raise DataError(
            f"expected vectors of one model for {entity} and {like}, which the configuration has in one space; "
            f"got {vectors.shape[1]} dimensions for {entity} and {expected} for {like}",
            hint=f"Name another file, or another space, in entities.{entity} or entities.{like}.",
        )
    return vectors
