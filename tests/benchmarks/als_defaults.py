"""What is chosen for ALS where nothing is set, made on two of three data sets and measured on the third.

    python tests/benchmarks/als_defaults.py --data ../shared/data [--draws 64] [--trials trials.jsonl]

For each of MovieLens, Last.fm and Gowalla, and for denser and smaller parts of Gowalla, settings are drawn and measured
on a hold-out of the training data (a fifth of each user's items). A Gaussian process over the draws stands for the
quality of all settings; the constants of the rule, and those of the start of trials, are those that lose least by it.
On the data that played no part in them, the pipeline's own trials begin with both, and see the hold-out of the training
data. What they choose is fitted on all of that and measured on the test set, beside implicit's own defaults and the
best of 50 draws, as the hold-out ranks them. Draws are kept in a file, so that a run that was stopped goes on.

Recall@20 and NDCG@20, all items ranked, seen ones left out, 64 dimensions (implicit's defaults have 100).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow.csv
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import coo_matrix, csr_matrix, load_npz
from scipy.stats import qmc
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from threadpoolctl import threadpool_limits

import annlib
from pipeline.config import parse_config
from pipeline.data.split import split_by_user
from pipeline.evaluation.metrics import ranking_metrics
from pipeline.factors.defaults import DENSITIES, choose
from pipeline.factors.portfolio import ALPHA, ITEM_POWER, ITERATIONS, REGULARIZATION, USER_POWER, Start
from pipeline.factors.statistics import MatrixStatistics
from pipeline.factors.weighting import WeightingSettings, weigh
from pipeline.progress import no_progress
from pipeline.trials.candidate import Candidate
from pipeline.trials.choose import choose_by_trials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

_FACTORS = 64
_CUTOFF = 20
_SWEEPS = (4, 8, 16)
_TUNED = 50
#: Whose quality decides where all users would take too long.
_USERS = 8_000
#: Density at which the constants of the rule hold; the others say how they change by powers of ten.
_MIDDLE = 10**-2.5


@dataclass(frozen=True)
class Settings:
    """One setting of ALS."""

    alpha: float
    regularization: float
    user_degree_power: float
    item_degree_power: float
    iterations: int

    @classmethod
    def of(cls, values: Mapping[str, float], iterations: int) -> Self:
        """From values by the names of a configuration."""
        names = {"alpha": ALPHA, "regularization": REGULARIZATION}
        names |= {"user_degree_power": USER_POWER, "item_degree_power": ITEM_POWER}
        return cls(**{key: values[name] for key, name in names.items()}, iterations=iterations)

    def values(self) -> dict[str, float]:
        """By the names of a configuration, without their iterations."""
        return {
            ALPHA: self.alpha,
            REGULARIZATION: self.regularization,
            USER_POWER: self.user_degree_power,
            ITEM_POWER: self.item_degree_power,
        }

    def features(self) -> list[float]:
        """As the surrogate sees it."""
        ratio = np.log10(self.regularization / self.alpha)
        return [np.log10(self.alpha), ratio, self.user_degree_power, self.item_degree_power, np.log2(self.iterations)]


@dataclass(frozen=True)
class Quality:
    """Recall@20 and NDCG@20."""

    recall: float
    ndcg: float


@dataclass(frozen=True)
class Part:
    """A matrix that the rule is made on, or measured on.

    Attributes
    ----------
    name, family
        Its name, and the data set it is a part of.
    train, validation
        The training data without the hold-out, and the hold-out.
    whole, test
        The training data, and the test set; None for what is no data set of its own.
    """

    name: str
    family: str
    train: csr_matrix
    validation: csr_matrix
    whole: csr_matrix | None
    test: csr_matrix | None

    @property
    def density(self) -> float:
        """Share of the pairs of users and items that there are, within the range of the rule."""
        return float(np.clip(self.statistics.density, *DENSITIES))

    @cached_property
    def statistics(self) -> MatrixStatistics:
        """Of the training data without the hold-out."""
        return MatrixStatistics.of(self.train)


def load(data: Path) -> list[Part]:
    """All parts, of the data at a folder as the configurations know it."""
    movielens = _from_table(data / "movielens-latest-small/ratings.csv", ",", "userId", "movieId")
    lastfm = _from_table(data / "lastfm-2k/user_artists.dat", "\t", "userID", "artistID")
    gowalla = csr_matrix(load_npz(data / "gowalla/train_csr.npz"), dtype=np.float32)
    gowalla.data[:] = 1.0
    some = np.random.default_rng(5).choice(gowalla.shape[0], 5_000, replace=False)
    parts = []
    for family, matrix in (("movielens", movielens), ("lastfm", lastfm)):
        whole, test, _ = split_by_user(matrix, test_fraction=0.2, seed=0)
        parts.append(_part(family, family, whole, test))
    parts.append(_part("gowalla, 5,000 users", "gowalla", gowalla[some]))
    parts.append(_part("gowalla, 20 of each or more", "gowalla", _core(gowalla, 20)))
    parts.append(_part("gowalla", "gowalla", gowalla, csr_matrix(load_npz(data / "gowalla/test_csr.npz"))))
    return parts


def _part(name: str, family: str, whole: csr_matrix, test: csr_matrix | None = None) -> Part:
    train, validation, _ = split_by_user(whole, test_fraction=0.2, seed=1)
    return Part(name, family, train, validation, None if test is None else whole, test)


def _from_table(path: Path, delimiter: str, user: str, item: str) -> csr_matrix:
    options = pyarrow.csv.ParseOptions(delimiter=delimiter)
    table = pyarrow.csv.read_csv(path, parse_options=options)
    users, items = (table[column].combine_chunks().dictionary_encode().indices.to_numpy() for column in (user, item))
    return coo_matrix((np.ones(len(users), np.float32), (users, items))).tocsr()


def _core(matrix: csr_matrix, least: int) -> csr_matrix:
    """The users and items that have at least so many interactions among each other."""
    while True:
        shape = matrix.shape
        matrix = matrix[np.diff(matrix.indptr) >= least]
        matrix = matrix[:, np.bincount(matrix.indices, minlength=matrix.shape[1]) >= least]
        if matrix.shape == shape:
            return matrix


def fits(
    matrix: csr_matrix, settings: Settings, sweeps: Iterable[int], *, factors: int = _FACTORS, weighted: bool = True
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
    """Fit, and show the factors after some numbers of sweeps."""
    weighting = WeightingSettings(
        confidence="binary",
        user_degree_power=settings.user_degree_power,
        item_degree_power=settings.item_degree_power,
    )
    confidences = weigh(matrix, weighting) if weighted else matrix
    model = AlternatingLeastSquares(
        factors=factors, alpha=settings.alpha, regularization=settings.regularization, random_state=0
    )
    done = 0
    for sweep in sweeps:
        model.iterations = sweep - done
        model.fit(confidences, show_progress=False)
        done = sweep
        yield sweep, model.user_factors, model.item_factors


def evaluate(
    users: NDArray[np.float32], items: NDArray[np.float32], seen: csr_matrix, test: csr_matrix, limit: int | None
) -> Quality:
    """Rank all items but those seen, for users of the test set, or some of them."""
    rows = np.flatnonzero(np.diff(test.indptr))
    if limit is not None and len(rows) > limit:
        rows = np.sort(np.random.default_rng(1).choice(rows, limit, replace=False))
    index = annlib.Index.build(items, metric="inner_product")
    found, _ = index.search_rows(np.ascontiguousarray(users[rows]), _CUTOFF, exclude=seen[rows])
    metrics = ranking_metrics(found, csr_matrix(test[rows]), [_CUTOFF])
    return Quality(float(metrics[f"recall@{_CUTOFF}"].mean()), float(metrics[f"ndcg@{_CUTOFF}"].mean()))


def draw(count: int) -> list[Settings]:
    """Settings spread evenly over wide ranges (Sobol), without their iterations."""
    return [
        Settings(10 ** (2.6 * a - 0.3), 10 ** (3.6 * b - 1.3), float(c), float(d), _SWEEPS[-1])
        for a, b, c, d in qmc.Sobol(4, seed=0).random_base2((count - 1).bit_length())[:count]
    ]


class Trials:
    """What was measured, kept in a file of JSON lines."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path is not None and path.is_file() else []
        self._done: dict[str, list[tuple[Settings, Quality]]] = {}
        for line in map(json.loads, lines):
            self._done.setdefault(line["part"], []).append((Settings(**line["settings"]), Quality(**line["quality"])))

    def of(self, part: Part, count: int) -> list[tuple[Settings, Quality]]:
        """The trials of a part, measured now where they are not there yet."""
        known = self._done.setdefault(part.name, [])
        for settings in draw(count)[len(known) // len(_SWEEPS) :]:
            for sweep, users, items in fits(part.train, settings, _SWEEPS):
                trial = Settings(**{**asdict(settings), "iterations": sweep})
                quality = evaluate(users, items, part.train, part.validation, _USERS)
                known.append((trial, quality))
                self._keep(part, trial, quality)
        return known

    def _keep(self, part: Part, settings: Settings, quality: Quality) -> None:
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps({"part": part.name, "settings": asdict(settings), "quality": asdict(quality)}))
                file.write("\n")


class Surrogate:
    """NDCG of any settings on a part, as a share of the best trial's, learnt from the trials."""

    def __init__(self, trials: list[tuple[Settings, Quality]]) -> None:
        best = max(quality.ndcg for _, quality in trials)
        kernel = ConstantKernel() * RBF([1.0, 1.0, 0.7, 0.7, 2.0], (0.3, 20.0)) + WhiteKernel(1e-3, (1e-4, 1e-2))
        process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
        shares = np.clip([quality.ndcg / best for _, quality in trials], 0.5, 1.0)
        self._process = process.fit([settings.features() for settings, _ in trials], shares)

    def shares(self, settings: list[Settings]) -> NDArray[np.float64]:
        """What each would have."""
        predicted: NDArray[np.float64] = self._process.predict([each.features() for each in settings])
        return predicted


#: Constants of a rule: alpha, regularization / alpha (both as powers of ten), the users' power, each with its slope by
#: powers of ten of the density; the items' power; the sweeps, as a power of two.
_LOW = np.array([0.2, -1.2, -0.8, -0.2, 0.1, -0.2, 0.1, 2.0])
_HIGH = np.array([1.6, 0.2, 1.0, 1.5, 0.8, 0.6, 0.6, 4.0])


def by_rule(constants: NDArray[np.float64], density: float) -> Settings:
    """What a rule chooses for a density."""
    decades = np.log10(density / _MIDDLE)
    alpha = 10 ** (constants[0] + constants[1] * decades)
    ratio = 10 ** (constants[2] + constants[3] * decades)
    user_power = float(np.clip(constants[4] + constants[5] * decades, 0.0, 1.0))
    return Settings(alpha, alpha * ratio, user_power, float(constants[6]), round(2 ** constants[7]))


def make_rule(parts: list[Part], surrogates: list[Surrogate]) -> NDArray[np.float64]:
    """The constants whose choices lose least: of all parts' mean and of the worst, in equal shares."""
    rng = np.random.default_rng(0)

    def gains(candidates: NDArray[np.float64]) -> NDArray[np.float64]:
        shares = np.array(
            [
                surrogate.shares([by_rule(constants, part.density) for constants in candidates])
                for part, surrogate in zip(parts, surrogates, strict=True)
            ]
        )
        middle: NDArray[np.float64] = (shares.mean(axis=0) + shares.min(axis=0)) / 2.0
        return middle

    candidates = rng.uniform(_LOW, _HIGH, (1_500, len(_LOW)))
    for step in range(6):
        best = candidates[np.argsort(-gains(candidates))[:60]]
        around = [best + rng.normal(size=best.shape) * (_HIGH - _LOW) * 0.1 / (step + 1) for _ in range(8)]
        candidates = np.clip(np.vstack([best, *around]), _LOW, _HIGH)
    chosen: NDArray[np.float64] = candidates[gains(candidates).argmax()]
    return chosen


#: Constants of a start: alpha and the share of the full regularization, both as powers of ten; the powers.
_START_LOW = np.array([-0.3, -2.0, 0.0, 0.0])
_START_HIGH = np.array([2.3, 0.3, 1.0, 1.0])


def make_start(parts: list[Part], surrogates: list[Surrogate]) -> Start:
    """The one start that loses least, at the best number of passes: of all parts' mean and of the worst."""
    draws = np.random.default_rng(0).uniform(_START_LOW, _START_HIGH, (6_000, len(_START_LOW)))
    starts = [Start(10 ** float(a), 10 ** float(b), round(float(c), 2), round(float(d), 2)) for a, b, c, d in draws]
    shares = np.array(
        [
            np.max(
                [
                    surrogate.shares([Settings.of(start.values(part.statistics), sweeps) for start in starts])
                    for sweeps in _SWEEPS
                ],
                axis=0,
            )
            for part, surrogate in zip(parts, surrogates, strict=True)
        ]
    )
    return starts[(shares.mean(axis=0) + shares.min(axis=0)).argmax()]


def by_trials(part: Part, beginnings: list[dict[str, float]] | None) -> Settings:
    """What the trials of the pipeline choose on the hold-out of the training data."""
    interactions = {"path": "-", "user": "user", "item": "item"}
    config = parse_config({"interactions": interactions, "factorize": {"factors": _FACTORS}})
    started = time.perf_counter()
    choice = choose_by_trials(
        Candidate.of(config),
        part.train,
        part.validation,
        f"ndcg@{_CUTOFF}",
        seed=0,
        num_threads=0,
        progress=no_progress,
        beginnings=beginnings,
    )
    seconds = time.perf_counter() - started
    assert choice.chosen is not None, choice.skipped
    print(f"  {len(choice.trials)} trials in {seconds:.0f} s, ndcg on the hold-out ", end="")
    print(" ".join("-" if trial.value is None else f"{trial.value:.4f}" for trial in choice.trials), flush=True)
    return Settings.of(choice.chosen.values, choice.chosen.values[ITERATIONS])


def shipped(part: Part) -> Settings:
    """What the rule of the project chooses."""
    assert part.whole is not None
    defaults = choose(MatrixStatistics.of(part.whole), "als", _FACTORS)
    powers = {key: value for key, value in defaults.weighting.items() if key != "confidence"}
    return Settings(**defaults.model, **powers)


def on_test(part: Part, settings: Settings, *, factors: int = _FACTORS, weighted: bool = True) -> Quality:
    """Fit on the whole training data, measure on the test set."""
    assert part.whole is not None
    assert part.test is not None
    fit = fits(part.whole, settings, [settings.iterations], factors=factors, weighted=weighted)
    ((_, users, items),) = fit
    return evaluate(users, items, part.whole, part.test, None)


def report(part: Part, parts: list[Part], trials: dict[str, list[tuple[Settings, Quality]]]) -> None:
    """Measure what a rule made without a data set's family chooses for it."""
    others = [other for other in parts if other.family != part.family]
    surrogates = [Surrogate(trials[other.name]) for other in others]
    rule, start = by_rule(make_rule(others, surrogates), part.density), make_start(others, surrogates)
    drawn = trials[part.name][: _TUNED * len(_SWEEPS)]
    tuned, _ = max(drawn, key=lambda trial: trial[1].ndcg)
    print(f"\n{part.name}: {part.train.shape[0]:,} users, {part.train.shape[1]:,} items, density {part.density:.2g}")
    print(f"  start made without it: {start}")
    rows = [
        ("rule made without it", rule, {}),
        ("trials made without it", by_trials(part, [rule.values(), start.values(part.statistics)]), {}),
        ("rule of the project", shipped(part), {}),
        ("trials of the project", by_trials(part, None), {}),
        (f"best of {len(drawn) // len(_SWEEPS)} draws", tuned, {}),
        ("implicit's defaults", Settings(1.0, 0.01, 0.0, 0.0, 15), {"factors": 100, "weighted": False}),
    ]
    for name, settings, options in rows:
        quality = on_test(part, settings, **options)
        values = ", ".join(f"{key} {value:.3g}" for key, value in asdict(settings).items())
        print(f"  {name:22} recall {quality.recall:.4f}  ndcg {quality.ndcg:.4f}   {values}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of movielens-latest-small/, lastfm-2k/, gowalla/"
    )
    parser.add_argument("--draws", type=int, default=64, help="settings drawn for each part, a power of two")
    parser.add_argument("--trials", type=Path, help="file that keeps them")
    options = parser.parse_args()
    with threadpool_limits(1, user_api="blas"):
        parts = load(options.data)
        kept = Trials(options.trials)
        trials = {part.name: kept.of(part, options.draws) for part in parts}
        for part in parts:
            if part.test is not None:
                report(part, parts, trials)


if __name__ == "__main__":
    main()
