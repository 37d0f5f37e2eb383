"""What filters cost: each user's seen items excluded, and one percent of the catalogue allowed, against no filter.

    python tests/benchmarks/filters.py [--data gowalla-64 synthetic] [--users N]

Users to items, one batch, exact, top 20; the three alternate, and the best round of each counts. A sample of the lists
is compared with the NumPy oracle.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import datasets
import numpy as np
from measure import timed

import annlib
from annlib import exact

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

_K = 20
_ALLOWED_SHARE = 0.01
_CHECKED_LISTS = 16

Found = tuple["NDArray[np.int64]", "NDArray[np.float32]"]


@dataclass
class Variant:
    """A way to search, and how long it took."""

    name: str
    search: Callable[[], Found]
    exclude: csr_matrix | None = None
    allow: NDArray[np.bool_] | None = None
    seconds: list[float] = field(default_factory=list)

    def run(self) -> Found:
        """Search once more."""
        found, timing = timed(self.search)
        self.seconds.append(timing.seconds)
        return found

    @property
    def best(self) -> float:
        """The least seconds."""
        return min(self.seconds)


def variants(
    index: annlib.Index, users: NDArray[np.float32], seen: csr_matrix, allow: NDArray[np.bool_], num_threads: int
) -> list[Variant]:
    """No filter, each user's seen items excluded, few items allowed."""

    def search(**filters: object) -> Found:
        return index.search(users, _K, num_threads=num_threads, **filters)  # type: ignore[arg-type]

    return [
        Variant("no filter", search),
        Variant("exclude seen", lambda: search(exclude=seen), exclude=seen),
        Variant(f"allow {_ALLOWED_SHARE:.0%}", lambda: search(allow=allow), allow=allow),
    ]


def check(variant: Variant, found: Found, items: NDArray[np.float32], users: NDArray[np.float32]) -> None:
    """Compare a sample of lists with the oracle.

    Raises
    ------
    AssertionError
        If a list is not the oracle's.
    """
    sample = np.linspace(0, len(users) - 1, _CHECKED_LISTS).astype(np.int64)
    exclude = None if variant.exclude is None else [variant.exclude[[row]].indices for row in sample]
    expected = exact.search(items, users[sample], _K, metric="inner_product", exclude=exclude, allow=variant.allow)
    message = f"{variant.name}: not the oracle's lists"
    np.testing.assert_array_equal(found[0][sample], expected[0], err_msg=message)
    np.testing.assert_array_equal(found[1][sample], expected[1], err_msg=message)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    datasets.add_data_arguments(parser, default=("gowalla-64", "synthetic"))
    parser.add_argument("--users", type=int, help="random users, at most (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    for name in arguments.data:
        data = datasets.load(name, arguments.cache)
        if data.users is None:
            parser.error(f"--data {name}: it has no users")
        n_users = min(arguments.users or len(data.users), len(data.users))
        rows = np.sort(random.choice(len(data.users), n_users, replace=False))
        users, items, seen = data.users[rows], np.array(data.items), data.seen()[rows]
        allow = np.zeros(len(items), dtype=bool)
        allow[random.choice(len(items), max(1, round(_ALLOWED_SHARE * len(items))), replace=False)] = True
        index = annlib.Index.build(items, metric="inner_product", num_threads=arguments.threads)
        ways = variants(index, users, seen, allow, arguments.threads)
        print(f"{name}: {len(users):,} users, {len(items):,} items, {seen.nnz / len(users):.1f} seen items a user")
        for _ in range(arguments.rounds):
            found = [way.run() for way in ways]
        for way, lists in zip(ways, found, strict=True):
            check(way, lists, items, users)
            print(f"  {way.name:14} {way.best:9.3f} s   {way.best / ways[0].best:6.3f} of no filter", flush=True)


if __name__ == "__main__":
    main()
