"""What is made of the interactions: a matrix and vocabularies, and a hold-out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import luigi

from pipeline.config import AttributeEntity
from pipeline.data import encode, split
from pipeline.data.encode import Encoded
from pipeline.data.split import Split
from pipeline.data.test_set import encode_test_set
from pipeline.steps import InputTask, PipelineTask, StepTask
from pipeline.tasks.inputs import EntityFiles, HeldOutInteractions, Interactions, without_paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.progress import Progress

#: The keys of an entity type as they stand in a fingerprint, whichever of them its kind has.
_ENTITY_KEYS = ("column", "of", "map", "names")


class EncodeInteractions(StepTask):
    """Interactions to a sparse matrix, vocabularies, attributes and names."""

    version = encode.SCHEMA_VERSION

    def requires(self) -> Mapping[str, InputTask]:
        """All files that are read."""
        entities = self.settings.interaction_space.entities.items()
        with_files = [
            name for name, entity in entities if isinstance(entity, AttributeEntity) or entity.names is not None
        ]
        return {
            "interactions": self.other(Interactions),
            **{f"entities.{name}": self.other(EntityFiles, entity=name) for name in with_files},
        }

    def ingredients(self) -> dict[str, Any]:
        """How the files are read; the date only where it can change what is read."""
        space = self.settings.interaction_space
        return {
            "interactions": without_paths(space.interactions),
            "entities": {
                name: dict.fromkeys(_ENTITY_KEYS) | without_paths(entity) for name, entity in space.entities.items()
            },
            "date": self.date.isoformat() if space.interactions.depend_on_date else None,
        }

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.data.encode.Encoded` opens."""
        return self.folder("encoded")

    def make(self, report: Progress) -> None:
        """Encode."""
        with self.publish_what_was_read() as folder:
            encode.encode(self.settings, self.date, folder, report)

    def open(self) -> Encoded:
        """The output."""
        return Encoded.open(Path(self.output().path))


class SplitInteractions(StepTask):
    """A training part and a hold-out of the interactions, for the evaluation."""

    version = split.SCHEMA_VERSION

    fold = luigi.OptionalIntParameter(default=None, positional=False, description="None, or 1 and so on for another")

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions."""
        return {"encoded": self.other(EncodeInteractions)}

    def ingredients(self) -> dict[str, Any]:
        """How the hold-out is chosen."""
        settings = self.settings
        return {
            "by_time": settings.splits_by_time,
            "test_fraction": settings.evaluation.test_fraction,
            "seed": settings.run.seed,
            **({} if self.fold is None else {"fold": self.fold}),
        }

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.data.split.Split` opens."""
        return self.folder("split")

    def make(self, report: Progress) -> None:
        """Split."""
        settings = self.settings
        with self.publish() as folder:
            split.split(
                self.other(EncodeInteractions).open(),
                settings.evaluation,
                by_time=settings.splits_by_time,
                seed=settings.run.seed,
                fold=self.fold or 0,
                folder=folder,
            )

    def open(self) -> Split:
        """The output."""
        return Split.open(Path(self.output().path))


class EncodeTestSet(StepTask):
    """The test set of the configuration, over the users and items of the interactions."""

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions, and the files."""
        return {"encoded": self.other(EncodeInteractions), "test": self.other(HeldOutInteractions)}

    def ingredients(self) -> dict[str, Any]:
        """How the files are read."""
        return {"interactions": without_paths(self.other(HeldOutInteractions).read_settings())}

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.data.split.Split` opens."""
        return self.folder("split")

    def make(self, report: Progress) -> None:
        """Encode."""
        encoded, settings = self.other(EncodeInteractions).open(), self.other(HeldOutInteractions).read_settings()
        with self.publish_what_was_read() as folder:
            encode_test_set(encoded, settings, date=self.date, folder=folder)

    def open(self) -> Split:
        """The output; its training part is all interactions."""
        train_folder = self.other(EncodeInteractions).open().user_items_folder
        return Split.open(Path(self.output().path), train_folder=train_folder)
