"""How good a model's recommendations are, beside the baselines'."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import annlib
from pipeline.errors import DataError
from pipeline.evaluation.baselines import ItemNeighbors, Popularity
from pipeline.evaluation.bootstrap import intervals
from pipeline.evaluation.metrics import CatalogueMetrics, Diversity, ranking_metrics
from pipeline.evaluation.segments import ItemSegments, by_activity
from pipeline.factors.weighting import column_degrees, row_degrees
from pipeline.progress import span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.config import EvaluationSettings
    from pipeline.evaluation.baselines import Baseline
    from pipeline.evaluation.metrics import PerUser
    from pipeline.evaluation.segments import Segment
    from pipeline.factors.base import Factors
    from pipeline.progress import Progress

    #: From rows of users, what they have and a length k to lists of shape ``(m, k)``, padded with -1.
    Recommender = Callable[[NDArray[np.int64], csr_matrix, int], NDArray[Any]]

#: Users ranked at once; bounds memory, and changes no result.
BATCH_USERS = 4096


@dataclass(frozen=True)
class UserQuality:
    """The model's measures of accuracy for each user evaluated.

    Attributes
    ----------
    rows
        Rows of the users, int64, ascending, shape ``(n_users,)``.
    values
        Keyed ``"ndcg@20"``; float32, shape ``(n_users,)``.
    """

    rows: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Evaluation:
    """Quality on a hold-out, of a model and of the baselines over the same users and candidates.

    Attributes
    ----------
    users
        Users evaluated: those with interactions in both training and test data.
    users_without_test
        Users left out because nothing of theirs was held out.
    users_without_train
        Cold users, left out because all of theirs was held out: no model knows them, and no table has them.
    test_pairs
        Held-out pairs of the users evaluated; what every recall is counted over.
    test_pairs_of_cold_items
        Those of them whose item has no training interactions: counted as misses, no list can have them.
    items
        Candidates: items with training interactions. Each list ranks all of them but the user's own.
    cold_items
        Items with test interactions and no training interactions.
    model
        Measures of the model, keyed ``"ndcg@20"``; see :mod:`pipeline.evaluation.metrics`.
    baselines
        The same measures of each baseline: ``popularity``, ``recent_popularity`` where there are timestamps, and
        ``item_knn``; see :mod:`pipeline.evaluation.baselines`.
    intervals
        Bootstrap intervals of the measures of accuracy, of the model (``"model"``) and of each baseline; see
        :func:`pipeline.evaluation.bootstrap.intervals`.
    segments
        The model's measures ``by_activity`` of users and ``by_popularity`` of items, see
        :mod:`pipeline.evaluation.segments`, and apart from them ``cold_users``: their held-out pairs, and the measures
        of accuracy that popularity has for them.
    """

    users: int
    users_without_test: int
    users_without_train: int
    test_pairs: int
    test_pairs_of_cold_items: int
    items: int
    cold_items: int
    model: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    segments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def popularity(self) -> Mapping[str, float]:
        """The measures of the baseline that gates compare with."""
        return self.baselines["popularity"]

    def to_json(self) -> dict[str, Any]:
        """As a dictionary JSON can hold."""
        # Readers of the first version look for popularity there.
        return asdict(self) | {"popularity": self.popularity}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` gave; evaluations of the first version have no baseline but popularity."""
        document = {"baselines": {"popularity": document["popularity"]}, **document}
        content = {each.name: document[each.name] for each in fields(cls) if each.name in document}
        content["intervals"] = {
            name: {measure: (low, high) for measure, (low, high) in ends.items()}
            for name, ends in content.get("intervals", {}).items()
        }
        return cls(**content)


def evaluate(
    train: csr_matrix,
    test: csr_matrix,
    factors: Factors,
    settings: EvaluationSettings,
    *,
    recent: csr_matrix | None = None,
    seed: int = 0,
    num_threads: int,
    progress: Progress,
) -> tuple[Evaluation, UserQuality]:
    """Rank the whole catalogue for every user who can be evaluated, and compare with what was held out.

    Parameters
    ----------
    train
        Training interactions, shape ``(n_users, n_items)``, sorted indices; a user's own items are never in their
        list.
    test
        Held-out pairs, same shape, sorted indices.
    factors
        Vectors fitted on ``train`` alone; ranked by inner product.
    settings
        The cutoffs.
    recent
        The recent part of ``train``, same shape; None where there are no timestamps.
    seed
        Of the bootstrap, and of what the baselines choose at random.
    num_threads
        Threads of the search, 0 for all cores; never changes the result.
    progress
        Told how far it is, after each batch of users.

    Raises
    ------
    DataError
        If no user has both training and test interactions.
    """
    _check_shapes(train, test, factors)
    item_users, activity = column_degrees(train), row_degrees(train)
    trained, tested = activity > 0, row_degrees(test) > 0
    users = np.flatnonzero(trained & tested)
    if len(users) == 0:
        raise DataError(
            f"nothing to evaluate: of {len(trained)} users, {int(trained.sum())} have training and "
            f"{int(tested.sum())} have test interactions, none both",
            hint="Change evaluation.split or evaluation.test_fraction.",
        )
    data = _HoldOut(train, test, users, settings.cutoffs, Diversity(factors.item_factors))
    by_popularity = ItemSegments(item_users, settings.cutoffs)
    share = 1.0 / (3 if recent is None else 4)
    model, values = _assess(
        recommender(factors, item_users > 0, num_threads), data, span(progress, 0.0, share), by_popularity.add
    )
    ends = {"model": intervals(values, seed=seed)}
    baselines = {}
    for number, (name, recommend) in enumerate(_baselines(train, recent, num_threads, seed), start=1):
        baselines[name], of_baseline = _assess(
            recommend, data, span(progress, number * share, min(1.0, (number + 1) * share))
        )
        ends[name] = intervals(of_baseline, seed=seed)

    test_pairs, test_users = row_degrees(test), column_degrees(test)
    of_cold_items = column_degrees(test[users])[item_users == 0]
    cold_users = np.flatnonzero(tested & ~trained)
    evaluation = Evaluation(
        users=len(users),
        users_without_test=int((trained & ~tested).sum()),
        users_without_train=len(cold_users),
        test_pairs=int(test_pairs[users].sum()),
        test_pairs_of_cold_items=int(of_cold_items.sum()),
        items=int((item_users > 0).sum()),
        cold_items=int(((test_users > 0) & (item_users == 0)).sum()),
        model=model,
        baselines=baselines,
        intervals=ends,
        segments={
            "by_activity": by_activity(activity[users], values, test_pairs[users]),
            "by_popularity": by_popularity.result(),
            "cold_users": _of_cold_users(replace(data, users=cold_users)),
        },
    )
    return evaluation, UserQuality(users, values)


@dataclass(frozen=True)
class _HoldOut:
    """What every recommender is measured on."""

    train: csr_matrix
    test: csr_matrix
    users: NDArray[np.int64]
    cutoffs: Sequence[int]
    diversity: Diversity

    @property
    def depth(self) -> int:
        """Length of the lists."""
        return min(max(self.cutoffs), self.train.shape[1])

    def batches(self) -> Iterator[tuple[NDArray[np.int64], csr_matrix, csr_matrix]]:
        """Rows of users, what they have, and what was held out."""
        for start in range(0, len(self.users), BATCH_USERS):
            batch = self.users[start : start + BATCH_USERS]
            yield batch, self.train[batch], self.test[batch]


def recommender(factors: Factors, candidates: NDArray[np.bool_], num_threads: int) -> Recommender:
    """What ranks the candidates for users by inner product, exactly, leaving out what they have."""
    # The others have vectors of zeros, which are all alike: an index of them takes long to calibrate.
    places = np.flatnonzero(candidates)
    index = annlib.Index.build(factors.item_factors[places], metric="inner_product", num_threads=num_threads)

    def recommend(users: NDArray[np.int64], seen: csr_matrix, k: int) -> NDArray[Any]:
        queries = factors.user_factors[users]
        found, _ = index.search(queries, k=k, exclude=seen[:, places], num_threads=num_threads)
        rows = np.asarray(found)
        return np.where(rows < 0, rows, places[rows])

    return recommend


def _baselines(
    train: csr_matrix, recent: csr_matrix | None, num_threads: int, seed: int
) -> Iterator[tuple[str, Recommender]]:
    """One after the other, so that no two are held at once."""
    yield "popularity", _without_rows(Popularity(train))
    if recent is not None:
        yield "recent_popularity", _without_rows(Popularity(train, recent))
    yield "item_knn", _without_rows(ItemNeighbors(train, num_threads=num_threads, seed=seed))


def _without_rows(baseline: Baseline) -> Recommender:
    return lambda _, seen, k: baseline.recommend(seen, k)


def _assess(
    recommend: Recommender,
    data: _HoldOut,
    progress: Progress,
    also: Callable[[NDArray[Any], csr_matrix], None] = lambda rows, test: None,
) -> tuple[dict[str, float], dict[str, NDArray[np.float32]]]:
    """Means of all measures, and each user's measures of accuracy.

    Parameters
    ----------
    recommend
        What is measured.
    data
        What it is measured on.
    progress
        Told how far it is.
    also
        Called with each batch of lists and held-out items.
    """
    item_users = column_degrees(data.train)
    catalogue = CatalogueMetrics(item_users, int(np.count_nonzero(row_degrees(data.train))), data.cutoffs)
    accuracy, diversity = _PerUser(), _PerUser()
    done = 0
    for users, seen, held_out in data.batches():
        rows = recommend(users, seen, data.depth)
        accuracy.add(ranking_metrics(rows, held_out, data.cutoffs))
        diversity.add(data.diversity.measure(rows, data.cutoffs))
        catalogue.add(rows)
        also(rows, held_out)
        done += len(users)
        progress(done / len(data.users), f"{done:,} of {len(data.users):,} users")
    return accuracy.means() | diversity.means() | catalogue.result(), accuracy.values()


class _PerUser:
    """Measures of users that come batch by batch; means are of the float64 values, NaN left out."""

    def __init__(self) -> None:
        self._batches: dict[str, list[NDArray[np.float32]]] = {}
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, batch: PerUser) -> None:
        for name, values in batch.items():
            self._batches.setdefault(name, []).append(values.astype(np.float32))
            self._sums[name] = self._sums.get(name, 0.0) + float(np.nansum(values))
            self._counts[name] = self._counts.get(name, 0) + int(np.count_nonzero(~np.isnan(values)))

    def means(self) -> dict[str, float]:
        """Means of the measures that somebody has."""
        return {name: self._sums[name] / count for name, count in self._counts.items() if count}

    def values(self) -> dict[str, NDArray[np.float32]]:
        return {name: np.concatenate(batches) for name, batches in self._batches.items()}


def _of_cold_users(data: _HoldOut) -> Segment:
    """How far popularity gets with users of whom nothing is known."""
    segment: Segment = {"users": len(data.users), "test_pairs": 0}
    popularity, measured = Popularity(data.train), _PerUser()
    for _, nothing, held_out in data.batches():
        segment["test_pairs"] += int(held_out.nnz)
        measured.add(ranking_metrics(popularity.recommend(nothing, data.depth), held_out, data.cutoffs))
    return segment | {"popularity": measured.means()}


def _check_shapes(train: csr_matrix, test: csr_matrix, factors: Factors) -> None:
    shape = (len(factors.user_factors), len(factors.item_factors))
    for name, matrix in (("train", train), ("test", test)):
        if matrix.shape != shape:
            raise ValueError(f"{name}: expected the shape of the factors, {shape}, got {matrix.shape}")
