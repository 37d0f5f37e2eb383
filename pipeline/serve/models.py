"""What the API takes and answers: validated, and described, by the same models."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

#: Limits of what is asked for.
MAX_K, MAX_LIMIT, MAX_QUERY, MAX_REFERENCES, MAX_REFERENCE = 1_000, 100, 200, 50, 500


def _integer(value: object) -> object:
    """Text as JSON would write an integer; int() takes more."""
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9][0-9]{0,18})", value):
        return int(value)
    if isinstance(value, str):
        raise ValueError("expected an integer")
    return value


_Written = BeforeValidator(_integer)
_EntityName = Annotated[str | None, WithJsonSchema({"type": "string"})]
_Reference = Annotated[str, Field(max_length=MAX_REFERENCE, pattern=r"^[^:]+:[\s\S]+$", examples=["artist:12"])]
_References = Annotated[list[_Reference], Field(max_length=MAX_REFERENCES)]
_K = Annotated[int, Field(ge=1, le=MAX_K, description="How many, at most."), _Written]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# What is asked --------------------------------------------------------------------------------------------------------


class NoQuery(_Model):
    """Nothing."""


class SearchQuery(_Model):
    """What was typed so far."""

    q: str = Field(max_length=MAX_QUERY, description="The beginning of a name, or an id; nothing for the most popular.")
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many names, at most."), _Written] = 10


class SimilarQuery(_Model):
    """What to list beside an entity."""

    k: _K = 20
    to: _EntityName = Field(None, description="Entity type of what is listed; the entity's own by default.")
    seen: Literal["true", "false"] = Field(
        "false", description="Of a user: whether to keep what the user has interacted with."
    )


class TasteQuery(_Model):
    """What somebody likes, and what not."""

    like: _References = Field([], description="What is added, as `type:id`.")
    dislike: _References = Field([], description="What is subtracted, as `type:id`.")


class RecommendQuery(TasteQuery):
    """A taste, and what to recommend to it."""

    k: _K = 20
    to: _EntityName = Field(None, description="Entity type of what is recommended; that of the first like by default.")


class ExplainQuery(TasteQuery):
    """What is to be explained, and to whom it was recommended: a user of the run, or a taste."""

    item: _Reference = Field(description="What was recommended, as `type:id`.")
    user: Annotated[str | None, WithJsonSchema({"type": "string", "maxLength": MAX_REFERENCE})] = Field(
        None, max_length=MAX_REFERENCE, description="Id of the user; or give a taste."
    )
    k: _K = 20


# What is answered -----------------------------------------------------------------------------------------------------


class Entity(_Model):
    """One entity. Ids are text, integers too: beyond 2**53 they do not survive a browser."""

    type: str
    id: str
    name: str


class ScoredEntity(Entity):
    """An entity of a list, with the score the list is ranked by and its rank from 1."""

    score: float
    rank: int


class EntityType(_Model):
    """An entity type of the run."""

    name: str
    count: int = Field(description="How many entities there are.")
    lists: list[str] = Field(description="Entity types that `similar` and `recommend` can list beside it: one space.")
    has_map: bool = Field(description="Whether there is a map of the type.")


class Run(_Model):
    """The published run that answers."""

    name: str
    date: str
    run: str = Field(description="Id of the run.")
    explains: bool = Field(description="Whether the run's model can explain its scores.")
    entities: list[EntityType]


class SearchResults(_Model):
    """Names that match, best first."""

    results: list[Entity]


class EntityDetails(Entity):
    """An entity, and those it is connected with in the data."""

    related: dict[str, list[Entity]] = Field(
        description="By entity type: the attributes of an item, the items of an attribute, the history of a user; "
        "the first of them."
    )
    counts: dict[str, int] = Field(description="How many there are of each of these.")


class Neighbors(_Model):
    """A list, best first."""

    metric: Literal["cosine", "inner_product"]
    results: list[ScoredEntity]


class Contribution(Entity):
    """What one entity of a history adds to a score."""

    share: float


class Explanation(_Model):
    """Why an entity gets its score."""

    item: Entity
    score: float = Field(description="The score that lists have.")
    explained: float = Field(description="The score that the shares add up to: by fold-in of the history.")
    contributions: list[Contribution] = Field(description="The largest share first.")
    others: float = Field(description="Sum of the shares that are not listed.")


class Place(Entity):
    """A point of the map, from 0 to 1 either way."""

    x: float
    y: float
    group: str | None


class Map(_Model):
    """The most popular entities of a type on a plane: near ones are alike."""

    places: list[Place]


class Error(_Model):
    """What went wrong, and what to do about it."""

    error: str
    hint: str | None = None
