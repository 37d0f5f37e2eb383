"""The data sets of the benchmarks: made once, kept in a cache folder, opened memory-mapped.

    python tests/benchmarks/datasets.py [--data gowalla-64 ...] [--cache FOLDER]

makes them (all of them by default); the other scripts make what they need and find missing. Real data are looked for
where the tests look: in ``CFPIPE_DATA``, else in ``../shared/data`` beside the clone.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, diags_array, load_npz, save_npz
from scipy.sparse.linalg import svds
from synthetic import SyntheticSettings, interactions
from threadpoolctl import threadpool_limits

from pipeline.factors.als import AlternatingLeastSquares, AlternatingLeastSquaresSettings
from pipeline.factors.weighting import WeightingSettings, column_degrees, row_degrees, weigh
from pipeline.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from annlib import Metric

_REPOSITORY = Path(__file__).resolve().parents[2]
_RECIPE_FILE = "recipe.json"
#: Raise it when a recipe below changes: cached data sets are then made anew.
_RECIPE_VERSION = 1
_SEED = 0


class _Made(NamedTuple):
    """What a recipe makes: vectors of the items and, where there are users, theirs and what they have seen."""

    items: NDArray[np.float32]
    users: NDArray[np.float32] | None = None
    seen: csr_matrix | None = None


@dataclass(frozen=True)
class DataSet:
    """Vectors to search, memory-mapped.

    Attributes
    ----------
    name
        Its name, a key of :data:`RECIPES`.
    folder
        Where it is kept: ``items.npy``, and ``users.npy`` and ``seen.npz`` where there are users.
    items
        float32, shape ``(n_items, d)``.
    users
        float32, shape ``(n_users, d)``, or None.
    item_metric
        The metric of items to items; that of users to items is the inner product.
    """

    name: str
    folder: Path
    items: NDArray[np.float32]
    users: NDArray[np.float32] | None
    item_metric: Metric

    def seen(self) -> csr_matrix:
        """The items that each user has interacted with, shape ``(n_users, n_items)``."""
        return load_npz(self.folder / "seen.npz").tocsr()


def default_cache() -> Path:
    """A folder of the user's cache: ``$XDG_CACHE_HOME`` or ``~/.cache``, else the temporary folder."""
    named = os.environ.get("XDG_CACHE_HOME")
    if named:
        return Path(named) / "cfpipe-benchmarks"
    home = Path("~").expanduser()
    if os.access(home, os.W_OK):
        return home / ".cache" / "cfpipe-benchmarks"
    return Path(tempfile.gettempdir()) / "cfpipe-benchmarks"


def data_folder() -> Path:
    """Folder of the real data: ``CFPIPE_DATA``, else ``../shared/data`` beside the clone."""
    return Path(os.environ.get("CFPIPE_DATA", _REPOSITORY.parent / "shared" / "data"))


def load(name: str, cache: Path) -> DataSet:
    """Open a data set, and make it first where the cache does not hold it."""
    folder = cache / name
    recipe = {"name": name, "version": _RECIPE_VERSION, "seed": _SEED}
    marker = folder / _RECIPE_FILE
    if not marker.exists() or json.loads(marker.read_text(encoding="utf-8")) != recipe:
        _make(name, folder, recipe)
    users = folder / "users.npy"
    return DataSet(
        name=name,
        folder=folder,
        items=np.load(folder / "items.npy", mmap_mode="r"),
        users=np.load(users, mmap_mode="r") if users.exists() else None,
        item_metric="euclidean" if name == "mnist" else "cosine",
    )


def _make(name: str, folder: Path, recipe: dict[str, object]) -> None:
    """Make a data set beside its folder, then rename it: a folder with a recipe is complete."""
    print(f"making {name} in {folder} ...", flush=True)
    started = time.perf_counter()
    made = RECIPES[name]()
    unfinished = folder.with_name(f"{name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    np.save(unfinished / "items.npy", made.items)
    if made.users is not None:
        np.save(unfinished / "users.npy", made.users)
    if made.seen is not None:
        save_npz(unfinished / "seen.npz", made.seen, compressed=False)
    (unfinished / _RECIPE_FILE).write_text(json.dumps(recipe), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    users = "" if made.users is None else f", {made.users.shape[0]:,} users"
    items, dim = made.items.shape
    print(f"made {name}: {items:,} items{users}, {dim} d, in {time.perf_counter() - started:.0f} s", flush=True)


def _gowalla() -> csr_matrix:
    return _canonical(load_npz(data_folder() / "gowalla" / "train_csr.npz"))


def _canonical(matrix: csr_matrix) -> csr_matrix:
    matrix = csr_matrix(matrix, dtype=np.float32)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _als(user_items: csr_matrix, factors: int) -> _Made:
    """Factors of the confidences (n_u n_i)^-1/2, scaled to a mean of 1."""
    weighting = WeightingSettings(confidence="binary", user_degree_power=0.5, item_degree_power=0.5)
    settings = AlternatingLeastSquaresSettings(factors=factors, alpha=50.0, regularization=50.0, iterations=4)
    model = AlternatingLeastSquares(settings)
    fitted = model.fit(weigh(user_items, weighting), seed=_SEED, num_threads=0, progress=no_progress)
    return _Made(fitted.item_factors, fitted.user_factors, user_items)


def _spectral(user_items: csr_matrix, factors: int) -> _Made:
    """Truncated SVD of W = D_u^-1/2 R D_i^-1/2 = U S V': users W V, items V scaled by n_i^1/2."""
    user_degrees = np.maximum(row_degrees(user_items), 1).astype(np.float64)
    item_degrees = np.maximum(column_degrees(user_items), 1).astype(np.float64)
    normalized = (diags_array(user_degrees**-0.5) @ user_items @ diags_array(item_degrees**-0.5)).tocsr()
    start = np.random.default_rng(_SEED).standard_normal(min(normalized.shape))
    with threadpool_limits(limits=os.cpu_count(), user_api="blas"):
        _, values, right = svds(normalized, k=factors, v0=start)
    right = right[np.argsort(-values)].T
    users = np.ascontiguousarray(normalized @ right, dtype=np.float32)
    items = np.ascontiguousarray(right * np.sqrt(item_degrees)[:, np.newaxis], dtype=np.float32)
    return _Made(items, users, user_items)


def _synthetic(settings: SyntheticSettings, factors: int) -> _Made:
    """Factors of a synthetic catalogue, without the items that nobody has interacted with."""
    user_items = interactions(settings)
    user_items = _canonical(user_items[:, column_degrees(user_items) > 0])
    n_users, n_items = user_items.shape
    print(f"  {user_items.nnz:,} interactions of {n_users:,} users with {n_items:,} items", flush=True)
    return _als(user_items, factors)


def _mnist() -> _Made:
    """The 60,000 training images, pixels from 0 to 255."""
    with gzip.open(data_folder() / "mnist" / "train-images-idx3-ubyte.gz", "rb") as file:
        raw = file.read()
    magic, count, height, width = np.frombuffer(raw, dtype=">i4", count=4)
    if magic != 0x803:
        raise ValueError(f"train-images-idx3-ubyte.gz: expected the magic number 2051, got {magic}")
    pixels = np.frombuffer(raw, dtype=np.uint8, offset=16)
    return _Made(pixels.reshape(count, height * width).astype(np.float32))


#: How each data set is made.
RECIPES: dict[str, Callable[[], _Made]] = {
    "gowalla-64": lambda: _als(_gowalla(), 64),
    "gowalla-256": lambda: _als(_gowalla(), 256),
    "gowalla-512": lambda: _spectral(_gowalla(), 512),
    "mnist": _mnist,
    "synthetic": lambda: _synthetic(SyntheticSettings(1_000_000, 1_000_000, mean_draws=29.5), 64),
    # For trying things out.
    "synthetic-small": lambda: _synthetic(SyntheticSettings(30_000, 30_000, mean_draws=29.5, n_tastes=500), 64),
}
NAMES = tuple(name for name in RECIPES if name != "synthetic-small")


def add_data_arguments(parser: argparse.ArgumentParser, default: Sequence[str]) -> None:
    """Add ``--data`` and ``--cache``."""
    parser.add_argument("--data", nargs="+", choices=tuple(RECIPES), default=list(default), metavar="NAME")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where data sets are kept")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_arguments(parser, default=NAMES)
    arguments = parser.parse_args()
    for name in arguments.data:
        data = load(name, arguments.cache)
        print(f"{name}: {data.folder}", flush=True)


if __name__ == "__main__":
    main()
