"""Look-ups in a published run: similar entities and recommendations, by name or id.

>>> run = pipeline.open_run("runs/lastfm")
>>> run.similar("artist", "Radiohead", k=3)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import USER
from pipeline.errors import DataError, StoreError
from pipeline.explain import Explanation, contributions
from pipeline.names import find_row
from pipeline.recommend import RecommendingRun
from pipeline.store import Store
from pipeline.tables.neighbors import Lists

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.fold_in import History


@dataclass(frozen=True)
class Neighbor:
    """One entity of a list.

    Attributes
    ----------
    id, name
        Its id as it came, and its name.
    score, rank
        What it is ranked by, and its rank from 1.
    source
        Why it is there where the model has not put it there: ``"popular"``; else None.
    """

    id: int | str
    name: str
    score: float
    rank: int
    source: str | None = None


def open_run(root: str | os.PathLike[str]) -> Run:
    """Open the published run of a root.

    Parameters
    ----------
    root
        Folder the runs are written to, ``run.root`` of the configuration.

    Raises
    ------
    StoreError
        If nothing is published there.
    """
    store = Store(Path(root))
    content = store.current()
    if content is None:
        raise StoreError(
            f"no published run in {store.root}: current.json not found", hint="Make one: cfpipe run CONFIG."
        )
    return Run(store, content)


class Run(RecommendingRun):
    """A published run, to be asked: what is similar, what suits whom, and why."""

    def similar(self, entity: str, query: int | str, k: int = 10) -> list[Neighbor]:
        """The entities of the same type nearest to one of them, by the cosine of their vectors.

        Parameters
        ----------
        entity
            An entity type, such as ``"artist"``.
        query
            Its name or id.
        k
            How many, at most.

        Raises
        ------
        UnknownNameError
            If the query matches nothing, or several; the message says what is close, or which.
        """
        return self.similar_to_row(entity, find_row(self.vocabulary(entity), entity, query), k)

    def similar_to_row(self, entity: str, row: int, k: int = 10) -> list[Neighbor]:
        """The entities nearest to that of a row of the vocabulary, as :meth:`similar` finds them."""
        index = self.index(entity, "cosine")
        return self._listed(entity, Lists(np.array([row]), *index.neighbor_rows(k, rows=[row])))

    def recommend(
        self,
        user: int | str,
        k: int = 10,
        *,
        entity: str | None = None,
        exclude_seen: bool | None = None,
        rules: bool = True,
    ) -> list[Neighbor]:
        """The items, or entities of another type, that suit a user best.

        By the rules of the run's first table from users to that type: the k best are the first k that the table has for
        the user, or would have if it were made for them. Where there is no such table, by the inner product of the
        vectors.

        Parameters
        ----------
        user
            Name or id of the user.
        k
            How many, at most.
        entity
            The type of what is recommended; the items by default.
        exclude_seen
            Whether to leave out what the user has interacted with; by default as the table does, else yes.
        rules
            Whether to obey the rules of the table; without them the list is the bare model's.

        Raises
        ------
        UnknownNameError
            If no user, or several, match.
        ConfigError
            If the run has no interactions, or the entity type does not come from them.
        """
        users = self.encoded.vocabulary(USER)
        entity = self.recommendable(entity)
        row = find_row(users, USER, user)
        seen = self.as_entities(self.encoded.user_items[[row]], None, entity)
        lists = self.best_for(self.vectors(USER)[[row]], entity, k, seen=seen, exclude_seen=exclude_seen, rules=rules)
        return self._listed(entity, lists)

    def recommend_history(
        self,
        history: History,
        k: int = 10,
        *,
        to: str | None = None,
        of: str | None = None,
        exclude_history: bool | None = None,
        rules: bool = True,
    ) -> list[Neighbor]:
        """What suits somebody the run does not know, by what they interacted with.

        Parameters
        ----------
        history
            Names or ids, or a mapping of these to weights; see :meth:`fold_in_users`.
        k
            How many, at most.
        to
            The entity type of what is recommended; the items by default.
        of
            The entity type of the history: the items by default, or an attribute of theirs.
        exclude_history
            Whether to leave out the history itself, and the attributes of its items; by default as the table does that
            :meth:`recommend` goes by, else yes.
        rules
            Whether to obey the rules of that table.

        Raises
        ------
        UnknownNameError
            If something in the history matches nothing, or several.
        DataError
            If the history is empty, or a weight is not a number above zero.
        ConfigError
            If the run has no interactions, or an entity type does not come from them.

        Examples
        --------
        >>> run.recommend_history(["Radiohead", "Portishead"], k=10, to="artist")
        """
        to = self.recommendable(to)
        history_rows = self.fold_in.histories([history], of)
        if history_rows.nnz == 0:
            raise DataError("nothing to recommend from: the history is empty")
        known = self.as_entities(history_rows, of, to)
        vectors = self.fold_in.users(history_rows, of)
        return self._listed(to, self.best_for(vectors, to, k, seen=known, exclude_seen=exclude_history, rules=rules))

    def fold_in_users(
        self, histories: Sequence[History], *, of: str | None = None, skip_unknown: bool = False, num_threads: int = 0
    ) -> NDArray[np.float32]:
        """Vectors of users the run does not know, fitted to their histories, the other vectors held fixed.

        They live in the space of the run's vectors: ``run.index("track", "inner_product").search(vectors)``.
        ``run.fold_in.users`` takes the histories as a CSR matrix of weights instead.

        Parameters
        ----------
        histories
            For each user, names or ids of entities, or a mapping of these to weights above zero; without weights each
            weighs 1, as one event without a weight does. Repeated entities are summed. The weights become confidences
            as those of the fit did.
        of
            The entity type of the histories: the items by default, or an attribute of theirs, whose vectors then stand
            where the items' stood.
        skip_unknown
            Whether to leave out what the run does not know, such as items newer than it.
        num_threads
            Number of threads, 0 for all cores; never changes the result.

        Returns
        -------
        float32, shape ``(len(histories), d)``; zero where a history is empty.

        Raises
        ------
        UnknownNameError
            If something matches nothing, or several; the message says what is close, or which.
        DataError
            If a weight is not a number above zero.
        ConfigError
            If the run has no interactions, or the histories' entity type does not come from them.
        """
        return self.fold_in.users(
            self.fold_in.histories(histories, of, skip_unknown=skip_unknown), of, num_threads=num_threads
        )

    def fold_in_items(
        self, listeners: Sequence[History], *, skip_unknown: bool = False, num_threads: int = 0
    ) -> NDArray[np.float32]:
        """Vectors of items the run does not know, fitted to who interacted with them, the users' held fixed.

        Parameters
        ----------
        listeners
            For each item, names or ids of users, or a mapping of these to weights above zero.
        skip_unknown, num_threads
            As in :meth:`fold_in_users`, whose errors it raises too.

        Returns
        -------
        float32, shape ``(len(listeners), d)``; zero where there are no listeners.
        """
        return self.fold_in.items(self.fold_in.listeners(listeners, skip_unknown=skip_unknown), num_threads=num_threads)

    def fold_in_item(self, listeners: History, *, skip_unknown: bool = False) -> NDArray[np.float32]:
        """The vector of one item the run does not know, shape ``(d,)``; see :meth:`fold_in_items`."""
        vector: NDArray[np.float32] = self.fold_in_items([listeners], skip_unknown=skip_unknown)[0]
        return vector

    def explain(self, user: int | str, item: int | str, *, to: str | None = None) -> Explanation:
        """What each item of a user's history adds to the score of an item; see :mod:`pipeline.explain`.

        Parameters
        ----------
        user
            Name or id of the user.
        item
            Name or id of the item, seen or not.
        to
            Its entity type; the items by default.

        Raises
        ------
        UnknownNameError
            If the user or the item matches nothing, or several.
        DataError
            If the user has no history.
        ConfigError
            If the model cannot explain, or the run has no interactions, or the entity type does not come from them.
        """
        row = find_row(self.encoded.vocabulary(USER), USER, user)
        return self._explain(self.fold_in.user_items[[row]], None, item, to, user_vector=self.vectors(USER)[row])

    def explain_history(
        self, history: History, item: int | str, *, to: str | None = None, of: str | None = None
    ) -> Explanation:
        """What each entity of a fresh history adds to the score of an item; see :meth:`explain`.

        Parameters
        ----------
        history, of
            As in :meth:`recommend_history`.
        item, to
            As in :meth:`explain`.
        """
        return self._explain(self.fold_in.histories([history], of), of, item, to)

    def _explain(
        self,
        history: csr_matrix,
        of: str | None,
        item: int | str,
        to: str | None,
        user_vector: NDArray[np.float32] | None = None,
    ) -> Explanation:
        to = self.recommendable(to)
        of = self.fold_in.entity(of)
        vocabulary = self.vocabulary(to)
        row = find_row(vocabulary, to, item)
        target = self.vectors(to)[row]
        parts = contributions(self.fold_in, history, target, vocabulary=self.vocabulary(of), of=of)
        return Explanation(
            vocabulary.id(row),
            vocabulary.name(row),
            None if user_vector is None else float(np.dot(user_vector.astype(np.float64), target.astype(np.float64))),
            sum(part.share for part in parts),
            of,
            parts,
        )

    def _listed(self, entity: str, lists: Lists) -> list[Neighbor]:
        """The first of some lists."""
        vocabulary, rows = self.vocabulary(entity), lists.target_rows[0]
        popular = np.zeros(len(rows), dtype=bool) if lists.popular is None else lists.popular[0]
        return [
            Neighbor(vocabulary.id(row), vocabulary.name(row), float(score), rank, "popular" if fills else None)
            for rank, (row, score, fills) in enumerate(
                zip(rows.tolist(), lists.scores[0], popular, strict=True), start=1
            )
            if row >= 0
        ]
