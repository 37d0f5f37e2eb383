"""What is made of the interactions: a matrix and vocabularies, a hold-out, and vectors in one space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import luigi
import numpy as np

from pipeline.config import USER, AttributeEntity
from pipeline.data import encode, split
from pipeline.data.encode import Encoded
from pipeline.data.recency import sum_recent
from pipeline.data.split import Split
from pipeline.data.test_set import encode_test_set
from pipeline.factors import fitted
from pipeline.factors.base import effective_threads, find_factorizer
from pipeline.factors.choosing import choose_settings, left_open
from pipeline.factors.defaults import RULE_VERSION
from pipeline.factors.fitted import FittedModel
from pipeline.factors.weighting import Weighting
from pipeline.steps import InputTask, PipelineTask, StepTask
from pipeline.tasks.inputs import EntityFiles, HeldOutInteractions, Interactions, without_paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_matrix

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


class FitFactors(StepTask):
    """Latent vectors of users and items: of all interactions for the tables, of the training part for evaluation."""

    version = fitted.SCHEMA_VERSION

    split = luigi.ChoiceParameter(choices=["all", "train"], default="all", positional=False)
    fold = luigi.OptionalIntParameter(default=None, positional=False, description="of the training part")

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions, or their training part."""
        if self.split == "all":
            return {"interactions": self.other(EncodeInteractions)}
        return {"interactions": self.other(SplitInteractions, fold=self.fold)}

    def ingredients(self) -> dict[str, Any]:
        """The model and its version, and that of the rule where it chooses; threads where they change the bytes."""
        settings = self.settings
        factorizer = find_factorizer(settings.factorize.model)
        threads = effective_threads(settings.run.threads) if factorizer.threads_change_bytes else None
        return {
            "model": settings.factorize.model,
            "settings": settings.factorize.settings.as_configured(),
            "weighting": settings.weighting.as_configured(),
            "rule": RULE_VERSION if self.left_open() else None,
            "versions": factorizer.versions(),
            "seed": settings.run.seed,
            "threads": threads,
        }

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.factors.fitted.FittedModel` opens: vectors and what fold-in needs."""
        return self.folder("factors")

    def make(self, report: Progress) -> None:
        """Choose what is left open, weigh and factorize."""
        settings = self.settings
        item_entity, name = settings.interaction_space.item_entity, settings.factorize.model
        user_items = self.user_items()
        fit = choose_settings(name, settings.factorize.settings, settings.weighting, user_items)
        weighting, factorizer = Weighting.fit(user_items, fit.weighting), find_factorizer(name)(fit.model)
        factors = factorizer.fit(
            weighting.transform(user_items), seed=settings.run.seed, num_threads=settings.run.threads, progress=report
        )
        weights = None if settings.weighting.half_life_days is None else user_items.data
        model = FittedModel(name, factorizer, weighting, factors, fit.chosen, weights)
        with self.publish() as folder:
            model.save(folder, users=USER, items=item_entity)

    def user_items(self) -> csr_matrix:
        """The matrix that is factorized, before it is weighed; faded where there is a half-life."""
        encoded = self.other(EncodeInteractions).open()
        parts = None if self.split == "all" else self.other(SplitInteractions, fold=self.fold).open()
        user_items = encoded.user_items if parts is None else parts.train
        half_life = self.settings.weighting.half_life_days
        if half_life is None:
            return user_items
        events = split.events_with_times(encoded)
        return sum_recent(events if parts is None else events.where(parts.trained(events)), user_items.shape, half_life)

    def left_open(self) -> tuple[str, ...]:
        """Names of the settings that are chosen from the data when the model is fitted."""
        settings = self.settings
        return left_open(settings.factorize.model, settings.factorize.settings, settings.weighting)

    def vectors_path(self, entity: str) -> Path:
        """File of an entity type's vectors."""
        return Path(self.output().path, f"{entity}.npy")

    def open(self) -> FittedModel:
        """The output, memory-mapped."""
        return FittedModel.open(Path(self.output().path))


class FoldInEntity(StepTask):
    """Vectors of an attribute of the items, fitted with the users' held fixed: one space for all entity types."""

    entity = luigi.Parameter(positional=False)

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions and the factors of all of them."""
        return {"encoded": self.other(EncodeInteractions), "factors": self.other(FitFactors)}

    def ingredients(self) -> dict[str, Any]:
        """Which attribute."""
        return {"entity": self.entity}

    def output(self) -> luigi.LocalTarget:
        """A folder with ``ENTITY.npy``, float32, rows those of the vocabulary."""
        return self.folder("factors")

    def make(self, report: Progress) -> None:
        """Fold in."""
        settings = self.settings
        encoded, model = self.other(EncodeInteractions).open(), self.other(FitFactors).open()
        user_entities = encoded.entity_items(self.entity, model.fitted_on(encoded.user_items))
        confidences = model.weighting.transform_items(user_entities)
        vectors = model.factorizer.fold_in_items(confidences, model.factors, num_threads=settings.run.threads)
        with self.publish() as folder:
            np.save(folder / f"{self.entity}.npy", vectors)

    def vectors_path(self, entity: str) -> Path:
        """File of the entity type's vectors."""
        return Path(self.output().path, f"{entity}.npy")
