"""implicit's matrix-factorization models, searched by annlib.

from annlib.compat.implicit import FastModel

model = FastModel(implicit.als.AlternatingLeastSquares(factors=64))
model.fit(user_items)
ids, scores = model.recommend(user_ids, user_items[user_ids], N=20)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.cpu.lmf import LogisticMatrixFactorization
from implicit.cpu.matrix_factorization_base import MatrixFactorizationBase
from implicit.recommender_base import RecommenderBase
from scipy.sparse import csr_matrix

from annlib import Index
from annlib.compat._implicit_lists import Candidates, Lists, check_length, directions, lowest, norms, with_themselves

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["FastModel"]

Side = Literal["item", "user"]
Kind = Literal["factors", "directions"]

#: A parameter that saved models of one class alone have.
_CLASS_SAVED_WITH = {
    "use_cg": AlternatingLeastSquares,
    "verify_negative_samples": BayesianPersonalizedRanking,
    "neg_prop": LogisticMatrixFactorization,
}


@dataclass(frozen=True)
class _BuiltIndex:
    """An index, and the arrays of the model that it was built for: others are there once the factors change."""

    index: Index
    factors: NDArray[Any]
    norms: NDArray[Any]


class FastModel(RecommenderBase):  # type: ignore[misc]
    """A matrix-factorization model of implicit, searched by annlib: the same results, sooner.

    Methods, arguments, results and errors are implicit's own. Any attribute that is not described here is the model's,
    also when it is set. Scores agree to the precision of float32 (float64 factors are searched in float32), lists up
    to the order of equal scores; :meth:`similar_items` and :meth:`similar_users` begin with the item or user itself,
    unless it is filtered out.

    An index is built when it is first needed, and again once the factors have changed: by ``fit``, by
    ``partial_fit_users`` or ``partial_fit_items``, by assignment. Whoever changes the values of a factor array in
    place calls :meth:`drop_indexes`.

    Parameters
    ----------
    model
        An ``AlternatingLeastSquares``, ``BayesianPersonalizedRanking`` or ``LogisticMatrixFactorization`` of implicit,
        or another subclass of its ``MatrixFactorizationBase``, on the CPU; fitted or not.

    Attributes
    ----------
    model
        The model itself.

    Raises
    ------
    TypeError
        ``model`` is none of these.
    """

    def __init__(self, model: Any) -> None:
        if not isinstance(model, MatrixFactorizationBase):
            raise TypeError(
                "model: expected a matrix-factorization model of implicit on the CPU (AlternatingLeastSquares, "
                f"BayesianPersonalizedRanking or LogisticMatrixFactorization), got {type(model).__name__}"
            )
        self.model = model
        self._indexes: dict[tuple[Side, Kind], _BuiltIndex] = {}

    def __getattr__(self, name: str) -> Any:
        if name == "model":  # not set yet, as in an instance that __init__ refused
            raise AttributeError(name)
        return getattr(self.model, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in {"model", "_indexes"}:
            super().__setattr__(name, value)
        else:
            setattr(self.model, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.model,)

    def __repr__(self) -> str:
        return f"FastModel({self.model!r})"

    def fit(self, user_items: csr_matrix, *args: Any, **kwargs: Any) -> None:
        """Fit the model, with the arguments of its own ``fit``."""
        self.drop_indexes()
        self.model.fit(user_items, *args, **kwargs)

    def drop_indexes(self) -> None:
        """Forget the indexes: the calls that need them build them again."""
        self._indexes = {}

    def save(self, fileobj_or_path: Any) -> None:
        """Save the model as implicit does: its class loads the file, and so does :meth:`load`."""
        self.model.save(fileobj_or_path)

    @classmethod
    def load(cls, fileobj_or_path: Any) -> Self:
        """Load a model that implicit or :meth:`save` has saved.

        Raises
        ------
        ValueError
            The file is of none of implicit's classes. What another class has saved, its own ``load`` reads.
        """
        if isinstance(fileobj_or_path, str) and not fileobj_or_path.endswith(".npz"):
            fileobj_or_path += ".npz"
        start = fileobj_or_path.tell() if hasattr(fileobj_or_path, "tell") else None
        with np.load(fileobj_or_path, allow_pickle=False) as saved:
            names = set(saved)
        classes = [model_class for name, model_class in _CLASS_SAVED_WITH.items() if name in names]
        if len(classes) != 1:
            raise ValueError(
                f"{fileobj_or_path}: expected a saved AlternatingLeastSquares, BayesianPersonalizedRanking or "
                f"LogisticMatrixFactorization, got an archive of {', '.join(sorted(names)) or 'nothing'}"
            )
        if start is not None:
            fileobj_or_path.seek(start)
        return cls(classes[0].load(fileobj_or_path))

    #: Deprecated by implicit; calls :meth:`recommend`.
    recommend_all = MatrixFactorizationBase.recommend_all

    def recommend(
        self,
        userid: Any,
        user_items: csr_matrix,
        N: int = 10,  # noqa: N803 (implicit's name)
        filter_already_liked_items: bool = True,
        filter_items: Any = None,
        recalculate_user: bool = False,
        items: ArrayLike | None = None,
    ) -> Lists:
        """Recommend items for users.

        Parameters
        ----------
        userid
            The id of a user, or an array of ``m`` of them.
        user_items
            What those users like, shape ``(m, n_items)``; not read where neither it filters nor a user is recalculated.
        N
            Length of the lists.
        filter_already_liked_items
            Whether to leave out what is stored in ``user_items``.
        filter_items
            Ids of other items to leave out.
        recalculate_user
            Whether to compute the users' factors from ``user_items``: ALS can.
        items
            Ids of the only items to rank, instead of ``filter_items``.

        Returns
        -------
        ids, scores : NDArray
            Shape ``(N,)`` for one user, else ``(m, N)``; with ``items``, no longer than these. Where too few are left,
            a list goes on as implicit's do: with items that are filtered out, at the lowest score their dtype has,
            and where N is beyond the catalogue, with item 0 at a score of 0.

        Raises
        ------
        IndexError
            An id is not in the model.
        ValueError
            ``user_items`` is not a CSR matrix with a row for each user, or both item lists are given.
        NotImplementedError
            The model cannot recalculate users.
        """
        total = len(self._factors("item"))
        if filter_already_liked_items or recalculate_user:
            _check_user_items(user_items, 1 if np.isscalar(userid) else len(userid))
        factors = self.model.recalculate_user(userid, user_items) if recalculate_user else self._factors("user")[userid]
        queries = np.atleast_2d(factors)
        candidates = _candidates(total, items, filter_items, "items", "filter_items")
        liked = None
        if filter_already_liked_items:
            liked = _liked(user_items, total, ignore_zeros=items is not None)

        def search(k: int) -> Lists:
            index = self._index("item", "factors")
            return index.search_rows(
                queries, k, exclude=liked, allow=candidates.allow, num_threads=self.model.num_threads
            )

        length = check_length(N) if items is None else min(check_length(N), candidates.asked)
        filtered_scores = lowest(queries.dtype, np.ones(len(queries)))
        ids, scores = candidates.rank(length, search, filtered_scores, queries.dtype)
        return (ids[0], scores[0]) if np.isscalar(userid) else (ids, scores)

    def similar_items(
        self,
        itemid: Any,
        N: int = 10,  # noqa: N803
        recalculate_item: bool = False,
        item_users: csr_matrix | None = None,
        filter_items: Any = None,
        items: ArrayLike | None = None,
    ) -> Lists:
        """Find the items of the highest cosine to an item.

        Parameters
        ----------
        itemid
            The id of an item, or an array of ``m`` of them.
        N
            Length of the lists.
        recalculate_item
            Whether to compute the items' factors from ``item_users``: ALS can.
        item_users
            Who likes those items, shape ``(m, n_users)``.
        filter_items
            Ids of items to leave out.
        items
            Ids of the only items to rank, instead of ``filter_items``.

        Returns
        -------
        ids, scores : NDArray
            Shape ``(N,)`` for one item, else ``(m, N)``. An item without direction, its factors being zero, has a
            cosine of 0 to all. Where too few are left, a list goes on as implicit's do: with items that are filtered
            out, far below -1, and then with the first candidate at a score of 0.

        Raises
        ------
        IndexError
            An id is not in the model.
        ValueError
            Both item lists are given.
        NotImplementedError
            The model cannot recalculate items.
        """
        total = len(self._factors("item"))
        if recalculate_item:
            factors = self.model.recalculate_item(itemid, item_users)
            candidates = _candidates(total, items, filter_items, "items", "filter_items")
            return self._similar_to(factors, candidates, check_length(N))
        rows = np.arange(total)[itemid]
        candidates = _candidates(total, items, filter_items, "items", "filter_items")
        return self._similar("item", rows, candidates, check_length(N))

    def similar_users(
        self,
        userid: Any,
        N: int = 10,  # noqa: N803
        filter_users: Any = None,
        users: ArrayLike | None = None,
    ) -> Lists:
        """Find the users of the highest cosine to a user, as :meth:`similar_items` does for items.

        Parameters
        ----------
        userid
            The id of a user, or an array of ``m`` of them.
        N
            Length of the lists.
        filter_users
            Ids of users to leave out.
        users
            Ids of the only users to rank, instead of ``filter_users``.

        Returns
        -------
        ids, scores : NDArray
            Shape ``(N,)`` for one user, else ``(m, N)``.

        Raises
        ------
        IndexError
            An id is not in the model.
        ValueError
            Both lists of users are given.
        """
        total = len(self._factors("user"))
        rows = np.arange(total)[userid]
        candidates = _candidates(total, users, filter_users, "users", "filter_users")
        return self._similar("user", rows, candidates, check_length(N))

    def _similar(self, side: Side, rows: np.int64 | NDArray[np.int64], candidates: Candidates, length: int) -> Lists:
        """Rank by the cosine to members of the model, each of them first in its own list."""
        factors = self._factors(side)
        own = np.atleast_1d(rows)
        own_norms = norms(factors[own])

        def search(k: int) -> Lists:
            index = self._index(side, "directions")
            found = index.neighbor_rows(k, rows=own, allow=candidates.allow, num_threads=self.model.num_threads)
            return with_themselves(own, own_norms > 0, found, candidates.allow)

        ids, scores = candidates.rank(length, search, lowest(factors.dtype, own_norms), factors.dtype)
        return (ids[0], scores[0]) if np.ndim(rows) == 0 else (ids, scores)

    def _similar_to(self, factors: NDArray[Any], candidates: Candidates, length: int) -> Lists:
        """Rank items by the cosine to other factors."""
        queries = np.atleast_2d(factors)

        def search(k: int) -> Lists:
            index = self._index("item", "directions")
            return index.search_rows(directions(queries), k, allow=candidates.allow, num_threads=self.model.num_threads)

        ids, scores = candidates.rank(length, search, lowest(factors.dtype, norms(queries)), factors.dtype)
        return (ids[0], scores[0]) if factors.ndim == 1 else (ids, scores)

    def _factors(self, side: Side) -> NDArray[Any]:
        factors: NDArray[Any] | None = getattr(self.model, f"{side}_factors")
        if factors is None:
            raise TypeError(f"the model has no {side} factors yet: call fit")
        return factors

    def _index(self, side: Side, kind: Kind) -> Index:
        """Return the index of a side's factors as they are now.

        Directions are searched by inner product, not factors by cosine, so that zero vectors, of which annlib's cosine
        finds none, have the score of 0 that implicit gives them.
        """
        factors = self._factors(side)
        # implicit drops its norms when it changes factors in place: others are there afterwards.
        model_norms: NDArray[Any] = getattr(self.model, f"{side}_norms")
        built = self._indexes.get((side, kind))
        if built is None or built.factors is not factors or built.norms is not model_norms:
            vectors = factors if kind == "factors" else directions(factors)
            index = Index.build(vectors, metric="inner_product", num_threads=self.model.num_threads)
            built = self._indexes[side, kind] = _BuiltIndex(index, factors, model_norms)
        return built.index


def _check_user_items(user_items: object, users: int) -> None:
    if not isinstance(user_items, csr_matrix):
        raise ValueError(f"user_items: expected a CSR sparse matrix, got {type(user_items).__name__}")
    if user_items.shape[0] != users:
        raise ValueError(f"user_items: expected one row for each of {users} users, got shape {user_items.shape}")


def _candidates(total: int, given: ArrayLike | None, filtered: Any, given_name: str, filtered_name: str) -> Candidates:
    if given is None:
        return Candidates.all_but(total, filtered)
    if filtered is not None and np.size(filtered) > 0:
        raise ValueError(f"{given_name}, {filtered_name}: expected one of the two, got both")
    return Candidates.given(total, given, given_name)


def _liked(user_items: csr_matrix, total: int, *, ignore_zeros: bool) -> csr_matrix:
    """What each user likes: what is stored, but not zeros where implicit ranks given items."""
    if ignore_zeros:
        user_items = user_items.copy()
        user_items.eliminate_zeros()
    if user_items.shape[1] == total:
        return user_items
    if user_items.nnz > 0 and user_items.indices.max() >= total:
        raise IndexError(f"user_items: expected items from 0 to {total - 1}, got {user_items.indices.max()}")
    return csr_matrix((user_items.data, user_items.indices, user_items.indptr), shape=(user_items.shape[0], total))
