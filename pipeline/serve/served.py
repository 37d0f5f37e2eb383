"""A published run as it is served: the answers of the API, from files that stay mapped while it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.sparse import csr_matrix

from pipeline.config import USER
from pipeline.serve import models
from pipeline.serve.catalogue import Catalogue
from pipeline.serve.errors import NotFoundError, RequestError
from pipeline.serve.scan import nearest
from pipeline.serve.taste import Share, Taste, history_shares, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    import annlib
    from pipeline.lookup import Run

Metric = Literal["cosine", "inner_product"]

#: In the place of the length of a vector of zeros.
_TINY = 1e-30


class ServedRun:
    """A published run, opened whole.

    Parameters
    ----------
    run
        The run.
    recall
        Of look-ups in an index: 1 is exact.
    """

    def __init__(self, run: Run, *, recall: float = 1.0) -> None:
        self._run = run
        self._recall = recall
        self._catalogue = Catalogue(run)
        self._vectors = {entity: run.vectors(entity) for entity in run.entities}
        self._indexes: dict[str, annlib.Index] = {
            name: run.index(*name.rsplit(".", 1)) for name in run.content["indexes"]
        }
        if run.has_interactions and "model" in run.content:
            self._explains = run.fold_in.model.factorizer.explains()
        else:
            self._explains = not run.has_interactions
        self._maps = {entity: self._read_map(entity) for entity in run.maps}

    def describe_run(self) -> models.Run:
        """What there is."""
        content = self._run.content
        return models.Run(
            name=str(content.get("name", "")),
            date=self._run.date,
            run=str(content["run"]),
            explains=self._explains,
            entities=[
                models.EntityType(
                    name=entity,
                    count=len(self._catalogue.vocabulary(entity)),
                    lists=[other for other in self._run.entities if self._space(other) == self._space(entity)],
                    has_map=entity in self._maps,
                )
                for entity in self._run.entities
            ],
        )

    def search(self, entity: str, query: models.SearchQuery) -> models.SearchResults:
        """Names that match what was typed."""
        return models.SearchResults(results=self._catalogue.search(entity, query.q, query.limit))

    def describe(self, entity: str, id: str) -> models.EntityDetails:  # noqa: A002
        """One entity."""
        return self._catalogue.describe(entity, self._catalogue.row(entity, id))

    def similar(self, entity: str, id: str, query: models.SimilarQuery) -> models.Neighbors:  # noqa: A002
        """What is nearest to an entity: by cosine, or by inner product where exactly one side is users."""
        row = self._catalogue.row(entity, id)
        to = self._target(query.to, entity)
        if to == entity and f"{entity}.cosine" in self._indexes:
            index = self._indexes[f"{entity}.cosine"]
            k = min(query.k, len(index))
            rows, scores = index.neighbor_rows(k, self._recall, rows=[row], num_threads=1)
            return self._list(to, "cosine", rows[0], scores[0])
        metric: Metric = "inner_product" if (entity == USER) != (to == USER) else "cosine"
        exclude = np.array([row] if to == entity else [], dtype=np.int32)
        if entity == USER and to != USER and query.seen == "false" and self._run.has_interactions:
            seen = self._run.as_entities(self._run.encoded.user_items[[row]], None, to)
            exclude = exclude if seen is None else seen.indices
        return self._nearest(self._vectors[entity][row], to, metric, query.k, exclude)

    def recommend(self, query: models.RecommendQuery) -> models.Neighbors:
        """What suits a taste."""
        taste = self._taste(query)
        to = self._target(query.to, taste.parts[0].entity)
        return self._nearest(taste.vector, to, _taste_metric(taste, to), query.k, taste.exclude(to))

    def explain(self, query: models.ExplainQuery) -> models.Explanation:
        """What each entity of a history, or of a taste, adds to the score of an entity."""
        entity, row = self._catalogue.reference(query.item)
        target = self._vectors[entity][row]
        if query.user is not None:
            if query.like or query.dislike:
                raise RequestError("expected a user or a taste, got both", hint="Leave one of the two out.")
            user = self._catalogue.row(USER, query.user)
            self._target(entity, USER)
            if entity == USER:
                raise RequestError("expected an item that was recommended to a user, got a user")
            score = float(self._vectors[USER][user].astype(np.float64) @ target)
            encoded = self._run.encoded
            shares = history_shares(self._run, encoded.item_entity, self._run.fold_in.user_items[[user]], target)
        else:
            taste = self._taste(query)
            self._target(entity, taste.parts[0].entity)
            if _taste_metric(taste, entity) == "cosine":
                # Shares are linear in the target: those of the cosine that the list has.
                target = unit(target) / max(float(np.linalg.norm(taste.vector)), _TINY)
            shares = taste.shares(target)
            score = sum(share.share for share in shares)
        return self._explanation(entity, row, score, shares, query.k)

    def map(self, entity: str) -> models.Map:
        """The places of the most popular entities of a type."""
        self._catalogue.vocabulary(entity)
        if entity not in self._maps:
            raise NotFoundError(f"the run has no map of {entity}", hint="Runs draw one of every type but users.")
        return self._maps[entity]

    def _explanation(self, entity: str, row: int, score: float, shares: list[Share], k: int) -> models.Explanation:
        listed = sorted(sorted(shares, key=lambda share: -abs(share.share))[:k], key=lambda share: -share.share)
        total = sum(share.share for share in shares)
        return models.Explanation(
            item=self._catalogue.entity(entity, row),
            score=score,
            explained=total,
            contributions=[
                models.Contribution(**self._catalogue.identify(share.entity, share.row), share=share.share)
                for share in listed
            ],
            others=total - sum(share.share for share in listed),
        )

    def _taste(self, query: models.TasteQuery) -> Taste:
        likes, dislikes = (
            [self._catalogue.reference(reference) for reference in references]
            for references in (query.like, query.dislike)
        )
        spaces = {self._space(entity) for entity, _ in [*likes, *dislikes]}
        if len(spaces) > 1:
            raise RequestError("a taste is of entity types in one space, got several", hint="See /api/entities.")
        return Taste(self._run, likes, dislikes)

    def _nearest(
        self, vector: NDArray[np.float32], to: str, metric: Metric, k: int, exclude: NDArray[np.int32]
    ) -> models.Neighbors:
        k = min(k, len(self._catalogue.vocabulary(to)))
        index = self._indexes.get(f"{to}.{metric}")
        if index is None:
            rows, scores = nearest(self._vectors[to], vector, k, cosine=metric == "cosine", exclude=exclude)
        else:
            found, found_scores = index.search_rows(
                vector[None, :], k, recall=self._recall, exclude=_exclusions(exclude, len(index)), num_threads=1
            )
            rows, scores = found[0], found_scores[0]
        return self._list(to, metric, rows, scores)

    def _list(self, to: str, metric: Metric, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> models.Neighbors:
        """A list of what was found; where nothing was left to find, the row is -1."""
        return models.Neighbors(
            metric=metric,
            results=[
                models.ScoredEntity(**self._catalogue.identify(to, row), score=score, rank=rank)
                for rank, (row, score) in enumerate(zip(rows.tolist(), scores.tolist(), strict=True), start=1)
                if row >= 0
            ],
        )

    def _target(self, to: str | None, entity: str) -> str:
        """The entity type that is to be listed, which must be in the space of another."""
        to = to or entity
        self._catalogue.vocabulary(to)
        if self._space(to) != self._space(entity):
            raise RequestError(
                f"{to} cannot be listed beside {entity}: their vectors are in different spaces",
                hint="See `lists` in /api/entities.",
            )
        return to

    def _space(self, entity: str) -> str:
        """The space of an entity type's vectors; runs of earlier versions say only which come from a file."""
        self._catalogue.vocabulary(entity)
        spaces = self._run.content.get("spaces", {})
        default = f"a space of {entity} alone" if entity in self._run.imported else "the space of the interactions"
        return str(spaces.get(entity, default))

    def _read_map(self, entity: str) -> models.Map:
        places = self._run.map(entity).select(["id", "name", "x", "y", "group"]).to_pylist()
        return models.Map(places=[models.Place(**{**place, "id": str(place["id"])}, type=entity) for place in places])


def _taste_metric(taste: Taste, to: str) -> Metric:
    """What ranks a list for a taste."""
    return "cosine" if taste.from_file or to == USER else "inner_product"


def _exclusions(rows: NDArray[np.int32], count: int) -> csr_matrix | None:
    """What one query is not to find, as an index takes it."""
    if not len(rows):
        return None
    return csr_matrix((np.ones(len(rows), np.float32), rows, np.array([0, len(rows)])), shape=(1, count))
