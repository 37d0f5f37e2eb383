"""Whether recall targets are met: mean recall measured on queries that were not used for calibration.

    python tests/benchmarks/recall.py [--data gowalla-64 ...] [--neighbors]

Users to items is calibrated on a sample of users and measured on others. Items to items is calibrated on the items, by
the library's choice, and measured on random ones: by ``search_ids``, and with ``--neighbors`` by the whole self-join.
Each recall comes with the standard error of its mean; a target missed by more than two of them is marked ``MISSED``.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

import datasets
import numpy as np
from measure import Job, make_job, recalls, with_k

import annlib

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_MANY = 500_000


def ways(index: annlib.Index, job: Job, *, whole: bool) -> dict[str, Callable[..., NDArray[np.int64]]]:
    """Ways to search for the sampled queries, by ``k`` and ``recall``."""
    if not job.self_join:
        queries = job.queries[job.sample]
        return {"search": lambda k, recall: index.search(queries, k, recall=recall)[0]}
    found: dict[str, Callable[..., NDArray[np.int64]]] = {
        "search_ids": lambda k, recall: index.search_ids(job.sample, k, recall=recall)[0]
    }
    if whole:
        found["neighbors"] = lambda k, recall: index.neighbors(k, recall)[0][job.sample]
    return found


def measure(job: Job, target: float, search: Callable[..., NDArray[np.int64]]) -> tuple[str, bool]:
    """The mean recall as text, and whether the target is met within sampling error."""
    found = recalls(job, search(job.k, target))
    mean, error = float(found.mean()), float(found.std() / np.sqrt(len(found)))
    met = mean + 2 * error >= target
    return f"{mean:.4f} +- {error:.4f}{'' if met else ' MISSED'}", met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    datasets.add_data_arguments(parser, default=datasets.NAMES)
    parser.add_argument("--work", nargs="+", choices=("items", "users"), default=("items", "users"))
    parser.add_argument("--targets", nargs="+", type=float, default=(0.9, 0.95, 0.99, 1.0))
    parser.add_argument("--k", nargs="+", type=int, default=(10, 20, 100))
    parser.add_argument("--queries", type=int, help="queries to measure on (default: 2,000; 1,000 of many items)")
    parser.add_argument("--neighbors", action="store_true", help="measure the whole self-join too")
    arguments = parser.parse_args()
    all_met = True
    for name in arguments.data:
        data = datasets.load(name, arguments.cache)
        sample = arguments.queries or (2_000 if len(data.items) < _MANY else 1_000)
        for work in arguments.work:
            if work == "users" and data.users is None:
                continue
            job = make_job(data, work, k=arguments.k[0], sample=sample)
            index = annlib.Index.build(job.items, metric=job.metric, calibration_queries=job.calibration)
            print(f"{job}\n  calibration: {json.dumps(index.info['calibration'], default=str)[:400]}")
            for k in arguments.k:
                job = with_k(job, k)
                for way, search in ways(index, job, whole=arguments.neighbors).items():
                    for target in arguments.targets:
                        text, met = measure(job, target, search)
                        all_met &= met
                        print(f"  {way:10} k={k:<4} target {target:<5} measured {text}", flush=True)
    sys.exit(0 if all_met else 1)


if __name__ == "__main__":
    main()
