"""What is measured: jobs with their exact truth, seconds within a budget, recall."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets import DataSet
    from numpy.typing import NDArray

    from annlib import Metric

Work = Literal["items", "users"]
ResultT = TypeVar("ResultT")

#: What runs shorter than this is timed three times, and the best counts.
SHORT_SECONDS = 5.0
_REPEATS = 3
#: Share of the machine that other processes may take before a run counts as disturbed; the clock of it is coarse.
QUIET, _LOAD_SECONDS = 0.1, 0.5
#: Queries of the first, cheapest estimate of how long all of them take, and how fast further estimates grow.
_PROBE_QUERIES, _PROBE_GROWTH = 256, 8
#: What float32 cannot tell apart: a neighbour found counts as true where its score ties with the k-th true one.
_TIE = 1e-6
_TRUTH_BLOCK_BYTES = 1 << 28
_CALIBRATION_QUERIES = 2_000


@dataclass(frozen=True, eq=False)
class Job:
    """Queries to answer, and what is true of a sample of them.

    Attributes
    ----------
    data, work
        Name of the data set; ``"items"`` to items or ``"users"`` to items.
    metric, k
        What is asked for.
    items
        float32, shape ``(n, d)``, in memory.
    queries
        float32, shape ``(m, d)``, in memory; the items themselves where ``self_join``.
    self_join
        Whether the queries are the items, each of which is not its own neighbour.
    calibration
        Queries to calibrate on, float32, shape ``(c, d)``; None for the items.
    order
        Rows of the queries that are not in ``calibration``, shuffled, shape ``(m - c,)``: the order of sampling.
    thresholds
        float64, shape ``(s,)``: the score of the k-th true neighbour of each of the first s queries of ``order``
        (negated distances for ``"euclidean"``).
    """

    data: str
    work: Work
    metric: Metric
    k: int
    items: NDArray[np.float32]
    queries: NDArray[np.float32]
    self_join: bool
    calibration: NDArray[np.float32] | None
    order: NDArray[np.int64]
    thresholds: NDArray[np.float64]

    @property
    def sample(self) -> NDArray[np.int64]:
        """Rows of the queries whose truth is known."""
        return self.order[: len(self.thresholds)]

    def __str__(self) -> str:
        n, dim = self.items.shape
        return f"{self.data}, {self.work} to items: {len(self.queries):,} queries, {n:,} items, {dim} d, {self.metric}"


def make_job(
    data: DataSet, work: Work, *, k: int = 20, sample: int = 2_000, limit: int | None = None, seed: int = 1
) -> Job:
    """Load a data set into memory and compute the truth of a sample of queries.

    Parameters
    ----------
    sample
        Queries to compute the truth of, at most.
    limit
        Random items and users to keep of each, at most; None for all.
    """
    random = np.random.default_rng(seed)
    items = _rows_in_memory(data.items, limit, random)
    calibration, metric = None, data.item_metric
    queries, order = items, random.permutation(len(items))
    if work == "users":
        if data.users is None:
            raise ValueError(f"{data.name} has no users")
        queries, metric = _rows_in_memory(data.users, limit, random), "inner_product"
        order = random.permutation(len(queries))
        # No more than a tenth of few users, so that enough are left to measure on.
        n_calibration = min(_CALIBRATION_QUERIES, len(order) // 10)
        calibration, order = queries[order[:n_calibration]], order[n_calibration:]
    self_join = work == "items"
    k = min(k, len(items) - self_join)
    sampled = order[:sample]
    thresholds = kth_scores(items, queries[sampled], sampled if self_join else None, metric, k)
    return Job(data.name, work, metric, k, items, queries, self_join, calibration, order, thresholds)


def _rows_in_memory(
    vectors: NDArray[np.float32], limit: int | None, random: np.random.Generator
) -> NDArray[np.float32]:
    if limit is None or limit >= len(vectors):
        return np.array(vectors)
    return np.array(vectors[np.sort(random.choice(len(vectors), limit, replace=False))])


def kth_scores(
    items: NDArray[np.float32],
    queries: NDArray[np.float32],
    own_rows: NDArray[np.int64] | None,
    metric: Metric,
    k: int,
) -> NDArray[np.float64]:
    """The k-th best score over all items of each query, in float64; ``own_rows`` are left out."""
    wide = _prepared(items, metric)
    squares = np.einsum("ij,ij->i", wide, wide) if metric == "euclidean" else None
    found = np.empty(len(queries))
    block = max(1, _TRUTH_BLOCK_BYTES // (8 * len(items)))
    for start in range(0, len(queries), block):
        part = slice(start, min(start + block, len(queries)))
        wanted = _prepared(queries[part], metric)
        scores = wanted @ wide.T
        if squares is not None:
            scores = 2.0 * scores - squares - np.einsum("ij,ij->i", wanted, wanted)[:, np.newaxis]
        if own_rows is not None:
            scores[np.arange(len(scores)), own_rows[part]] = -np.inf
        scores.partition(scores.shape[1] - k, axis=1)
        found[part] = scores[:, scores.shape[1] - k]
    return -np.sqrt(np.maximum(-found, 0.0)) if metric == "euclidean" else found


def _prepared(vectors: NDArray[np.float32], metric: Metric) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    if metric == "cosine":
        wide /= np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return wide


def with_k(job: Job, k: int) -> Job:
    """The job with another k, and the truth of the same sample of queries."""
    k = min(k, len(job.items) - job.self_join)
    own_rows = job.sample if job.self_join else None
    thresholds = kth_scores(job.items, job.queries[job.sample], own_rows, job.metric, k)
    return replace(job, k=k, thresholds=thresholds)


def recall(job: Job, rows: NDArray[np.int64]) -> float:
    """Mean of :func:`recalls`."""
    return float(recalls(job, rows).mean())


def recalls(job: Job, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the k nearest neighbours that was found for each query, shape ``(s,)``.

    Parameters
    ----------
    rows
        Rows of items found for the first queries of ``job.sample``, shape ``(s, k)`` or wider, -1 for none: the query
        itself is dropped, then what is beyond k, and repeated rows count once.
    """
    sampled = job.sample[: len(rows)]
    rows = rows[: len(sampled)]
    if job.self_join:
        rows = without_own(rows, sampled)
    rows = np.sort(rows[:, : job.k], axis=1)
    repeated = np.zeros(rows.shape, dtype=bool)
    repeated[:, 1:] = rows[:, 1:] == rows[:, :-1]
    thresholds = job.thresholds[: len(rows), np.newaxis]
    scores = _scores(job, sampled, np.maximum(rows, 0))
    hits = (scores >= thresholds - _TIE * np.abs(thresholds)) & (rows >= 0) & ~repeated
    found: NDArray[np.float64] = hits.sum(axis=1) / job.k
    return found


def without_own(rows: NDArray[np.int64], own_rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows with the query's own moved to the end, as -1; the others keep their order."""
    own = rows == own_rows[:, np.newaxis]
    return np.take_along_axis(np.where(own, -1, rows), np.argsort(own, axis=1, kind="stable"), axis=1)


def _scores(job: Job, query_rows: NDArray[np.int64], item_rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scores of some items for each query, ``(s,)`` and ``(s, k)`` to ``(s, k)``; negated distances."""
    scores = np.empty(item_rows.shape)
    for i, (query_row, rows) in enumerate(zip(query_rows, item_rows, strict=True)):
        query = _prepared(job.queries[query_row][np.newaxis], job.metric)[0]
        found = _prepared(job.items[rows], job.metric)
        scores[i] = -np.linalg.norm(found - query, axis=1) if job.metric == "euclidean" else found @ query
    return scores


@dataclass(frozen=True)
class Timing:
    """How long a run took.

    Attributes
    ----------
    seconds
        By the clock.
    processor_seconds
        Of all threads of this process.
    others
        How busy other processes kept the machine meanwhile: share of its cores, from 0 to 1.
    """

    seconds: float
    processor_seconds: float
    others: float

    @classmethod
    def start(cls) -> Callable[[], Timing]:
        """Start the clock; call what is returned to read it."""
        started, machine, own = time.perf_counter(), _machine_seconds(), time.process_time()

        def stop() -> Timing:
            seconds = time.perf_counter() - started
            processor_seconds = time.process_time() - own
            others = (_machine_seconds() - machine - processor_seconds) / (seconds * psutil.cpu_count())
            return cls(seconds, processor_seconds, min(1.0, max(0.0, others)))

        return stop

    def times(self, factor: float) -> Timing:
        """The time of ``factor`` times as much work."""
        return Timing(factor * self.seconds, factor * self.processor_seconds, self.others)

    def __add__(self, other: Timing) -> Timing:
        seconds = self.seconds + other.seconds
        others = (self.seconds * self.others + other.seconds * other.others) / seconds
        return Timing(seconds, self.processor_seconds + other.processor_seconds, others)


def _machine_seconds() -> float:
    """Processor seconds of all processes."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def best_time(
    run: Callable[[], ResultT], patience: float = 0.0, deadline: float = float("inf")
) -> tuple[ResultT, Timing]:
    """Run, and run again where it was short and may end before the deadline; the result and the least seconds.

    Parameters
    ----------
    patience
        Seconds to wait before a run, at most, until other processes leave the machine alone.
    """
    timings: list[Timing] = []
    while len(timings) < _REPEATS:
        wait_for_quiet(patience)
        result, timing = timed(run)
        timings.append(timing)
        if timing.seconds >= SHORT_SECONDS or time.perf_counter() + patience + 2 * timing.seconds > deadline:
            break
    return result, min(timings, key=lambda timing: timing.seconds)


def wait_for_quiet(patience: float) -> None:
    """Wait until other processes leave the machine alone, for ``patience`` seconds at most."""
    deadline = time.perf_counter() + patience
    while time.perf_counter() < deadline:
        stop = Timing.start()
        time.sleep(_LOAD_SECONDS)
        if stop().others < QUIET:
            return


def timed(run: Callable[[], ResultT]) -> tuple[ResultT, Timing]:
    """Run once; the result and the time."""
    stop = Timing.start()
    result = run()
    return result, stop()


@dataclass(frozen=True, eq=False)
class Answered:
    """How long all queries took.

    Attributes
    ----------
    timing
        For all queries; extrapolated where ``timed_queries`` is less than all.
    timed_queries
        How many were run.
    rows
        What was found for ``job.sample``, shape ``(s, k)`` or wider.
    """

    timing: Timing
    timed_queries: int
    rows: NDArray[np.int64]


def answer(
    job: Job, search: Callable[[NDArray[np.int64] | None], NDArray[np.int64]], budget: float, patience: float = 0.0
) -> Answered:
    """Time all queries, or as many random ones as the budget of seconds allows, and extrapolate.

    Small samples are run first, and larger ones until they say how long all will take: batches grow, so the cost of a
    query falls. Where all fit, all are run, three times if they are short.

    Parameters
    ----------
    search
        Finds the neighbours of all queries (None) or of these rows of them.
    patience
        As of :func:`best_time`.
    """
    total = len(job.queries)
    size = _PROBE_QUERIES
    while size < len(job.order):
        wait_for_quiet(patience)
        rows, timing = timed(partial(search, job.order[:size]))
        whole = timing.times(total / size)
        if whole.seconds <= budget:
            break
        if timing.seconds * _PROBE_GROWTH > budget / 2:
            return Answered(whole, size, rows[: len(job.sample)])
        size *= _PROBE_GROWTH
    rows, timing = best_time(partial(search, None), patience)
    return Answered(timing, total, rows[job.sample])
