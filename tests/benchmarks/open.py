"""``Index.open`` of a large file: milliseconds, whatever its size.

    python tests/benchmarks/open.py --gigabytes 1

The file is streamed to a temporary folder in blocks; the memory this takes is printed too.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import annlib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DIM = 128
BLOCK = 16_384


def blocks(rows: int) -> Iterator[NDArray[np.float32]]:
    """Yield random vectors, one block at a time."""
    rng = np.random.default_rng(0)
    for start in range(0, rows, BLOCK):
        yield rng.random((min(BLOCK, rows - start), DIM), dtype=np.float32)


def milliseconds_to_open(path: Path) -> float:
    """Time one opening, its first search not included."""
    start = time.perf_counter()
    annlib.Index.open(path)
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    rows = int(options.gigabytes * 1e9 / (4 * DIM))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.ann"
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        annlib.Index.build(blocks(rows), metric="cosine", ids=np.arange(rows)[::-1] * 3, path=path)
        built = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        size = path.stat().st_size
        times = [milliseconds_to_open(path) for _ in range(options.repeats)]
        start = time.perf_counter()
        annlib.Index.open(path).verify()
        verified = time.perf_counter() - start
    print(f"{size / 1e9:.2f} GB: built in {built:.2f} s, peak memory {peak / 1e6:+.2f} GB (mapped pages included)")
    print(f"open: median {statistics.median(times):.3f} ms, slowest {max(times):.3f} ms; verify {verified:.2f} s")


if __name__ == "__main__":
    main()
