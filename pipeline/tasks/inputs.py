"""The files that a run reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import luigi

from pipeline.config import AttributeEntity, FileEntity
from pipeline.data.sources import open_source
from pipeline.data.test_set import held_out_settings
from pipeline.data.vector_files import VectorFiles
from pipeline.steps import Input, InputTask

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pipeline.config import InteractionsSettings


class Interactions(InputTask):
    """The interactions."""

    def inputs(self) -> list[Input]:
        """The path of ``[interactions]``."""
        return [open_source(self.settings.interaction_space.interactions, date=self.date)]


class EntityFiles(InputTask):
    """The map or the vectors of an entity type, and its names."""

    entity = luigi.Parameter(positional=False)

    def inputs(self) -> list[Input]:
        """The paths of ``[entities.NAME]``."""
        settings = self.settings.entities[self.entity]
        inputs: list[Input] = []
        if isinstance(settings, AttributeEntity):
            inputs.append(open_source(settings.map, date=self.date))
        if isinstance(settings, FileEntity):
            inputs.append(VectorFiles(settings.vectors, date=self.date))
        if settings.names is not None:
            inputs.append(open_source(settings.names, date=self.date))
        return inputs


class HeldOutInteractions(InputTask):
    """The test set that takes the place of a hold-out."""

    def inputs(self) -> list[Input]:
        """The path of ``evaluation.test``."""
        return [open_source(self.read_settings(), date=self.date)]

    def read_settings(self) -> InteractionsSettings:
        """How it is read."""
        settings = self.settings
        return held_out_settings(settings.interaction_space.interactions, settings.evaluation.test or "")


class UserList(InputTask):
    """The users a table is made for."""

    table = luigi.Parameter(positional=False)

    def inputs(self) -> list[Input]:
        """The path of the table's ``users``."""
        users = self.settings.table(self.table).users
        return [] if users is None else [open_source(users, date=self.date)]


class RuleFile(InputTask):
    """A file with a rule of a table's catalogue: ``allow``, ``deny`` or ``boosts``."""

    table = luigi.Parameter(positional=False)
    rule = luigi.Parameter(positional=False)

    def inputs(self) -> list[Input]:
        """The path of the rule."""
        return [open_source(self.settings.table(self.table).rule_files[self.rule], date=self.date)]


def without_paths(settings: BaseModel) -> dict[str, Any]:
    """Settings as part of a fingerprint: where a file is does not matter, its name, size and time do."""

    def strip(value: Any) -> Any:
        return {key: strip(item) for key, item in value.items() if key != "path"} if isinstance(value, dict) else value

    stripped: dict[str, Any] = strip(settings.model_dump(mode="json"))
    return stripped
