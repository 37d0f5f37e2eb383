"""Building an index of about a million vectors: seconds, and memory and file size as multiples of the vectors' bytes.

    python tests/benchmarks/build.py [--data synthetic] [--no-peer]

Ours in memory, ours into a file, and hnswlib (M 16, ef_construction 100), each in a process of its own on two threads.
Memory is the peak of what is resident during the build, beyond what the process held before it with the vectors
loaded: the caller's copy of the vectors is not counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import psutil

import annlib

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_WAYS = ("annlib, in memory", "annlib, into a file", "hnswlib")
_SAMPLING_SECONDS = 0.002


def build(way: str, items: NDArray[np.float32], metric: annlib.Metric, num_threads: int, path: Path) -> Any:
    """Build one index and return it; ``path`` is written for the way that has a file."""
    if way == "hnswlib":
        import hnswlib

        space = {"euclidean": "l2", "cosine": "cosine", "inner_product": "ip"}[metric]
        index = hnswlib.Index(space=space, dim=items.shape[1])
        index.init_index(len(items), M=16, ef_construction=100)
        index.add_items(items, num_threads=num_threads)
        return index
    target = path if way.endswith("file") else None
    return annlib.Index.build(items, metric=metric, path=target, num_threads=num_threads)


def peak_memory(run: Callable[[], Any]) -> tuple[Any, int]:
    """Run, and sample the resident memory meanwhile: the result, and the peak beyond the start, in bytes."""
    process = psutil.Process()
    start = peak = process.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(_SAMPLING_SECONDS):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = run()
    finally:
        done.set()
        watcher.join()
    return result, max(peak, process.memory_info().rss) - start


def measure(way: str, data: datasets.DataSet, num_threads: int, folder: Path) -> dict[str, float]:
    """Build in this process; seconds, and bytes over those of the vectors."""
    items, path = np.array(data.items), folder / "items.ann"
    started = time.perf_counter()
    _, memory = peak_memory(lambda: build(way, items, data.item_metric, num_threads, path))
    seconds = time.perf_counter() - started
    file = path.stat().st_size if path.exists() else 0
    return {"seconds": seconds, "memory": memory / items.nbytes, "file": file / items.nbytes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    datasets.add_data_arguments(parser, default=("synthetic",))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-peer", action="store_true", help="leave hnswlib out")
    parser.add_argument("--way", choices=_WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name in arguments.data:
        data = datasets.load(name, arguments.cache)
        with tempfile.TemporaryDirectory() as folder:
            if arguments.way is not None:
                print(json.dumps(measure(arguments.way, data, arguments.threads, Path(folder))))
                continue
        items, dim = data.items.shape
        print(f"{name}: {items:,} items, {dim} d, {data.items.nbytes / 1e6:,.0f} MB, {data.item_metric}")
        for way in _WAYS[:-1] if arguments.no_peer else _WAYS:
            command = [sys.executable, __file__, "--way", way, "--data", name, "--cache", str(arguments.cache)]
            command += ["--threads", str(arguments.threads)]
            run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found = json.loads(run.stdout)
            file = f", file {found['file']:.2f} times" if found["file"] else ""
            print(f"  {way:20} {found['seconds']:8.2f} s, memory {found['memory']:.2f} times{file} the vectors' bytes")


if __name__ == "__main__":
    main()
