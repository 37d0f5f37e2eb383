"""The operations of the API: each once, for who routes them and for who describes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.serve import models
from pipeline.serve.served import ServedRun

if TYPE_CHECKING:
    from pydantic import BaseModel

#: Answers from a run, the parts of the path, and the query.
Handler = Callable[[ServedRun, Mapping[str, str], Any], "BaseModel"]


@dataclass(frozen=True)
class Operation:
    """One thing the API does.

    Attributes
    ----------
    path
        With the names of its variable parts in braces.
    name
        For programs that read the description.
    summary
        For people who do.
    answer
        What answers.
    response
        What the answer is.
    query
        What is asked.
    statuses
        The statuses of its errors, beside those that every operation has.
    """

    path: str
    name: str
    summary: str
    answer: Handler
    response: type[BaseModel]
    query: type[BaseModel] = models.NoQuery
    statuses: tuple[int, ...] = field(default=())


#: In the order they are matched in.
OPERATIONS = (
    Operation(
        "/api/entities",
        "listEntities",
        "The published run and its entity types.",
        lambda run, path, query: run.describe_run(),
        models.Run,
    ),
    Operation(
        "/api/recommend",
        "recommend",
        "What suits a taste: what is liked, added, less what is disliked.",
        lambda run, path, query: run.recommend(query),
        models.Neighbors,
        models.RecommendQuery,
        (404,),
    ),
    Operation(
        "/api/explain",
        "explain",
        "What each entity of a history, or of a taste, adds to the score of an entity.",
        lambda run, path, query: run.explain(query),
        models.Explanation,
        models.ExplainQuery,
        (404, 409),
    ),
    Operation(
        "/api/{entity}/map",
        "drawMap",
        "Places of the most popular entities of a type on a plane.",
        lambda run, path, query: run.map(path["entity"]),
        models.Map,
        statuses=(404,),
    ),
    Operation(
        "/api/{entity}/search",
        "search",
        "Names of a type that match what was typed, typos forgiven, best first.",
        lambda run, path, query: run.search(path["entity"], query),
        models.SearchResults,
        models.SearchQuery,
        (404,),
    ),
    Operation(
        "/api/{entity}/{id}",
        "describe",
        "An entity, and what it is connected with.",
        lambda run, path, query: run.describe(path["entity"], path["id"]),
        models.EntityDetails,
        statuses=(404,),
    ),
    Operation(
        "/api/{entity}/{id}/similar",
        "similar",
        "What is nearest to an entity: of its own type or another, by cosine, or by inner product where exactly one "
        "side is users.",
        lambda run, path, query: run.similar(path["entity"], path["id"], query),
        models.Neighbors,
        models.SimilarQuery,
        (404,),
    ),
)
