"""The whole configuration: its defaults, and what must hold between its sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from pipeline.config.entities import AttributeEntity, ColumnEntity, EntitySettings, FileEntity
from pipeline.config.sections import (
    QUALITY_METRICS,
    USER,
    EvaluationSettings,
    FactorizeSettings,
    GateSettings,
    InteractionsSettings,
    Name,
    ReportSettings,
    RunSettings,
    Section,
)
from pipeline.config.spaces import InteractionSpace, space_of
from pipeline.config.tables import RULES_OF_USERS, TableSettings
from pipeline.errors import ConfigError
from pipeline.factors.weighting import WeightingSettings

#: The sections that say what becomes of the interactions, and nothing without them.
_SECTIONS_OF_INTERACTIONS = ("weighting", "factorize", "evaluation")


class Config(Section):
    """A whole configuration."""

    run: RunSettings = RunSettings()
    #: Without it, every entity type has its vectors from a file.
    interactions: InteractionsSettings | None = None
    entities: dict[Name, EntitySettings] = Field(default_factory=dict)
    weighting: WeightingSettings = WeightingSettings()
    factorize: FactorizeSettings = Field(default_factory=lambda: FactorizeSettings.model_validate({}))
    tables: tuple[TableSettings, ...] = Field(default=(), strict=False)
    evaluation: EvaluationSettings = EvaluationSettings()
    gates: GateSettings = GateSettings()
    report: ReportSettings = ReportSettings()

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        """Fill in what a minimal file leaves out: the entity types of the interactions, and tables."""
        if not isinstance(data, Mapping) or not isinstance(data.get("entities", {}), Mapping):
            return data
        data = {**data, "entities": dict(data.get("entities", {}))}
        entities = data["entities"]
        interactions = data.get("interactions")
        if isinstance(interactions, Mapping):
            entities.setdefault(USER, {})
            if not _names_with(entities, "column"):
                entities.setdefault("item", {"column": interactions.get("item")})
        if "tables" not in data:
            data["tables"] = _default_tables(entities, interactions)
        return data

    @model_validator(mode="after")
    def _check(self) -> Config:
        if self.interactions is None:
            self._check_without_interactions()
        else:
            self._check_entities(self.interactions)
            self._check_times(self.interactions)
            self._check_folds(self.interactions)
        self._check_tables()
        self._check_gates()
        self._check_lookups()
        return self

    def _check_without_interactions(self) -> None:
        others = [name for name, entity in self.entities.items() if not isinstance(entity, FileEntity)]
        if others or not self.entities:
            which = f"entities.{others[0]} is none" if others else "there is none"
            raise ValueError(
                f"interactions: missing; only entity types with vectors from a file do without, and {which}"
            )
        for section in _SECTIONS_OF_INTERACTIONS:
            if section in self.model_fields_set:
                raise ValueError(f"{section}: needs interactions, and there are none")
        if USER in self.entities:
            raise ValueError(
                f"entities.{USER}: {USER!r} is the entity type of the interactions' users; "
                "give one with vectors from a file another name"
            )

    def _check_entities(self, interactions: InteractionsSettings) -> None:
        columns = {name: entity.column for name, entity in self.entities.items() if isinstance(entity, ColumnEntity)}
        items = [name for name, column in columns.items() if column == interactions.item]
        if len(items) != 1:
            raise ValueError(
                f"entities: exactly one needs column = {interactions.item!r}, the interactions' item; "
                f"got {', '.join(items) or 'none'}"
            )
        if USER not in columns or columns[USER] not in (None, interactions.user):
            raise ValueError(f"entities.{USER}: its column is the interactions' user, {interactions.user!r}")
        for name, entity in self.entities.items():
            if isinstance(entity, AttributeEntity) and entity.of != items[0]:
                raise ValueError(f"entities.{name}.of: expected {items[0]!r}, the items, got {entity.of!r}")
        for name, column in columns.items():
            if column is None and name != USER:
                raise ValueError(f"entities.{name}: expected column, or of and map, or vectors")
            if column != interactions.item and name != USER:
                raise ValueError(f"entities.{name}.column: expected {interactions.item!r}, the interactions' item")

    def _check_times(self, interactions: InteractionsSettings) -> None:
        if interactions.timestamp is not None:
            return
        if self.evaluation.split == "time":
            raise ValueError("evaluation.split = 'time' needs interactions.timestamp")
        if self.weighting.half_life_days is not None:
            raise ValueError("weighting.half_life_days needs interactions.timestamp")
        for table in self.tables:
            for key in ("active_days", "active_since"):
                if getattr(table, key) is not None:
                    raise ValueError(f"tables.{table.name}.{key} needs interactions.timestamp")

    def _check_folds(self, interactions: InteractionsSettings) -> None:
        evaluation = self.evaluation
        if evaluation.folds == 1:
            return
        if evaluation.test is not None:
            raise ValueError(f"evaluation.folds = {evaluation.folds}: a test set, evaluation.test, has only one")
        held_out = evaluation.folds * evaluation.test_fraction
        if evaluation.splits_by_time(interactions) and held_out >= 1.0:
            raise ValueError(
                f"evaluation.folds = {evaluation.folds}: expected folds times test_fraction below 1, the earliest fold "
                f"is trained on what is left; got {held_out:g}"
            )

    def _check_tables(self) -> None:
        seen: set[str] = set()
        for table in self.tables:
            if table.name in seen:
                raise ValueError(f"tables: two are named {table.name!r}")
            seen.add(table.name)
            for key, entity in (("from", table.source), ("to", table.target)):
                if entity not in self.entities:
                    known = ", ".join(self.entities)
                    raise ValueError(
                        f"tables.{table.name}.{key}: expected one of the entity types {known}; got {entity!r}"
                    )
            self._check_space(table)
            self._check_rules(table)

    def _check_space(self, table: TableSettings) -> None:
        source, target = (space_of(name, self.entities[name]) for name in (table.source, table.target))
        if source != target:
            raise ValueError(
                f"tables.{table.name}: expected from and to in one space, got {table.source!r} in {source} and "
                f"{table.target!r} in {target}; two entity types with vectors from files share the one that both name "
                "as their `space`"
            )

    def _check_rules(self, table: TableSettings) -> None:
        target = self.entities[table.target]
        for key in RULES_OF_USERS:
            if getattr(table, key) is not None and (table.target == USER or isinstance(target, FileEntity)):
                raise ValueError(
                    f"tables.{table.name}.{key}: counts users, and needs `to` an entity type that users interact with; "
                    f"got {table.target!r}"
                )
        for name in table.max_per or ():
            entity = self.entities.get(name)
            if not isinstance(entity, AttributeEntity) or entity.of != table.target:
                attributes = [
                    name
                    for name, entity in self.entities.items()
                    if isinstance(entity, AttributeEntity) and entity.of == table.target
                ]
                raise ValueError(
                    f"tables.{table.name}.max_per: expected attributes of {table.target!r} "
                    f"({', '.join(attributes) or 'it has none'}), got {name!r}"
                )

    def _check_gates(self) -> None:
        name, _, cutoff = self.gates.metric.partition("@")
        cutoffs = [str(k) for k in self.evaluation.cutoffs]
        if name not in QUALITY_METRICS or cutoff not in cutoffs:
            raise ValueError(
                f"gates.metric: expected one of {', '.join(QUALITY_METRICS)}, '@' and one of "
                f"evaluation.cutoffs ({', '.join(cutoffs)}); got {self.gates.metric!r}"
            )

    def _check_lookups(self) -> None:
        able = [name for name in self.entities if name != USER]
        for name in self.report.lookups:
            if name not in able:
                raise ValueError(f"report.lookups: expected entity types among {', '.join(able)}; got {name!r}")

    @property
    def has_interactions(self) -> bool:
        """Whether there are interactions to factorize; else every entity type has its vectors from a file."""
        return self.interactions is not None

    @property
    def splits_by_time(self) -> bool:
        """Whether the evaluation holds out the last events rather than some of each user's items."""
        return self.evaluation.splits_by_time(self.interaction_space.interactions)

    @property
    def interaction_space(self) -> InteractionSpace:
        """What the interactions give.

        Raises
        ------
        ConfigError
            If there are none.
        """
        if self.interactions is None:
            raise ConfigError("interactions: missing; every entity type has its vectors from a file")
        entities = {name: entity for name, entity in self.entities.items() if not isinstance(entity, FileEntity)}
        return InteractionSpace(self.interactions, entities)

    @property
    def file_entities(self) -> dict[str, FileEntity]:
        """The entity types whose vectors come from a file."""
        return {name: entity for name, entity in self.entities.items() if isinstance(entity, FileEntity)}

    def table(self, name: str) -> TableSettings:
        """The settings of a table."""
        for table in self.tables:
            if table.name == name:
                return table
        known = ", ".join(table.name for table in self.tables) or "none"
        raise ConfigError(f"unknown table {name!r}: expected one of {known}")


def _names_with(entities: Mapping[str, Any], key: str) -> list[str]:
    return [name for name, entity in entities.items() if isinstance(entity, Mapping) and key in entity]


def _default_tables(entities: Mapping[str, Any], interactions: Any) -> list[dict[str, str]]:
    """Similar items and recommended ones, and what is similar to what has its vectors from a file."""
    tables = []
    if isinstance(interactions, Mapping):
        for name in _names_with(entities, "column"):
            if entities[name]["column"] == interactions.get("item"):
                tables.append(_similar(name))
                tables.append({"name": f"{name}s_for_users", "from": USER, "to": name})
    return tables + [_similar(name) for name in _names_with(entities, "vectors")]


def _similar(entity: str) -> dict[str, str]:
    return {"name": f"similar_{entity}s", "from": entity, "to": entity}
