"""What FastModel saves: implicit's exact search, by the model itself and by annlib, the same answers.

    python tests/benchmarks/fast_model.py [--data gowalla-64 gowalla-256] [--rounds N]

Recommendations for all users without what they like already, and the similar items of all items, each in one call. The
two alternate, and the best round of each counts; all scores are compared. implicit is given its best setting: all
threads, and one for BLAS within each.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from measure import timed
from threadpoolctl import threadpool_limits

from annlib.compat.implicit import FastModel

if TYPE_CHECKING:
    from collections.abc import Callable

_LENGTH = 20
#: Of scores, in units of the largest: both are sums in float32 or better, of as many terms as there are factors.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Call:
    """What is asked of either model."""

    name: str
    ask: Callable[[Any], tuple[Any, Any]]


@dataclass(frozen=True)
class Seconds:
    """The best rounds: of the model, of FastModel with its index built already, and with the index to build."""

    plain: float
    fast: float
    fast_with_build: float


def make_model(data: datasets.DataSet) -> AlternatingLeastSquares:
    """A model of implicit that has the factors of a data set."""
    model = AlternatingLeastSquares(factors=data.items.shape[1], num_threads=os.cpu_count())
    model.item_factors = np.array(data.items)
    model.user_factors = np.array(data.users)
    return model


def measure(model: AlternatingLeastSquares, call: Call, rounds: int) -> Seconds:
    """Ask both.

    Raises
    ------
    AssertionError
        If the scores differ.
    """
    fast = FastModel(model)
    seconds: dict[str, list[float]] = {"plain": [], "build": [], "fast": []}
    for _ in range(rounds):
        expected, timing = timed(lambda: call.ask(model))
        seconds["plain"].append(timing.seconds)
        fast.drop_indexes()
        for name in ("build", "fast"):
            found, timing = timed(lambda: call.ask(fast))
            seconds[name].append(timing.seconds)
    np.testing.assert_allclose(found[1], expected[1], atol=_TOLERANCE * np.abs(expected[1]).max(), err_msg=call.name)
    return Seconds(min(seconds["plain"]), min(seconds["fast"]), min(seconds["build"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    datasets.add_data_arguments(parser, default=("gowalla-64",))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.data:
        data = datasets.load(name, arguments.cache)
        if data.users is None:
            parser.error(f"--data {name}: it has no users")
        seen = data.seen()
        users, items = np.arange(len(data.users)), np.arange(len(data.items))
        calls = [
            Call("recommend to all users", lambda model: model.recommend(users, seen, N=_LENGTH)),  # noqa: B023
            Call("similar items of all items", lambda model: model.similar_items(items, N=_LENGTH)),  # noqa: B023
        ]
        print(f"{name}: {len(users):,} users, {len(items):,} items, {data.items.shape[1]} d, top {_LENGTH}")
        with threadpool_limits(1, "blas"):
            model = make_model(data)
            for call in calls:
                seconds = measure(model, call, arguments.rounds)
                print(
                    f"  {call.name:27} implicit {seconds.plain:8.3f} s   FastModel {seconds.fast:8.3f} s: "
                    f"{seconds.plain / seconds.fast:5.1f} x, {seconds.plain / seconds.fast_with_build:5.1f} x with the "
                    "index to build",
                    flush=True,
                )


if __name__ == "__main__":
    main()
