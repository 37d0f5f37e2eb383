"""Fixtures of the annlib tests: every instruction set of the host, hostile vectors, comparison with the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from annlib import Index, _native, exact
from annlib.metric import METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Vectors = NDArray[np.float32]


@pytest.fixture(params=METRICS)
def metric(request: pytest.FixtureRequest) -> Metric:
    return request.param


@pytest.fixture(params=_native.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _native.isa()
    _native.use_isa(request.param)
    yield request.param
    _native.use_isa(before)


@pytest.fixture(scope="session")
def hostile() -> Callable[..., Vectors]:
    """Make vectors as hostile as data gets: duplicates, zeros, constant columns, extreme norms, equal components."""

    def make(n: int, d: int, seed: int, *, spread: int = 6) -> Vectors:
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(n, d))
        vectors[::5] = np.round(vectors[::5])
        vectors *= 10.0 ** rng.integers(-spread, spread + 1, size=(n, 1)) * (rng.random((n, 1)) < 0.3) + 1.0
        vectors[:, d // 2] = 0.5
        vectors[3::7] = vectors[: len(vectors[3::7])]
        vectors[5::11] = 0.0
        with np.errstate(over="ignore"):
            return np.clip(vectors, -3e38, 3e38).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def assert_exact() -> Callable[..., None]:
    """Compare a search with the oracle, bit for bit."""

    def check(index: Index, queries: Vectors, k: int, **filters: object) -> None:
        oracle_filters = dict(filters)
        rows, scores = index.search_rows(queries, k, **filters)
        expected_rows, expected_scores = exact.search(index.vectors, queries, k, metric=index.metric, **oracle_filters)
        np.testing.assert_array_equal(rows, expected_rows)
        np.testing.assert_array_equal(scores.view(np.uint32), expected_scores.view(np.uint32))

    return check


@pytest.fixture(scope="session")
def assert_top() -> Callable[..., None]:
    """Compare results with the first ``k`` of the oracle's, bit for bit.

    The oracle's, of shape ``(m, depth)``, serve every ``k`` up to ``depth``, and any ``k`` where they hold all items.
    """

    def check(
        found: tuple[NDArray[np.int64], NDArray[np.float32]],
        ranking: tuple[NDArray[np.int64], NDArray[np.float32]],
        k: int,
    ) -> None:
        items, scores = found
        depth = min(k, ranking[0].shape[1])
        assert items.shape == scores.shape == (len(ranking[0]), k)
        np.testing.assert_array_equal(items[:, :depth], ranking[0][:, :depth])
        np.testing.assert_array_equal(bits(scores[:, :depth]), bits(ranking[1][:, :depth]))
        assert (items[:, depth:] == -1).all()
        assert np.isnan(scores[:, depth:]).all()

    return check


def bits(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    return np.ascontiguousarray(scores).view(np.uint32)


@pytest.fixture(scope="session")
def factors_of_gowalla(data_dir: Path) -> tuple[Vectors, Vectors, list[NDArray[np.int32]]]:
    """Factors of places and of users, and where these have been.

    A truncated SVD of the busiest part of Gowalla, normalized by both degrees, by subspace iteration.
    """
    sparse = pytest.importorskip("scipy.sparse")
    visits = sparse.load_npz(data_dir / "gowalla" / "train_csr.npz").tocsr()[:5000]
    visits = visits[:, np.argsort(-visits.getnnz(axis=0), kind="stable")[:4000]].tocsr()
    places, users = (np.maximum(visits.sum(axis=axis), 1).A1 ** -0.5 for axis in (0, 1))
    matrix = sparse.diags_array(users) @ visits @ sparse.diags_array(places)
    basis = np.random.default_rng(6).normal(size=(matrix.shape[1], 40))
    for _ in range(3):
        basis, _ = np.linalg.qr(matrix.T @ (matrix @ basis))
    seen = np.split(visits.indices, visits.indptr[1:-1])
    return (basis * places[:, None] ** -0.5).astype(np.float32), (matrix @ basis).astype(np.float32), seen


@pytest.fixture
def words() -> Index:
    """Return a small cosine index in memory with string ids and names."""
    rng = np.random.default_rng(7)
    ids = [f"w{i:02}" for i in range(20)]
    names = [f"Word {i}" for i in range(19)] + ["Word 0"]
    return Index.build(rng.normal(size=(20, 6)), metric="cosine", ids=ids, names=names)
