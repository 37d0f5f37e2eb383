"""Memory of eight processes that search one index file, against that of one (Linux).

    python tests/benchmarks/share_memory.py [--data synthetic] [--processes 8] [--searches 1000]

Each process opens the file, searches for the neighbours of random items one by one, and stays until all are done. Pss
is resident memory with every shared page divided by the processes that share it; of it, what is mapped from the index
file is told from the private rest (the interpreter, its libraries and buffers).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import psutil

import annlib

_MIB = 2**20
_READY = "ready"


@dataclass(frozen=True)
class Memory:
    """Pss in bytes: of the index file's pages, and of everything."""

    file: int
    total: int

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.file + other.file, self.total + other.total)

    def __str__(self) -> str:
        private = (self.total - self.file) / _MIB
        return f"{self.file / _MIB:8.1f} MiB of the index, {private:8.1f} MiB beside it, {self.total / _MIB:8.1f} MiB"


def search_and_wait(path: str, searches: int, recall: float, seed: int) -> None:
    """Search, say so, and wait until standard input closes: a process of the measurement."""
    index = annlib.Index.open(path)
    for row in np.random.default_rng(seed).integers(len(index), size=searches):
        index.search_ids([int(row)], 20, recall=recall, num_threads=1)
    print(_READY, flush=True)
    sys.stdin.read()


def measure(path: Path, processes: int, searches: int, recall: float) -> Memory:
    """Sum of the memory of some processes, each after its searches."""
    command = [sys.executable, __file__, "--worker", str(path), "--searches", str(searches), "--recall", str(recall)]
    workers = [
        subprocess.Popen(
            [*command, "--seed", str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for seed in range(processes)
    ]
    try:
        for worker in workers:
            line = worker.stdout.readline() if worker.stdout is not None else ""
            if line.strip() != _READY:
                raise RuntimeError(f"a process ended before it had searched (exit code {worker.wait()})")
        return sum((_memory(worker.pid, path) for worker in workers), Memory(0, 0))
    finally:
        for worker in workers:
            worker.communicate()


def _memory(pid: int, path: Path) -> Memory:
    process = psutil.Process(pid)
    mapped = sum(region.pss for region in process.memory_maps(grouped=True) if region.path == str(path.resolve()))
    return Memory(file=mapped, total=process.memory_full_info().pss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    datasets.add_data_arguments(parser, default=("synthetic",))
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--searches", type=int, default=1_000)
    parser.add_argument("--recall", type=float, default=1.0)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker is not None:
        search_and_wait(arguments.worker, arguments.searches, arguments.recall, arguments.seed)
        return
    for name in arguments.data:
        data = datasets.load(name, arguments.cache)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "items.ann"
            annlib.Index.build(data.items, metric=data.item_metric, path=path)
            one = measure(path, 1, arguments.searches, arguments.recall)
            all_of_them = measure(path, arguments.processes, arguments.searches, arguments.recall)
            size = path.stat().st_size / _MIB
        print(f"{name}: an index file of {size:,.1f} MiB, {arguments.searches:,} searches a process")
        print(f"  1 process    {one}")
        print(f"  {arguments.processes} processes  {all_of_them}")
        print(f"  ratio: {all_of_them.file / one.file:.2f} of the index, {all_of_them.total / one.total:.2f} of all")


if __name__ == "__main__":
    main()
