"""New users and items between runs: vectors from fresh histories and listeners, the fitted factors held fixed.

A history goes through the confidences of the fit, with its degrees and scale, and then through the model's own fold-in.
It is of now: where the weights of the fit were halved by age (``weighting.half_life_days``), its own count in full.
It may be of the items or of an attribute of theirs, such as the artists of tracks: then the attribute's vectors stand
where the items' stood, and the user is fitted to users x artists as the artists were.

>>> run = pipeline.open_run("runs/lastfm")
>>> run.fold_in_users([["Radiohead", "Portishead"], {"Björk": 12.0}]).shape
(2, 64)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import USER
from pipeline.data.matrices import sum_pairs
from pipeline.errors import ConfigError, DataError
from pipeline.factors.weighting import column_degrees
from pipeline.names import find_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.data.encode import Encoded
    from pipeline.data.vocabulary import Vocabulary
    from pipeline.factors.base import Factors, Vectors
    from pipeline.factors.fitted import FittedModel
    from pipeline.factors.weighting import Weighting

#: What somebody interacted with, by ids or names; with their weights, or 1 each: one event. Repeated ones are summed.
History = (
    Collection[int | str]
    | Collection[int]
    | Collection[str]
    | Mapping[int | str, float]
    | Mapping[int, float]
    | Mapping[str, float]
)


class FoldIn:
    """The model of a run, ready to take in what it was not fitted on.

    Parameters
    ----------
    encoded
        The interactions of the fit.
    model
        The model fitted on them.
    attributes
        Vectors of the attributes of the items, by entity type.
    """

    def __init__(self, encoded: Encoded, model: FittedModel, attributes: Mapping[str, Vectors]) -> None:
        self._encoded = encoded
        self._model = model
        self._attributes = attributes
        self._weightings = {encoded.item_entity: model.weighting}

    @property
    def model(self) -> FittedModel:
        """The fitted model."""
        return self._model

    @cached_property
    def user_items(self) -> csr_matrix:
        """The weights of the fit, CSR, float32, shape ``(n_users, n_items)``: summed, and faded by a half-life."""
        return self._model.fitted_on(self._encoded.user_items)

    def histories(
        self, histories: Sequence[History], of: str | None = None, *, skip_unknown: bool = False
    ) -> csr_matrix:
        """Look up histories; see :meth:`pipeline.lookup.Run.fold_in_users`.

        Returns
        -------
        Summed weights, CSR, float32, shape ``(len(histories), n_entities)``.
        """
        entity = self.entity(of)
        return _look_up(histories, self._encoded.vocabulary(entity), entity, skip_unknown=skip_unknown)

    def listeners(self, listeners: Sequence[History], *, skip_unknown: bool = False) -> csr_matrix:
        """Look up the users of new items; see :meth:`pipeline.lookup.Run.fold_in_items`.

        Returns
        -------
        Summed weights, CSR, float32, shape ``(n_users, len(listeners))``.
        """
        rows = _look_up(listeners, self._encoded.vocabulary(USER), USER, skip_unknown=skip_unknown)
        return rows.T.tocsr()

    def users(self, histories: csr_matrix, of: str | None = None, *, num_threads: int = 0) -> Vectors:
        """Vectors of users with these histories, float32, shape ``(m, d)``; zero where a history is empty."""
        confidences = self.confidences(histories, of)
        return self._model.factorizer.fold_in_users(confidences, self.factors(of), num_threads=num_threads)

    def items(self, listeners: csr_matrix, *, num_threads: int = 0) -> Vectors:
        """Vectors of items with these listeners, float32, shape ``(m, d)``; zero where there are none."""
        confidences = self._model.weighting.transform_items(listeners)
        return self._model.factorizer.fold_in_items(confidences, self._model.factors, num_threads=num_threads)

    def confidences(self, histories: csr_matrix, of: str | None = None) -> csr_matrix:
        """What the fit makes of weights: float32, shape ``(m, n_entities)``."""
        return self._weighting(self.entity(of)).transform_users(histories)

    def factors(self, of: str | None = None) -> Factors:
        """The vectors held fixed; an attribute's in the place of the items'."""
        entity = self.entity(of)
        model = self._model
        if entity == self._encoded.item_entity:
            return model.factors
        degrees = self._weighting(entity).item_degrees
        return model.factorizer.with_items(model.factors, self._attributes[entity], degrees)

    def entity(self, of: str | None) -> str:
        """The entity type of a history: the items, or an attribute of theirs.

        Raises
        ------
        ConfigError
            If it is neither.
        """
        entity = of or self._encoded.item_entity
        known = (self._encoded.item_entity, *self._attributes)
        if entity not in known:
            raise ConfigError(f"a history of {entity!r} cannot be folded in: expected one of {', '.join(known)}")
        return entity

    def _weighting(self, entity: str) -> Weighting:
        """The weighting of the fit; an attribute's with the degrees of its values in the place of the items'."""
        if entity not in self._weightings:
            degrees = column_degrees(self._encoded.entity_items(entity))
            self._weightings[entity] = replace(self._model.weighting, item_degrees=degrees)
        return self._weightings[entity]


def _look_up(histories: Sequence[History], vocabulary: Vocabulary, entity: str, *, skip_unknown: bool) -> csr_matrix:
    """Weights of the entities of each history, shape ``(len(histories), len(vocabulary))``."""
    queries: list[int | str] = []
    weights: list[float] = []
    lengths = []
    for history in histories:
        if isinstance(history, str | bytes) or not isinstance(history, Collection):
            raise TypeError(f"histories: expected collections of ids or names, or mappings to weights; got {history!r}")
        queries.extend(history)
        weights += history.values() if isinstance(history, Mapping) else [1.0] * len(history)
        lengths.append(len(history))
    columns = find_rows(vocabulary, entity, queries, skip_unknown=skip_unknown)
    rows = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    known = columns >= 0
    return sum_pairs(
        rows[known], columns[known], _checked_weights(queries, weights)[known], (len(lengths), len(vocabulary))
    )


def _checked_weights(queries: Sequence[int | str], weights: Sequence[float]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", under="ignore"):
        result = np.array(weights, dtype=np.float64).astype(np.float32)
    wrong = np.flatnonzero(~(np.isfinite(result) & (result > 0.0)))
    if len(wrong):
        query, weight = queries[wrong[0]], weights[wrong[0]]
        raise DataError(f"weight of {query!r}: expected a number above zero, within float32; got {weight}")
    return result
