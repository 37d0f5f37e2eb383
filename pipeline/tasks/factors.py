"""What is fitted to the interactions: the settings that are left to the data, and vectors in one space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import luigi
import numpy as np

from pipeline.config import USER
from pipeline.data import split
from pipeline.data.recency import sum_recent
from pipeline.errors import DataError
from pipeline.factors import fitted
from pipeline.factors.base import effective_threads, find_factorizer
from pipeline.factors.choosing import FitSettings, TrialsSummary, choose_settings, fill_in, left_open
from pipeline.factors.defaults import RULE_VERSION
from pipeline.factors.fitted import FittedModel
from pipeline.factors.weighting import Weighting
from pipeline.steps import PipelineTask, StepTask
from pipeline.store import json_text, read_json
from pipeline.tasks.interactions import EncodeInteractions, SplitInteractions
from pipeline.trials.candidate import Candidate
from pipeline.trials.choose import Choice, choose_by_trials, is_tried
from pipeline.trials.hold_out import split_ingredients, split_training

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_matrix

    from pipeline.config import Config
    from pipeline.progress import Progress


class ChooseSettings(StepTask):
    """The settings that are left open, by trials on a part of the training data: once for all fits of a run."""

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions. ``evaluation.test`` is not among the inputs: it is never opened."""
        return {"interactions": self.other(EncodeInteractions)}

    def ingredients(self) -> dict[str, Any]:
        """The model, what is known of its settings, what is tried, and what decides."""
        settings = self.settings
        return {
            **_model_ingredients(settings),
            "split": split_ingredients(settings),
            "metric": settings.gates.metric,
        }

    def output(self) -> luigi.LocalTarget:
        """A folder with ``choice.json``: what was chosen, and all trials."""
        return self.folder("chosen")

    def make(self, report: Progress) -> None:
        """Split the training part, and try."""
        settings = self.settings
        try:
            train, held_out, _ = split_training(self.other(EncodeInteractions).open(), settings)
        except DataError as error:
            # What is too little to be split once more can still be fitted.
            choice = Choice(None, error.message)
        else:
            choice = choose_by_trials(
                Candidate.of(settings),
                train,
                held_out,
                settings.gates.metric,
                seed=settings.run.seed,
                num_threads=settings.run.threads,
                progress=report,
            )
        with self.publish() as folder:
            (folder / "choice.json").write_text(json_text(choice.to_json()), encoding="utf-8")

    def open(self) -> Choice:
        """The output."""
        return Choice.from_json(read_json(Path(self.output().path, "choice.json")))


class FitFactors(StepTask):
    """Latent vectors of users and items: of all interactions for the tables, of the training part for evaluation."""

    version = fitted.SCHEMA_VERSION

    split = luigi.ChoiceParameter(choices=["all", "train"], default="all", positional=False)
    fold = luigi.OptionalIntParameter(default=None, positional=False, description="of the training part")

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions, or their training part; and what trials have chosen."""
        chosen = {"chosen": self.other(ChooseSettings)} if self.settings_are_tried() else {}
        if self.split == "all":
            return {"interactions": self.other(EncodeInteractions), **chosen}
        return {"interactions": self.other(SplitInteractions, fold=self.fold), **chosen}

    def ingredients(self) -> dict[str, Any]:
        """The model and its version, and that of the rule where it chooses; threads where they change the bytes."""
        return _model_ingredients(self.settings)

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.factors.fitted.FittedModel` opens: vectors and what fold-in needs."""
        return self.folder("factors")

    def make(self, report: Progress) -> None:
        """Choose what is left open, weigh and factorize."""
        settings = self.settings
        item_entity, name = settings.interaction_space.item_entity, settings.factorize.model
        user_items = self.user_items()
        fit = self.fit_settings(user_items)
        weighting, factorizer = Weighting.fit(user_items, fit.weighting), find_factorizer(name)(fit.model)
        factors = factorizer.fit(
            weighting.transform(user_items), seed=settings.run.seed, num_threads=settings.run.threads, progress=report
        )
        weights = None if settings.weighting.half_life_days is None else user_items.data
        model = FittedModel(name, factorizer, weighting, factors, fit.chosen, weights)
        with self.publish() as folder:
            model.save(folder, users=USER, items=item_entity)

    def fit_settings(self, user_items: csr_matrix) -> FitSettings:
        """The settings with nothing left open."""
        factorize, weighting = self.settings.factorize, self.settings.weighting
        choice = self.other(ChooseSettings).open() if self.settings_are_tried() else None
        if choice is not None and choice.chosen is not None:
            return fill_in(factorize.settings, weighting, choice.chosen)
        fit = choose_settings(factorize.model, factorize.settings, weighting, user_items)
        if choice is None or fit.chosen is None:
            return fit
        return replace(fit, chosen=replace(fit.chosen, trials=TrialsSummary(skipped=choice.skipped)))

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
        return _left_open(self.settings)

    def settings_are_tried(self) -> bool:
        """Whether they are chosen by trials."""
        factorize = self.settings.factorize
        return factorize.defaults == "trials" and is_tried(factorize.model, self.left_open())

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


def _model_ingredients(settings: Config) -> dict[str, Any]:
    """What decides a fit beside its matrix: threads where they change the bytes, the rule where it chooses."""
    factorizer = find_factorizer(settings.factorize.model)
    return {
        "model": settings.factorize.model,
        "settings": settings.factorize.settings.as_configured(),
        "weighting": settings.weighting.as_configured(),
        "rule": RULE_VERSION if _left_open(settings) else None,
        "versions": factorizer.versions(),
        "seed": settings.run.seed,
        "threads": effective_threads(settings.run.threads) if factorizer.threads_change_bytes else None,
    }


def _left_open(settings: Config) -> tuple[str, ...]:
    return left_open(settings.factorize.model, settings.factorize.settings, settings.weighting)
