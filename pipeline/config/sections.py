"""The sections of a configuration, but for the entity types: their keys, defaults, and what goes together."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.config.messages import describe
from pipeline.errors import ConfigError
from pipeline.factors.base import FactorizerSettings, find_factorizer

#: The entity type of the interactions' users, declared or not.
USER = "user"

#: Metrics a gate can be set on.
QUALITY_METRICS = ("recall", "ndcg", "map", "mrr", "hit_rate")

FileFormat = Literal["auto", "parquet", "csv", "tsv", "npz"]
TimestampUnit = Literal["s", "ms", "us", "ns"]
Metric = Literal["cosine", "inner_product"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class Section(BaseModel):
    """A section of a configuration: knows its keys, and is never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RunSettings(Section):
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


class FileSettings(Section):
    """Files of rows."""

    #: A file, a folder, a glob, or ``sample://...``; ``{date}`` is the date of the run.
    path: str
    #: ``auto`` goes by the file's ending: .parquet, .csv, .tsv, or .npz, a sparse matrix that SciPy saved, with the
    #: columns row, column and value.
    format: FileFormat = "auto"


class InteractionsSettings(FileSettings):
    """The section ``[interactions]``: where the events are and what their columns mean."""

    #: Column of the users' ids, integers or strings.
    user: str
    #: Column of the items' ids, integers or strings.
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
    #: Users with fewer distinct items are left out, in turn with items of fewer distinct users, until both hold.
    min_items_per_user: int = Field(default=1, ge=1)
    #: Items with fewer distinct users are left out, in turn with users of fewer distinct items, until both hold.
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

    @property
    def depend_on_date(self) -> bool:
        """Whether another date can mean other input."""
        return self.timestamp is not None or "{date" in self.path


class FactorizeSettings(BaseModel):
    """The section ``[factorize]``: the model's name; every other key is the model's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    #: How what is left open of the model and of the weighting is chosen from the data, by the model ``als``: ``trials``
    #: fits some settings on a part of the training data, takes the best on the rest of it, and goes without where data
    #: are too small or too large for that; ``rule``, which the other models always go by, fits nothing.
    defaults: Literal["trials", "rule"] = "trials"
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
        own = {"defaults": options.pop("defaults")} if "defaults" in options else {}
        try:
            settings = find_factorizer(model).Settings.model_validate(options)
        except ValidationError as error:
            raise ConfigError("\n".join(describe(error, prefix="factorize"))) from None
        return {"model": model, **own, "settings": settings}


class EvaluationSettings(Section):
    """The section ``[evaluation]``: the hold-out and what is measured on it."""

    #: ``time``: the last events of all; ``user``: some items of each user; ``auto``: time where there are timestamps.
    split: Literal["auto", "time", "user"] = "auto"
    #: Share of the events (time) or of each user's items, rounded down (user), that is held out.
    test_fraction: float = Field(default=0.2, gt=0.0, lt=1.0)
    #: A test set in files of its own, with the format and the columns of the interactions: takes the place of the
    #: hold-out, so that all interactions are for training.
    test: str | None = None
    #: Hold-outs that are measured, each with a fit of its own. By time: the last events, those before them, and so on,
    #: of as many events each, with what was before them for training. By user: other items of each user.
    folds: int = Field(default=1, ge=1, le=20)
    #: List lengths at which quality is measured.
    cutoffs: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = Field(
        default=(10, 20, 100), min_length=1, strict=False
    )

    def splits_by_time(self, interactions: InteractionsSettings) -> bool:
        """Whether the hold-out is the last events rather than some of each user's items."""
        if self.split == "auto":
            return interactions.timestamp is not None
        return self.split == "time"


class GateSettings(Section):
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


class ReportSettings(Section):
    """The section ``[report]``: what people see of a run."""

    #: Entities of each type on its map, the most popular ones, at most.
    map_items: int = Field(default=2000, ge=10, le=20_000)
    #: Names or ids that the report looks up, by entity type, as ``{ artist = ["Radiohead"] }``; of a type without any,
    #: the most popular ones. What the run does not know is said to be unknown.
    lookups: dict[Name, Annotated[tuple[int | str, ...], Field(min_length=1, max_length=100, strict=False)]] = Field(
        default_factory=dict
    )
