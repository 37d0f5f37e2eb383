"""The knob: what a recall below 1 costs and saves, beside the exhaustive scan.

    python -m annlib.examples.recall_curve words.bin artist.cosine.ann -o recall_curve.png

For each file (vectors of any format, or an index), asks for the ten nearest of up to 1,000 of its items at recalls from
.5 to 1, and plots the time of a query against the share of the true neighbours that was found. The exhaustive scan is
NumPy's: a matrix product of the normalized vectors, and ``argpartition``, for all queries at once.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from annlib import Index
from annlib.examples._figure import add_output, new_figure, save
from annlib.vectors import build_index, open_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["Curve", "main", "measure"]

RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
_K = 10
_REPEATS = 9
_SCAN_BYTES = 1 << 28


@dataclass(frozen=True)
class Curve:
    """What was measured of one index.

    Attributes
    ----------
    found
        For each of :data:`RECALLS`, the share of the true neighbours that were found.
    seconds
        For each of :data:`RECALLS`, the time of a query.
    scan_found, scan_seconds
        The same of the exhaustive scan.
    """

    found: list[float]
    seconds: list[float]
    scan_found: float
    scan_seconds: float


def measure(index: Index, n_queries: int) -> Curve:
    """Time a cosine index on items of its own, evenly spread; the best of several runs counts."""
    rows = np.unique(np.linspace(0, len(index) - 1, n_queries).astype(np.int64))
    k = min(_K, len(index) - 1)
    truth, _ = index.neighbor_rows(k, rows=rows)

    def share(found: NDArray[np.int64]) -> float:
        return float(np.mean([np.isin(row, true).mean() for row, true in zip(found, truth, strict=True)]))

    runs = [_best(partial(_search, index, rows, k, recall)) for recall in RECALLS]
    unit = _normalized(index.vectors)
    scanned, scan_seconds = _best(partial(_scan, unit, rows, k))
    return Curve(
        found=[share(found) for found, _ in runs],
        seconds=[seconds / len(rows) for _, seconds in runs],
        scan_found=share(scanned),
        scan_seconds=scan_seconds / len(rows),
    )


def _search(index: Index, rows: NDArray[np.int64], k: int, recall: float) -> NDArray[np.int64]:
    return index.neighbor_rows(k, recall, rows=rows)[0]


def _best(run: Callable[[], NDArray[np.int64]]) -> tuple[NDArray[np.int64], float]:
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - started)
    return found, min(seconds)


def _normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1), dtype=np.float32)


def _scan(unit: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Score every pair and keep the best ``k`` of each query, as one writes it in NumPy."""
    found = []
    block = max(1, _SCAN_BYTES // (4 * len(unit)))
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        scores = unit[part] @ unit.T
        scores[np.arange(len(part)), part] = -np.inf
        found.append(np.argpartition(-scores, k - 1, axis=1)[:, :k])
    return np.concatenate(found)


def draw(axes: Axes, curve: Curve, title: str) -> None:
    """Plot the time of a query against the share found."""
    axes.plot(
        curve.found, np.multiply(curve.seconds, 1e6), "o-", color="tab:blue", label="annlib, at the recalls asked for"
    )
    axes.plot([curve.scan_found], [curve.scan_seconds * 1e6], "s", color="tab:red", label="exhaustive scan (NumPy)")
    for found in sorted(set(curve.found)):
        asked = [place for place, share in enumerate(curve.found) if share == found]  # a target may find more
        label = " to ".join(dict.fromkeys(f"{RECALLS[place]:g}" for place in (asked[0], asked[-1])))
        slowest = max(curve.seconds[place] for place in asked)
        axes.annotate(label, (found, slowest * 1e6), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8)
    axes.set(
        title=title, xlabel=f"share of the {_K} nearest that is found", ylabel="microseconds a query", yscale="log"
    )
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.1, y=0.15)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="upper left")


def _open(path: Path, folder: Path) -> Index:
    if path.suffix == ".ann":
        return Index.open(path)
    return build_index(open_vectors(path), folder / f"{path.name}.ann", metric="cosine", duplicates="first")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="vectors, or an index of metric cosine")
    parser.add_argument("--queries", type=int, default=1_000, help="items to ask for (default: %(default)s)")
    add_output(parser, "recall_curve.png")
    options = parser.parse_args(arguments)

    figure = new_figure(6.5 * len(options.files), 5)
    plots = figure.subplots(1, len(options.files), squeeze=False)[0]
    with tempfile.TemporaryDirectory() as folder:
        for path, axes in zip(options.files, plots, strict=True):
            index = _open(path, Path(folder))
            if index.metric != "cosine":
                raise SystemExit(f"{path}: expected an index of metric cosine, got {index.metric}")
            curve = measure(index, options.queries)
            print(f"{path.name}: {len(index):,} x {index.dim}")
            for recall, found, seconds in zip(RECALLS, curve.found, curve.seconds, strict=True):
                print(f"  recall {recall:<5g} found {found:.4f}  {seconds * 1e6:9.1f} us a query")
            print(f"  scan         found {curve.scan_found:.4f}  {curve.scan_seconds * 1e6:9.1f} us a query")
            draw(axes, curve, f"{path.name}: {len(index):,} x {index.dim}, cosine")
    save(figure, options.output)


if __name__ == "__main__":
    main()
