"""The sections of tables: whom they are for, how they are searched, and the rules of the catalogue."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.config.sections import USER, FileSettings, Metric, Name, Section


class ListSettings(FileSettings):
    """A file that lists ids: the users of a table, or what it may or may not hold."""

    #: Column of the ids.
    id: str


class BoostSettings(ListSettings):
    """A file of ids and the factors that their scores are multiplied by."""

    #: Column of the factors, numbers above zero.
    boost: str


class DiversitySettings(Section):
    """How a list is made diverse: by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998)."""

    #: Weight of relevance against novelty: 1 keeps the order, 0 looks at nothing but what is listed already.
    lambda_: float = Field(default=0.7, ge=0.0, le=1.0, alias="lambda")
    #: How many of the best are chosen from.
    candidates: int = Field(default=200, ge=1, le=10_000)


class TableSettings(Section):
    """A section ``[[tables]]``: one table of neighbours.

    The rules of the catalogue, from ``allow`` on, combine; :mod:`pipeline.tables.rules` says in what order they apply.
    """

    #: Name of the table, and of its folder.
    name: Name
    #: Entity type that has lists: each of its entities one.
    source: Name = Field(alias="from")
    #: Entity type that the lists are of.
    target: Name = Field(alias="to")
    #: Neighbours of each, at most.
    k: int = Field(default=50, ge=1, le=100_000)
    #: Without it, inner_product where exactly one side is the users, else cosine.
    metric: Metric | None = None
    #: ``long``: a row for each entry of a list. ``nested``: a row for each list, with a column ``items`` of structs of
    #: item_id and score, best first, and of relevance and source where a rule makes them.
    form: Literal["long", "nested"] = "long"
    #: Share of each list's true neighbours to find, on average: 1 finds all of them, with certainty; less is faster.
    recall: float = Field(default=1.0, gt=0.0, le=1.0)
    #: Leave out what the user has interacted with; without it, true from users to items or their attributes.
    exclude_seen: bool | None = None
    #: Only users with an event in the last so many days, the run's date among them.
    active_days: int | None = Field(default=None, ge=1)
    #: Only users with an event on this day or later.
    active_since: datetime.date | None = None
    #: Only users whose ids are in this file; those without interactions have no list, or that of the fallback.
    users: ListSettings | None = None

    #: Only what is in this file is listed; ids that the run does not know are counted and passed over.
    allow: ListSettings | None = None
    #: What is in this file is not listed; ids that the run does not know are counted and passed over.
    deny: ListSettings | None = None
    #: Only what at least so many distinct users have interacted with is listed.
    min_support: int | None = Field(default=None, ge=1)
    #: Scores are multiplied by the number of distinct users to the power of minus this; those below zero, divided.
    #: Under it or boosts a table is exact, whatever its recall.
    popularity_penalty: float | None = Field(default=None, ge=0.0, le=10.0)
    #: Scores are multiplied by the factors in this file, above zero; those below zero, divided. Without one it is 1.
    boosts: BoostSettings | None = None
    #: At most so many items of each value of these attributes in a list, such as ``{ artist = 2 }``. An item counts for
    #: every value it has; one without a value is not limited.
    max_per: dict[Name, Annotated[int, Field(ge=1)]] | None = Field(default=None, min_length=1)
    #: Choose among the best so that a list is diverse.
    diversity: DiversitySettings | None = None
    #: ``popular``: what is recently popular fills the lists that are short, marked so in the column ``source``.
    fallback: Literal["popular"] | None = None
    #: Recently: in the last so many days of the interactions, up to their last event; without timestamps, ever.
    fallback_days: int | None = Field(default=None, ge=1)

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
        if self.diversity is not None and self.diversity.candidates < self.k:
            raise ValueError(
                f"diversity.candidates: expected at least k = {self.k}, got {self.diversity.candidates}: "
                "a list is chosen from its candidates"
            )
        if self.fallback_days is not None and self.fallback is None:
            raise ValueError('fallback_days needs fallback = "popular"')
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

    @property
    def recent_days(self) -> int:
        """The days that what is recently popular is counted over."""
        return RECENT_DAYS if self.fallback_days is None else self.fallback_days

    @property
    def rules_of_catalogue(self) -> dict[str, Any]:
        """The rules that are set, by their keys."""
        rules = {key: getattr(self, key) for key in CATALOGUE_RULES}
        return {key: rule for key, rule in rules.items() if rule is not None}

    @property
    def rule_files(self) -> dict[str, ListSettings]:
        """The files that rules are in, by the rules' keys."""
        return {key: rule for key, rule in self.rules_of_catalogue.items() if isinstance(rule, ListSettings)}


#: The rules of the catalogue among a table's settings; a table without one is made as if there were none.
CATALOGUE_RULES = (
    "allow",
    "deny",
    "min_support",
    "popularity_penalty",
    "boosts",
    "max_per",
    "diversity",
    "fallback",
    "fallback_days",
)
#: The rules that count users.
RULES_OF_USERS = ("min_support", "popularity_penalty", "fallback")
#: Days that what is recently popular is counted over, where no setting says so.
RECENT_DAYS = 30
