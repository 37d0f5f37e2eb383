"""The configuration: TOML in, validated models out.

An unknown key, a wrong type or an impossible combination is one :class:`~pipeline.errors.ConfigError` that names the
key's path. Relative paths start at the working directory; ``${NAME}`` in any string is an environment variable.
"""

from __future__ import annotations

import datetime
import functools
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import ConfigError, MissingInputError
from pipeline.factors.base import FactorizerSettings, find_factorizer
from pipeline.factors.weighting import WeightingSettings

#: The entity type of the interactions' users, declared or not.
USER = "user"

FileFormat = Literal["auto", "parquet", "csv", "tsv"]
TimestampUnit = Literal["s", "ms", "us", "ns"]
Metric = Literal["cosine", "inner_product"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RunSettings(_Section):
    """The section ``[run]``."""

    #: Name of the pipeline, for people.
    name: str = "cfpipe"
    #: Folder of everything the runs write.
    root: str = "runs"
    #: The date of a run that is given none; without it, today (UTC).
    date: datetime.date | None = None
    #: Threads of native code, 0 for all cores. Never changes what a run writes, unless the model says so.
    threads: int = Field(default=0, ge=0)
    #: Seed of every random choice.
    seed: int = Field(default=0, ge=0, lt=2**31)


class _FileSettings(_Section):
    #: A file, a folder, a glob, or ``sample://...``; ``{date}`` is the date of the run.
    path: str
    #: ``auto`` goes by the file's ending: .parquet, .csv, .tsv.
    format: FileFormat = "auto"


class InteractionsSettings(_FileSettings):
    """The section ``[interactions]``: where the events are and what their columns mean."""

    user: str
    item: str
    #: Column of weights, above zero; without it every event weighs 1. Weights of the same user and item are summed.
    weight: str | None = None
    #: Column of times; enables the window, the time split and tables of active users.
    timestamp: str | None = None
    #: Unit of an integer timestamp column, since 1970-01-01 UTC.
    timestamp_unit: TimestampUnit | None = None
    #: Only the last so many days are read, the run's date among them.
    window_days: int | None = Field(default=None, ge=1)
    #: Filter over the columns, such as ``plays >= 2 and country in ["se", "no"]``.
    where: str | None = None
    #: Users with fewer distinct items are left out ...
    min_items_per_user: int = Field(default=1, ge=1)
    #: ... and items with fewer distinct users, until both hold.
    min_users_per_item: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _check(self) -> InteractionsSettings:
        if self.timestamp is None:
            for key in ("timestamp_unit", "window_days"):
                if getattr(self, key) is not None:
                    raise ValueError(f"{key} needs timestamp, the name of a column")
        columns = [column for column in (self.user, self.item, self.weight, self.timestamp) if column is not None]
        if len(set(columns)) < len(columns):
            raise ValueError("user, item, weight and timestamp must be different columns")
        return self


class NamesSettings(_FileSettings):
    """Where the names of an entity type are: a file with a column of ids and one of names."""

    id: str
    name: str


class MapSettings(_FileSettings):
    """Which items have which attributes: a file with a column of item ids and one of attribute values."""

    id: str
    value: str
    #: Splits one cell into several values, such as ``"|"`` for ``Comedy|Drama``.
    separator: str | None = Field(default=None, min_length=1)


class EntitySettings(_Section):
    """A section ``[entities.NAME]``: an entity type."""

    #: The interactions' column of this entity type; exactly one entity type has the item column.
    column: str | None = None
    #: The entity type this one is an attribute of: that of the items.
    of: str | None = None
    map: MapSettings | None = None
    names: NamesSettings | None = None

    @model_validator(mode="after")
    def _check(self) -> EntitySettings:
        if (self.of is None) != (self.map is None):
            raise ValueError("of and map go together: an attribute says what it is of and which has which")
        if self.of is not None and self.column is not None:
            raise ValueError("column and of exclude each other: an entity type is a column or an attribute")
        return self


class FactorizeSettings(BaseModel):
    """The section ``[factorize]``: the model's name; every other key is the model's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    settings: FactorizerSettings

    @model_validator(mode="before")
    @classmethod
    def _settings_of_the_model(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        options = dict(data)
        model = options.pop("model", "als")
        if not isinstance(model, str):
            raise ValueError(f"model: expected the name of a factorizer, got {model!r}")
        try:
            settings = find_factorizer(model).Settings.model_validate(options)
        except ValidationError as error:
            raise ConfigError("\n".join(_describe(error, prefix="factorize"))) from None
        return {"model": model, "settings": settings}


class UsersSettings(_FileSettings):
    """A file that lists the users of a table."""

    id: str


class TableSettings(_Section):
    """A section ``[[tables]]``: one table of neighbours."""

    name: Name
    source: Name = Field(alias="from")
    target: Name = Field(alias="to")
    #: Neighbours of each, at most.
    k: int = Field(default=50, ge=1, le=100_000)
    #: Without it, inner_product where exactly one side is the users, else cosine.
    metric: Metric | None = None
    #: Share of each list's true neighbours to find, on average: 1 finds all of them, with certainty; less is faster.
    recall: float = Field(default=1.0, gt=0.0, le=1.0)
    #: Leave out what the user has interacted with; without it, true from users to items or their attributes.
    exclude_seen: bool | None = None
    #: Only users with an event in the last so many days, the run's date among them.
    active_days: int | None = Field(default=None, ge=1)
    #: Only users with an event on this day or later.
    active_since: datetime.date | None = None
    #: Only users whose ids are in this file.
    users: UsersSettings | None = None

    @model_validator(mode="after")
    def _check(self) -> TableSettings:
        if self.source != USER:
            for key in ("active_days", "active_since", "users"):
                if getattr(self, key) is not None:
                    raise ValueError(f"{key} needs from = {USER!r}, got from = {self.source!r}")
        if self.exclude_seen and (self.source != USER or self.target == USER):
            raise ValueError(
                f"exclude_seen needs from = {USER!r} and another to, got {self.source!r} to {self.target!r}"
            )
        if self.active_days is not None and self.active_since is not None:
            raise ValueError("active_days and active_since exclude each other")
        return self

    @property
    def effective_metric(self) -> Metric:
        """The metric the table is ranked by."""
        if self.metric is not None:
            return self.metric
        return "inner_product" if (self.source == USER) != (self.target == USER) else "cosine"

    @property
    def excludes_seen(self) -> bool:
        """Whether what the user has interacted with is left out."""
        if self.exclude_seen is not None:
            return self.exclude_seen
        return self.source == USER and self.target != USER


class EvaluationSettings(_Section):
    """The section ``[evaluation]``: the hold-out and what is measured on it."""

    #: ``time``: the last events of all; ``user``: some items of each user; ``auto``: time where there are timestamps.
    split: Literal["auto", "time", "user"] = "auto"
    #: Share of the events (time) or of each user's items, rounded down (user), that is held out.
    test_fraction: float = Field(default=0.2, gt=0.0, lt=1.0)
    cutoffs: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = Field(
        default=(10, 20, 100), min_length=1, strict=False
    )


class GateSettings(_Section):
    """The section ``[gates]``: what a run must hold to be published."""

    #: Rows of every table, at least.
    min_rows: int = Field(default=1, ge=0)
    #: Share of a table's source entities that have a row, at least.
    min_coverage: float = Field(default=0.5, ge=0.0, le=1.0)
    #: How far a table's rows or coverage or the quality may fall against the previous run, as a share of it.
    max_fall: float = Field(default=0.3, ge=0.0, le=1.0)
    #: The quality that is compared, with one of the cutoffs.
    metric: str = "ndcg@20"
    #: Quality at least this many times the popularity baseline's; 0 turns the gate off.
    min_against_popularity: float = Field(default=1.0, ge=0.0)
    #: Neighbour recall of every table on a sample, at least; of a table that asks for less, what it asks for.
    min_neighbor_recall: float = Field(default=0.99, ge=0.0, le=1.0)


class Config(_Section):
    """A whole configuration."""

    run: RunSettings = RunSettings()
    interactions: InteractionsSettings
    entities: dict[Name, EntitySettings] = Field(default_factory=dict)
    weighting: WeightingSettings = WeightingSettings()
    factorize: FactorizeSettings = Field(default_factory=lambda: FactorizeSettings.model_validate({}))
    tables: tuple[TableSettings, ...] = Field(default=(), strict=False)
    evaluation: EvaluationSettings = EvaluationSettings()
    gates: GateSettings = GateSettings()

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        """Fill in what a minimal file leaves out: the entity types and two tables."""
        if not (isinstance(data, Mapping) and isinstance(data.get("interactions"), Mapping)):
            return data
        data = dict(data)
        entities = data.setdefault("entities", {})
        if isinstance(entities, Mapping):
            data["entities"] = entities = dict(entities)
            entities.setdefault(USER, {})
            item_column = data["interactions"].get("item")
            if not any(isinstance(entity, Mapping) and "column" in entity for entity in entities.values()):
                entities.setdefault("item", {"column": item_column})
            if "tables" not in data:
                items = [n for n, e in entities.items() if isinstance(e, Mapping) and e.get("column") == item_column]
                data["tables"] = [table for item in items for table in _default_tables(item)]
        return data

    @model_validator(mode="after")
    def _check(self) -> Config:
        self._check_entities()
        self._check_tables()
        self._check_evaluation()
        return self

    def _check_entities(self) -> None:
        item_column = self.interactions.item
        items = [name for name, entity in self.entities.items() if entity.column == item_column]
        if len(items) != 1:
            raise ValueError(
                f"entities: exactly one needs column = {item_column!r}, the interactions' item; "
                f"got {', '.join(items) or 'none'}"
            )
        for name, entity in self.entities.items():
            if name == USER:
                if entity.of is not None or entity.column not in (None, self.interactions.user):
                    raise ValueError(
                        f"entities.{USER}: its column is the interactions' user, {self.interactions.user!r}"
                    )
            elif entity.column is None and entity.of is None:
                raise ValueError(f"entities.{name}: expected column, or of and map")
            elif entity.column not in (None, item_column):
                raise ValueError(f"entities.{name}.column: expected {item_column!r}, the interactions' item")
            elif entity.of not in (None, items[0]):
                raise ValueError(f"entities.{name}.of: expected {items[0]!r}, the items, got {entity.of!r}")

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
            if self.interactions.timestamp is None:
                for key in ("active_days", "active_since"):
                    if getattr(table, key) is not None:
                        raise ValueError(f"tables.{table.name}.{key} needs interactions.timestamp")

    def _check_evaluation(self) -> None:
        if self.evaluation.split == "time" and self.interactions.timestamp is None:
            raise ValueError("evaluation.split = 'time' needs interactions.timestamp")
        name, _, cutoff = self.gates.metric.partition("@")
        cutoffs = [str(k) for k in self.evaluation.cutoffs]
        if name not in QUALITY_METRICS or cutoff not in cutoffs:
            raise ValueError(
                f"gates.metric: expected one of {', '.join(QUALITY_METRICS)}, '@' and one of "
                f"evaluation.cutoffs ({', '.join(cutoffs)}); got {self.gates.metric!r}"
            )

    @property
    def item_entity(self) -> str:
        """The entity type of the interactions' items."""
        return next(name for name, entity in self.entities.items() if entity.column == self.interactions.item)

    @property
    def attributes(self) -> dict[str, EntitySettings]:
        """The entity types that are attributes of the items."""
        return {name: entity for name, entity in self.entities.items() if entity.of is not None}

    @property
    def uses_time_split(self) -> bool:
        """Whether the hold-out is the last events rather than some of each user's items."""
        if self.evaluation.split == "auto":
            return self.interactions.timestamp is not None
        return self.evaluation.split == "time"

    @property
    def depends_on_date(self) -> bool:
        """Whether another date can mean other input."""
        return self.interactions.timestamp is not None or "{date" in self.interactions.path

    def table(self, name: str) -> TableSettings:
        """The settings of a table."""
        for table in self.tables:
            if table.name == name:
                return table
        known = ", ".join(table.name for table in self.tables) or "none"
        raise ConfigError(f"unknown table {name!r}: expected one of {known}")


#: Metrics a gate can be set on.
QUALITY_METRICS = ("recall", "ndcg", "map", "mrr", "hit_rate")


def _default_tables(item: str) -> list[dict[str, str]]:
    return [
        {"name": f"similar_{item}s", "from": item, "to": item},
        {"name": f"{item}s_for_users", "from": USER, "to": item},
    ]


def load_config(path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Config:
    """Read and validate a configuration.

    Parameters
    ----------
    path
        A TOML file.
    overrides
        Settings that replace those of the file, as ``section.key=value`` with a TOML value; a value that is not TOML
        is taken as a string. ``tables.NAME.key`` addresses a table by its name.

    Raises
    ------
    MissingInputError
        If there is no such file.
    ConfigError
        If it is not one the pipeline can honour; the message names each key that is wrong.
    """
    file = Path(path)
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise MissingInputError(f"configuration not found: {file}", hint="Give the path of a TOML file.") from None
    except IsADirectoryError:
        raise ConfigError(f"{file}: expected a TOML file, got a folder") from None
    return _load(str(file), content, tuple(overrides), tuple(sorted(os.environ.items())))


@functools.lru_cache(maxsize=64)
def _load(file: str, content: bytes, overrides: tuple[str, ...], environment: tuple[tuple[str, str], ...]) -> Config:
    """Validate the content of a file; Luigi's tasks ask for the same one many times."""
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        byte = content[error.start]
        raise ConfigError(f"{file}: expected UTF-8, got byte {byte:#04x} at {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from None
    for override in overrides:
        _apply_override(document, override)
    return parse_config(document, environment=dict(environment), source=file)


def parse_config(
    document: Mapping[str, Any], *, environment: Mapping[str, str] = os.environ, source: str = "configuration"
) -> Config:
    """Validate a configuration that is already a mapping; see :func:`load_config`."""
    expanded = _expand_variables(document, (), environment)
    try:
        return Config.model_validate(expanded)
    except ValidationError as error:
        lines = _describe(error)
    raise ConfigError(f"{source}: " + (lines[0] if len(lines) == 1 else "\n  ".join(["", *lines])))


def _describe(error: ValidationError, prefix: str = "") -> list[str]:
    """One line for each thing that is wrong, with the path of its key."""
    lines = []
    for detail in error.errors(include_url=False):
        path = ".".join([prefix] * bool(prefix) + [str(part) for part in detail["loc"]])
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            message = "unknown key"
        elif detail["type"] == "missing":
            message = "missing"
        elif not isinstance(detail["input"], Mapping | list | tuple):
            message = f"{message}, got {detail['input']!r}"
        lines.append(f"{path}: {message}" if path else message)
    return lines


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _expand_variables(value: Any, path: tuple[str, ...], environment: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _expand_variables(item, (*path, str(key)), environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand_variables(item, (*path, str(place)), environment) for place, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environment:
            raise ConfigError(f"{'.'.join(path)}: environment variable {name} is not set", hint=f"export {name}=...")
        return environment[name]

    return _VARIABLE.sub(replace, value)


def _apply_override(document: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts) or len(parts) < 2:
        raise ConfigError(f"override {override!r}: expected section.key=value, such as factorize.factors=128")
    target: Any = document
    for depth, part in enumerate(parts[:-1]):
        if isinstance(target, list):
            target = _named(target, part, override)
            continue
        target = target.setdefault(part, {})
        if not isinstance(target, dict | list):
            raise ConfigError(f"override {override!r}: {'.'.join(parts[: depth + 1])} is not a section")
    if not isinstance(target, dict):
        raise ConfigError(f"override {override!r}: expected {parts[0]}.NAME.key=value")
    target[parts[-1]] = _toml_value(text.strip())


def _named(tables: list[Any], name: str, override: str) -> dict[str, Any]:
    for table in tables:
        if isinstance(table, dict) and table.get("name") == name:
            return table
    known = ", ".join(str(table.get("name")) for table in tables if isinstance(table, dict)) or "none"
    raise ConfigError(f"override {override!r}: no table is named {name!r}; expected one of {known}")


def _toml_value(text: str) -> Any:
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return document["value"] if len(document) == 1 else text
