"""Recall targets: met on queries that were not calibrated on, for less work; and exact wherever nothing is promised."""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from annlib import Index, IndexFileError, exact

if TYPE_CHECKING:
    from annlib.metric import Metric

Vectors = NDArray[np.float32]
Found = tuple[NDArray[np.int64], NDArray[np.float32]]

CODED: tuple[Metric, ...] = ("inner_product", "cosine", "euclidean")
RECALLS = (0.9, 0.95, 0.99)
KS = (10, 20, 100)
ITEMS, DIM = 5000, 24
QUERIES = 250


def tastes(count: int, seed: int, *, spread: float = 0.7) -> Vectors:
    """Make vectors about a hundred tastes, of many lengths."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(0).normal(size=(100, DIM))
    vectors = centers[rng.integers(0, 100, size=count)] + spread * rng.normal(size=(count, DIM))
    return (vectors * rng.lognormal(sigma=0.4, size=(count, 1))).astype(np.float32)


class Case(NamedTuple):
    """An index, queries not used for calibration, and what the oracle finds: for queries, and for some of its items."""

    index: Index
    queries: Vectors
    of_queries: Found
    rows: NDArray[np.int64]
    of_rows: Found  # each without itself


def make_case(vectors: Vectors, calibration_queries: Vectors, queries: Vectors, metric: Metric) -> Case:
    index = Index.build(vectors, metric=metric, calibration_queries=calibration_queries)
    calibrated = np.arange(512) * len(index) // 512
    rows = np.random.default_rng(1).permutation(np.setdiff1d(np.arange(len(index)), calibrated))[: len(queries)]
    left_out = [[row] for row in rows]
    return Case(
        index,
        queries,
        exact.search(vectors, queries, max(KS), metric=metric),
        rows,
        exact.search(vectors, vectors[rows], max(KS), metric=metric, exclude=left_out),
    )


@cache
def invented(metric: Metric) -> Case:
    return make_case(tastes(ITEMS, 1), tastes(700, 2), tastes(QUERIES, 3), metric)


def assert_recall(found: NDArray[np.int64], truth: NDArray[np.int64], recall: float) -> None:
    """Assert a mean recall, within three standard errors of a sample's mean."""
    k = found.shape[1]
    shares = np.array([np.isin(true[:k], rows).mean() for true, rows in zip(truth, found, strict=True)])
    error = shares.std() / np.sqrt(len(shares))
    assert shares.mean() >= recall - 3 * error, f"recall {shares.mean():.4f} (standard error {error:.4f})"


def assert_same(found: Found, expected: Found) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1].view(np.uint32), expected[1].view(np.uint32))


# Targets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recall", RECALLS)
@pytest.mark.parametrize("metric", CODED)
def test_targets_are_met_for_less_work(metric, recall):
    case = invented(metric)
    for k in KS:
        case.index.search_rows(case.queries, k)
        exact_share = case.index.last_search_stats["scanned_share"]
        assert_recall(case.index.search_rows(case.queries, k, recall=recall)[0], case.of_queries[0], recall)
        assert case.index.last_search_stats["scanned_share"] < 0.9 * exact_share
        assert_recall(case.index.search_ids(case.rows, k, recall=recall)[0], case.of_rows[0], recall)
        assert_recall(case.index.neighbor_rows(k, recall)[0][case.rows], case.of_rows[0], recall)


@pytest.mark.parametrize("metric", CODED)
def test_more_recall_is_more_work(metric):
    case = invented(metric)
    scanned = []
    for recall in (0.5, 0.8, *RECALLS, 1.0):
        case.index.search_rows(case.queries, 20, recall=recall)
        scanned.append(case.index.last_search_stats["scanned_share"])
    assert scanned == sorted(scanned)
    assert scanned[0] < scanned[-2] < scanned[-1]


@pytest.mark.parametrize("metric", CODED)
def test_targets_are_met_without_queries_to_calibrate_on(metric):
    """The items stand in for them: as good where queries are like items."""
    case = invented(metric)
    index = Index.build(case.index.vectors, metric=metric)
    for k in KS:
        assert_recall(index.search_rows(case.queries, k, recall=0.9)[0], case.of_queries[0], 0.9)


@pytest.mark.parametrize("metric", CODED)
def test_targets_are_met_on_real_factors(metric, factors_of_gowalla):
    places, users, _ = factors_of_gowalla
    case = make_case(places, users[::2], users[1::20], metric)
    for recall in RECALLS:
        for k in KS:
            assert_recall(case.index.search_rows(case.queries, k, recall=recall)[0], case.of_queries[0], recall)
            assert_recall(case.index.search_ids(case.rows, k, recall=recall)[0], case.of_rows[0], recall)


def test_targets_are_met_without_what_users_have_seen(factors_of_gowalla):
    places, users, seen = factors_of_gowalla
    index = Index.build(places, metric="inner_product", calibration_queries=users[::2])
    queries, exclude = users[1::20], seen[1::20]
    truth, _ = exact.search(places, queries, max(KS), metric="inner_product", exclude=exclude)
    for recall in RECALLS:
        for k in KS:
            assert_recall(index.search_rows(queries, k, recall=recall, exclude=exclude)[0], truth, recall)


# What is calibrated on what ------------------------------------------------------------------------------------------


def test_queries_and_items_have_tables_of_their_own():
    """Items are searched by what was measured on items, whatever else was calibrated on."""
    items, strangers = tastes(ITEMS, 1), np.random.default_rng(2).normal(size=(800, DIM)).astype(np.float32)
    with_queries = Index.build(items, metric="inner_product", calibration_queries=strangers[::2])
    without = Index.build(items, metric="inner_product")
    of_items, of_strangers = with_queries.info["calibration"]["tables"]
    assert (of_items["source"], of_strangers["source"]) == ("items", "queries")
    assert without.info["calibration"]["tables"] == [of_items]
    assert of_strangers["beta"] != of_items["beta"]
    for k in KS:
        assert_same(with_queries.search_ids(range(99), k, recall=0.9), without.search_ids(range(99), k, recall=0.9))
        assert_same(with_queries.neighbor_rows(k, 0.9), without.neighbor_rows(k, 0.9))
    queries = strangers[1::4]
    truth, _ = exact.search(items, queries, 20, metric="inner_product")
    assert_recall(with_queries.search_rows(queries, 20, recall=0.99)[0], truth, 0.99)
    scanned = with_queries.last_search_stats["scanned_share"]
    without.search_rows(queries, 20, recall=0.99)
    assert scanned != without.last_search_stats["scanned_share"]  # strangers are searched by their own table


@pytest.mark.parametrize("metric", CODED)
def test_calibration_does_not_depend_on_threads_or_on_how_it_is_stored(metric, tmp_path):
    vectors, queries = tastes(ITEMS, 1), tastes(700, 2)
    tables = []
    for threads in (1, 2, 5):
        index = Index.build(vectors, metric=metric, calibration_queries=queries, num_threads=threads)
        tables.append(index.info["calibration"]["tables"])
    index.save(tmp_path / "x.ann")
    tables.append(Index.open(tmp_path / "x.ann").info["calibration"]["tables"])
    tables.append(
        Index.build(vectors, metric=metric, calibration_queries=queries.tolist()).info["calibration"]["tables"]
    )
    assert all(other == tables[0] for other in tables[1:])


@pytest.mark.parametrize(
    ("queries", "error", "message"),
    [
        (np.ones(DIM), ValueError, r"calibration_queries: expected shape \(n, d\), got one vector"),
        (np.ones((3, DIM + 1)), ValueError, rf"calibration_queries: expected {DIM} dimensions, as the index has"),
        (np.ones((3, 2, DIM)), ValueError, r"calibration_queries: expected shape \(n, d\), got \(3, 2"),
        (np.full((3, DIM), np.nan), ValueError, "calibration_queries: expected finite numbers, got nan in row 0"),
        (np.full((3, DIM), 1e39), ValueError, "calibration_queries: expected numbers within the range of float32"),
        ([["a"] * DIM], TypeError, "calibration_queries: expected real numbers"),
    ],
)
def test_queries_that_are_refused(queries, error, message):
    with pytest.raises(error, match=message):
        Index.build(np.ones((4, DIM)), metric="cosine", calibration_queries=queries)


@pytest.mark.parametrize("metric", CODED)
def test_queries_that_say_nothing(metric, assert_exact):
    """None at all are as if not given; one, or zeros, or extremes, calibrate to something that still finds."""
    items = tastes(2000, 1)
    none_given = Index.build(items, metric=metric, calibration_queries=np.empty((0, DIM)))
    assert [table["source"] for table in none_given.info["calibration"]["tables"]] == ["items"]
    queries = tastes(20, 3)
    for odd in (np.zeros((5, DIM)), items[:1], np.full((3, DIM), 3e38), np.full((3, DIM), 1e-42)):
        index = Index.build(items, metric=metric, calibration_queries=odd)
        betas = np.array([table["beta"] for table in index.info["calibration"]["tables"]])
        assert ((betas >= 0) & (betas <= 1)).all()
        assert (index.search_rows(queries, 10, recall=0.9)[0] >= 0).all()
        assert_exact(index, queries, 10)


# Exact where nothing less is promised --------------------------------------------------------------------------------


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("metric", CODED)
def test_exact_at_recall_1_above_the_grid_and_among_allowed_items(metric, assert_top):
    case = invented(metric)
    queries, truth = case.queries[:40], tuple(part[:40] for part in case.of_queries)
    for recall in (1, 1.0, 0.9999, np.float64(0.99901)):
        assert_top(case.index.search_rows(queries, 20, recall=recall), truth, 20)
        assert_top(case.index.search_ids(case.rows, 20, recall=recall), case.of_rows, 20)
    assert_same(case.index.search_rows(queries, 101, recall=0.5), case.index.search_rows(queries, 101))
    allow = np.arange(ITEMS) % 3 == 0
    among = exact.search(case.index.vectors, queries, 20, metric=metric, allow=allow)
    assert_top(case.index.search_rows(queries, 20, recall=0.5, allow=allow), among, 20)


@pytest.mark.parametrize("metric", ["manhattan", "hamming"])
def test_metrics_that_are_always_exact(metric, assert_top):
    items, queries = np.round(tastes(500, 1)), np.round(tastes(20, 3))
    index = Index.build(items, metric=metric, calibration_queries=queries)
    assert_top(index.search_rows(queries, 10, recall=0.5), exact.search(items, queries, 10, metric=metric), 10)


# What is found is right ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("metric", CODED)
def test_scores_are_the_definitions(metric):
    """A list may lack a neighbour, but what it has is ordered, has no item twice, and its score to the last bit."""
    case = invented(metric)
    queries = case.queries[:60]
    for recall in (0.5, 0.9):
        rows, scores = case.index.search_rows(queries, 20, recall=recall)
        for query, found, score in zip(queries, rows, scores, strict=True):
            ascending = np.sort(found)
            assert (np.diff(ascending) > 0).all()
            order, expected = exact.search(case.index.vectors[ascending], query[None], 20, metric=metric)
            assert_same((found[None], score[None]), (ascending[order], expected))


@pytest.mark.parametrize("metric", CODED)
def test_lists_are_full_and_filters_hold(metric):
    case = invented(metric)
    exclude = [rows[:30] for rows in case.of_queries[0]]
    for recall in (0.5, 0.9):
        rows, scores = case.index.search_rows(case.queries, 20, recall=recall, exclude=exclude)
        assert (rows >= 0).all()
        assert not any(np.isin(found, left_out).any() for found, left_out in zip(rows, exclude, strict=True))
        assert (case.index.search_ids(case.rows, 20, recall=recall)[0] != case.rows[:, None]).all()
        assert np.isfinite(scores).all()


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("metric", CODED)
def test_results_do_not_depend_on_threads(metric):
    index, queries = invented(metric).index, tastes(1100, 4)  # more than two tiles
    for search in (
        lambda threads: index.search_rows(queries, 10, recall=0.9, num_threads=threads),
        lambda threads: index.search_rows(queries[:1], 10, recall=0.9, num_threads=threads),
        lambda threads: index.neighbor_rows(10, 0.9, num_threads=threads),
    ):
        found = search(1)
        for threads in (2, 5):
            assert_same(search(threads), found)


@pytest.mark.parametrize("metric", CODED)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 17])
def test_few_items(n, metric, assert_top):
    items, queries = tastes(n, 1), tastes(9, 3)
    index = Index.build(items, metric=metric, calibration_queries=queries)
    for k in (1, 5, 20):
        assert_top(index.search_rows(queries, k, recall=0.5), exact.search(items, queries, k, metric=metric), k)
        found, scores = index.neighbor_rows(k, 0.5)
        assert ((found >= 0).sum(axis=1) == min(k, max(n - 1, 0))).all()
        assert (np.isnan(scores) == (found < 0)).all()


# Damage --------------------------------------------------------------------------------------------------------------


def section_of(index: Index) -> tuple[int, int]:
    (section,) = [section for section in index.info["sections"] if section["name"] == "calibration"]
    return section["offset"], section["bytes"]


@pytest.mark.parametrize("value", [np.nan, -np.nan, -1e-9, -0.5, 1.0001, 7.0, np.inf, -np.inf])
@pytest.mark.parametrize("metric", CODED)
def test_betas_that_cannot_be_are_not_used(metric, value, tmp_path, assert_top):
    path = tmp_path / "x.ann"
    case = invented(metric)
    case.index.save(path)
    image = bytearray(path.read_bytes())
    offset, length = section_of(case.index)
    table = 8 + 4 * 5 * 10
    assert length == 2 * table
    for at in (offset, offset + table):
        image[at + 8 : at + table] = np.full(50, value, dtype=np.float32).tobytes()
    path.write_bytes(image)
    damaged = Index.open(path)
    assert_top(damaged.search_rows(case.queries[:20], 20, recall=0.5), tuple(part[:20] for part in case.of_queries), 20)
    assert_top(damaged.search_ids(case.rows[:20], 20, recall=0.5), tuple(part[:20] for part in case.of_rows), 20)
    assert damaged.info["calibration"]["tables"]
    with pytest.raises(IndexFileError, match="section calibration, byte "):
        damaged.verify()


def test_sources_that_are_unknown_do_no_harm(tmp_path):
    path = tmp_path / "x.ann"
    case = invented("cosine")
    case.index.save(path)
    image = bytearray(path.read_bytes())
    offset, _ = section_of(case.index)
    image[offset : offset + 8] = struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF)
    path.write_bytes(image)
    damaged = Index.open(path)
    assert len(damaged.info["calibration"]["tables"]) == 2
    assert (damaged.search_ids(case.rows, 20, recall=0.9)[0] >= 0).all()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc ^ 0xFFFFFFFF


def with_calibration_of(image: bytes, index: Index, length: int) -> bytes:
    """Give the calibration, the last section, another length, and the header a checksum that agrees."""
    sections = index.info["sections"]
    entry = 64 + 32 * [section["name"] for section in sections].index("calibration")
    offset, _ = section_of(index)
    changed = bytearray((image + bytes(1024))[: offset + length])
    struct.pack_into("<Q", changed, entry + 16, length)
    struct.pack_into("<Q", changed, 32, len(changed))
    struct.pack_into("<I", changed, 56, 0)
    struct.pack_into("<I", changed, 56, crc32c(changed[:4096]))
    return bytes(changed)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 207, 208, 209, 415, 416, 417, 624])
def test_lengths_that_cannot_be(length, tmp_path, assert_top):
    """Nothing is used of a table that is cut: the file is refused, or all searches are exact."""
    path = tmp_path / "x.ann"
    case = invented("cosine")
    case.index.save(path)
    path.write_bytes(with_calibration_of(path.read_bytes(), case.index, length))
    if length % 208 != 0:
        with pytest.raises(IndexFileError, match="section calibration"):
            Index.open(path)
        return
    damaged = Index.open(path)
    tables = damaged.info["calibration"]["tables"]
    assert tables[:2] == case.index.info["calibration"]["tables"][: length // 208]
    found = damaged.search_rows(case.queries[:20], 20, recall=0.5)
    if length == 0:
        assert tables == []
        assert_top(found, tuple(part[:20] for part in case.of_queries), 20)
    else:
        assert (found[0] >= 0).all()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_nothing_is_guessed_where_thousands_are_the_same(metric):
    vectors = np.ones((6_000, 3), dtype=np.float32)
    vectors[::10, 0] = 2.0
    index = Index.build(vectors, metric=metric)
    for table in index.info["calibration"]["tables"]:
        assert np.unique(table["beta"]).tolist() == [1.0]
    exact, guessed = (index.search_rows(vectors[:5], 10, recall=recall) for recall in (1.0, 0.9))
    np.testing.assert_array_equal(guessed[0], exact[0])


@pytest.mark.parametrize(("noise", "recall"), [(0.7, 0.95), (0.9, 0.9)])
def test_targets_are_met_where_most_neighbors_are_found_at_once(noise, recall):
    """What is found where queries begin needs no bound at all: a step in what a bound gains, just below the target."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(60, 24))
    vectors = centers[rng.integers(0, 60, 5_000)]
    vectors += noise * rng.normal(size=(5_000, 24)) * np.exp(rng.normal(size=(5_000, 1)) * 0.5)
    index = Index.build(vectors, metric="cosine")
    truth, found = index.neighbor_rows(10)[0], index.neighbor_rows(10, recall)[0]
    shares = [len(np.intersect1d(*rows)) / 10 for rows in zip(truth, found, strict=True)]
    assert np.mean(shares) >= recall
