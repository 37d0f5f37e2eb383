"""How good a model's recommendations are, beside the popularity baseline's."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import annlib
from pipeline.errors import DataError
from pipeline.evaluation.baselines import Popularity
from pipeline.evaluation.metrics import CatalogueMetrics, ranking_metrics
from pipeline.factors.weighting import column_degrees, row_degrees

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.config import EvaluationSettings
    from pipeline.factors.base import Factors
    from pipeline.progress import Progress

#: Users ranked at once; bounds memory, and changes no result.
BATCH_USERS = 4096


@dataclass(frozen=True)
class Evaluation:
    """Quality on a hold-out, of a model and of popularity over the same users and candidates.

    Attributes
    ----------
    users
        Users evaluated: those with interactions in both training and test data.
    users_without_test
        Users left out because nothing of theirs was held out.
    users_without_train
        Users left out because all of theirs was held out: no model knows them, and no table has them.
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
    popularity
        The same measures of :class:`~pipeline.evaluation.baselines.Popularity`.
    """

    users: int
    users_without_test: int
    users_without_train: int
    test_pairs: int
    test_pairs_of_cold_items: int
    items: int
    cold_items: int
    model: Mapping[str, float]
    popularity: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """As a dictionary JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` gave."""
        return cls(**{field.name: document[field.name] for field in fields(cls)})


def evaluate(
    train: csr_matrix,
    test: csr_matrix,
    factors: Factors,
    settings: EvaluationSettings,
    *,
    num_threads: int,
    progress: Progress,
) -> Evaluation:
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
    item_users = column_degrees(train)
    trained, tested = row_degrees(train) > 0, row_degrees(test) > 0
    users = np.flatnonzero(trained & tested)
    if len(users) == 0:
        raise DataError(
            f"nothing to evaluate: of {len(trained)} users, {int(trained.sum())} have training and "
            f"{int(tested.sum())} have test interactions, none both",
            hint="Change evaluation.split or evaluation.test_fraction.",
        )
    depth = min(max(settings.cutoffs), train.shape[1])
    known_items = item_users > 0
    index = annlib.Index.build(factors.item_factors, metric="inner_product", num_threads=num_threads)
    popularity = Popularity(train)
    of_model, of_popularity = (_Measures(settings.cutoffs, item_users, n_users=int(trained.sum())) for _ in range(2))
    for start in range(0, len(users), BATCH_USERS):
        batch = users[start : start + BATCH_USERS]
        seen, held_out = train[batch], test[batch]
        rows, _ = index.search(
            factors.user_factors[batch],
            k=depth,
            exclude=seen,
            allow=None if known_items.all() else known_items,
            num_threads=num_threads,
        )
        of_model.add(np.asarray(rows), held_out)
        of_popularity.add(popularity.recommend(seen, depth), held_out)
        done = start + len(batch)
        progress(done / len(users), f"{done:,} of {len(users):,} users")

    test_items = column_degrees(test[users])
    return Evaluation(
        users=len(users),
        users_without_test=int((trained & ~tested).sum()),
        users_without_train=int((tested & ~trained).sum()),
        test_pairs=int(test_items.sum()),
        test_pairs_of_cold_items=int(test_items[~known_items].sum()),
        items=int(known_items.sum()),
        cold_items=int(((column_degrees(test) > 0) & ~known_items).sum()),
        model=of_model.result(),
        popularity=of_popularity.result(),
    )


class _Measures:
    """Means of the measures of lists that come batch by batch."""

    def __init__(self, cutoffs: Sequence[int], item_users: NDArray[np.int64], n_users: int) -> None:
        self._cutoffs = cutoffs
        self._catalogue = CatalogueMetrics(item_users, n_users, int((item_users > 0).sum()), cutoffs)
        self._sums: dict[str, float] = {}
        self._n_lists = 0

    def add(self, rows: NDArray[Any], test: csr_matrix) -> None:
        for name, values in ranking_metrics(rows, test, self._cutoffs).items():
            self._sums[name] = self._sums.get(name, 0.0) + float(values.sum())
        self._catalogue.add(rows)
        self._n_lists += len(rows)

    def result(self) -> dict[str, float]:
        means = {name: total / self._n_lists for name, total in self._sums.items()}
        return means | self._catalogue.result()


def _check_shapes(train: csr_matrix, test: csr_matrix, factors: Factors) -> None:
    shape = (len(factors.user_factors), len(factors.item_factors))
    for name, matrix in (("train", train), ("test", test)):
        if matrix.shape != shape:
            raise ValueError(f"{name}: expected the shape of the factors, {shape}, got {matrix.shape}")
