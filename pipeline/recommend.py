"""Recommendations of a published run by vectors of users, under the rules of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

from pipeline.config import USER
from pipeline.errors import ConfigError
from pipeline.published import PublishedRun
from pipeline.tables.neighbors import Lists, neighbor_lists

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RecommendingRun(PublishedRun):
    """A published run that knows what to recommend to a vector."""

    def best_for(
        self,
        vectors: NDArray[np.float32],
        entity: str,
        k: int,
        *,
        seen: csr_matrix | None = None,
        exclude_seen: bool | None = None,
        rules: bool = True,
    ) -> Lists:
        """What suits some users best, by the rules of the run's first table from users to an entity type.

        Parameters
        ----------
        vectors
            Of the users, fitted or folded in, float32, shape ``(m, d)``.
        entity
            The type of what is recommended, which comes from the interactions.
        k
            How many for each, at most.
        seen
            CSR of shape ``(m, n_entities)``: what they have interacted with; None where that is not known.
        exclude_seen
            Whether to leave that out; by default as the table does, else yes.
        rules
            Whether to obey the rules of the table; without them, or where the run has no such table, the lists are
            the bare model's: by the inner product.

        Returns
        -------
        The lists, their source rows numbered from 0.
        """
        kept = self.rules(entity) if rules else None
        if exclude_seen is None:
            exclude_seen = kept is None or kept.table.excludes_seen
        exclude = seen if exclude_seen else None
        if kept is not None:
            index, targets = self.index(entity, kept.metric), self.vectors(entity)
            return kept.lists(index, targets, vectors, k=k, exclude=exclude, attribute=self.encoded.attribute)
        index = self.index(entity, "inner_product")
        return next(neighbor_lists(index, vectors, np.arange(len(vectors)), k=k, exclude=exclude))

    def as_entities(self, history: csr_matrix, of: str | None, entity: str) -> csr_matrix | None:
        """A history as entities of another type: the attributes of items; None where nothing follows from it.

        Parameters
        ----------
        history
            CSR, shape ``(m, n_entities)``.
        of
            Its entity type; the items by default.
        entity
            The entity type wanted.
        """
        items = self.encoded.item_entity
        of = of or items
        if of == entity:
            return history
        if of == items and entity != USER:
            return csr_matrix(history @ self.encoded.attribute(entity))
        return None

    def recommendable(self, entity: str | None) -> str:
        """The entity type meant, the items by default.

        Raises
        ------
        ConfigError
            If there is none of that name, or it does not come from the interactions.
        """
        entity = entity or self.encoded.item_entity
        self.check_entity(entity)
        if entity in self.imported:
            raise ConfigError(f"{entity} cannot be recommended: its vectors come from a file, not from interactions")
        return entity
