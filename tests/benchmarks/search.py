"""Exhaustive search against ``implicit.cpu.topk.topk``: same vectors, same threads, one process, turns taken.

    python tests/benchmarks/search.py --factors 64 256 --threads 2

Vectors are ALS factors of the Gowalla split where it is found (``CFPIPE_DATA``, else ``../shared/data`` beside the
clone), else random ones of the same shape. Prints the time of each, their ratio, multiply-adds per second, and what
share that is of the float32 peak, which one loop of dependent-free multiply-adds reaches (a matrix product by BLAS).
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # implicit starts threads of its own around BLAS

import argparse
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.cpu.topk import topk
from numpy.typing import NDArray
from scipy import sparse

import annlib

if TYPE_CHECKING:
    from collections.abc import Callable

USERS, ITEMS = 29_858, 40_981
REPOSITORY = Path(__file__).resolve().parents[2]

Factors = tuple[NDArray[np.float32], NDArray[np.float32]]


def gowalla_factors(factors: int) -> Factors | None:
    """Fit ALS on the training split; None where the data is not there."""
    folder = Path(os.environ.get("CFPIPE_DATA", REPOSITORY.parent / "shared" / "data"))
    path = folder / "gowalla" / "train_csr.npz"
    if not path.is_file():
        return None
    model = AlternatingLeastSquares(factors=factors, iterations=5, random_state=0, alpha=30.0, regularization=5.0)
    model.fit(sparse.load_npz(path).tocsr().astype(np.float32), show_progress=False)
    return model.user_factors, model.item_factors


def random_factors(factors: int) -> Factors:
    """Make factors with the norms of a catalogue: a few popular items, many rare ones."""
    rng = np.random.default_rng(0)
    popularity = rng.gamma(1.0, size=(ITEMS, 1)).astype(np.float32)
    users = rng.normal(size=(USERS, factors)).astype(np.float32)
    return users, rng.normal(size=(ITEMS, factors)).astype(np.float32) * popularity


def seconds(run: Callable[[], object]) -> float:
    """Time one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peak_per_thread() -> float:
    """Measure float32 multiply-adds per second of one thread: a matrix product that stays in the cache."""
    a = np.ones((768, 768), dtype=np.float32)
    out = np.empty_like(a)
    best = min(seconds(lambda: np.matmul(a, a, out=out)) for _ in range(40))
    return 768.0**3 / best


def compare(users: NDArray[np.float32], items: NDArray[np.float32], options: argparse.Namespace) -> None:
    """Take turns, check that both find the same scores, and print the medians."""
    index = annlib.Index.build(items, metric="inner_product", num_threads=options.threads)
    peak = peak_per_thread() * options.threads
    times: dict[str, list[float]] = {"annlib": [], "implicit": []}
    for _ in range(options.repeats):
        times["annlib"].append(seconds(lambda: index.search_rows(users, options.k, num_threads=options.threads)))
        times["implicit"].append(seconds(lambda: topk(items, users, options.k, num_threads=options.threads)))
    sample = users[:200]
    _, scores = index.search_rows(sample, options.k)
    np.testing.assert_allclose(scores, topk(items, sample, options.k)[1], rtol=1e-4, atol=1e-4)
    ours, theirs = statistics.median(times["annlib"]), statistics.median(times["implicit"])
    paired = statistics.median(b / a for a, b in zip(times["annlib"], times["implicit"], strict=True))
    rate = len(users) * len(items) * items.shape[1] / ours
    print(
        f"{items.shape[1]:5} d  annlib {ours:7.3f} s  implicit {theirs:7.3f} s  ratio {paired:5.2f}  "
        f"{rate / 1e9:6.1f} GMAC/s  {rate / peak:4.0%} of the float32 peak ({peak / 1e9:.0f})"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factors", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--queries", type=int, default=USERS, help="at most so many users")
    parser.add_argument("-k", type=int, default=20)
    parser.add_argument("--random", action="store_true", help="random vectors even where Gowalla is there")
    options = parser.parse_args()
    print(f"{annlib.Index.build([[1.0]], metric='cosine').info['isa']}, {options.threads} threads, top {options.k}")
    for factors in options.factors:
        fitted = None if options.random else gowalla_factors(factors)
        users, items = random_factors(factors) if fitted is None else fitted
        print("random vectors" if fitted is None else "Gowalla, ALS", f"{len(users)} queries, {len(items)} items")
        compare(users[: options.queries], items, options)


if __name__ == "__main__":
    main()
