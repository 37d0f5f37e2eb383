"""Single lookups on a warm, memory-mapped index of about a million vectors: median and 99th percentile.

    python tests/benchmarks/latency.py [--data synthetic] [--work items] [--lookups 1000]

Ours exactly and at recall .99, and hnswlib at its narrowest beam of recall .97 (or the best it reaches), one query a
call. Items to items asks for an item's vector, and finds it first: it is left out of the recall.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import numpy as np
from measure import Job, make_job, recall
from peers import Hnswlib, UnavailableError, normalized

import annlib

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_PEER_RECALL = 0.97
_WARM_LOOKUPS = 100
_BUILD = {"M": 16, "ef_construction": 100}


def measure(name: str, job: Job, queries: NDArray[np.float32], lookup: Callable[..., NDArray[np.int64]]) -> None:
    """Time lookups one by one; print the percentiles and the recall."""
    for query in queries[:_WARM_LOOKUPS]:
        lookup(query[np.newaxis])
    seconds = np.empty(len(queries))
    found = []
    for i, query in enumerate(queries):
        started = time.perf_counter()
        rows = lookup(query[np.newaxis])
        seconds[i] = time.perf_counter() - started
        found.append(rows)
    median, high = np.percentile(seconds * 1e3, [50, 99])
    print(f"  {name:32} median {median:8.3f} ms  p99 {high:8.3f} ms  recall {recall(job, np.concatenate(found)):.4f}")


def measure_ours(job: Job, queries: NDArray[np.float32], folder: Path, num_threads: int) -> None:
    """Ours, written to a file and opened from it."""
    path = folder / "items.ann"
    started = time.perf_counter()
    annlib.Index.build(job.items, metric=job.metric, calibration_queries=job.calibration, path=path)
    seconds, size = time.perf_counter() - started, path.stat().st_size / job.items.nbytes
    index = annlib.Index.open(path)
    print(f"  annlib built in {seconds:.1f} s, {size:.2f} times the vectors' bytes")
    k = job.k + job.self_join
    for target in (1.0, 0.99):

        def lookup(query: NDArray[np.float32], target: float = target) -> NDArray[np.int64]:
            return np.asarray(index.search(query, k, recall=target, num_threads=num_threads)[0])

        measure(f"annlib recall={target}", job, queries, lookup)


def measure_hnswlib(job: Job, queries: NDArray[np.float32], num_threads: int) -> None:
    """hnswlib, at the narrowest beam that reaches the recall on these queries."""
    try:
        peer = Hnswlib(num_threads)
    except UnavailableError as error:
        print(f"  hnswlib skipped: {error}")
        return
    items = job.items
    if job.metric == "cosine":
        items, queries = normalized(items), normalized(queries)
    started = time.perf_counter()
    peer.build(job, items, _BUILD, deadline=float("inf"))
    print(f"  hnswlib built in {time.perf_counter() - started:.1f} s")
    k = job.k + job.self_join
    for settings in peer.searches(job):
        if recall(job, peer.search(queries, k, settings)) >= _PEER_RECALL:
            break
    name = " ".join(f"{key}={value}" for key, value in {**_BUILD, **settings}.items())
    measure(f"hnswlib {name}", job, queries, partial(peer.search, k=k, settings=settings))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    datasets.add_data_arguments(parser, default=("synthetic",))
    parser.add_argument("--work", nargs="+", choices=("items", "users"), default=("items",))
    parser.add_argument("--lookups", type=int, default=1_000)
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1, help="of one lookup (builds use 2)")
    parser.add_argument("--no-peer", action="store_true", help="leave hnswlib out")
    arguments = parser.parse_args()
    for name in arguments.data:
        data = datasets.load(name, arguments.cache)
        for work in arguments.work:
            job = make_job(data, work, k=arguments.k, sample=arguments.lookups)
            queries = job.queries[job.sample]
            print(f"{job}; {len(queries):,} lookups of {job.k}")
            with tempfile.TemporaryDirectory() as folder:
                measure_ours(job, queries, Path(folder), arguments.threads)
            if not arguments.no_peer:
                measure_hnswlib(job, queries, num_threads=2)


if __name__ == "__main__":
    main()
