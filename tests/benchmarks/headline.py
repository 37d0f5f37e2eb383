"""Fourteen million users against the synthetic items: top 20, exact, into Parquet, with bounded memory.

    python tests/benchmarks/headline.py [--users 14000000] [--out FOLDER]

The users are the synthetic million's, resampled with noise. Their vectors are written beforehand, block by block, into
a file of the cache, and read through a memory map. Timed are the index, the search and the writing of the table; peak
memory is that of the process, the pages of the mapped file that happen to be resident included.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import numpy as np
import pyarrow as pa

import annlib
from pipeline.config import TableSettings
from pipeline.tables.neighbors import NeighborRecall, neighbor_lists
from pipeline.tables.schema import table_schema
from pipeline.tables.writer import TableWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

_K = 20
#: Length of the noise, of the length of a user's vector.
_NOISE = 0.1
_BLOCK_USERS = 250_000
_CHECKED_LISTS = 16


def resampled_users(users: NDArray[np.float32], n_users: int, folder: Path) -> NDArray[np.float32]:
    """Vectors of random users plus noise, float32 ``(n_users, d)``, from a file that is written if there is none."""
    path = folder / f"users-{n_users}.npy"
    if not path.exists():
        print(f"writing {n_users:,} vectors to {path} ...", flush=True)
        random = np.random.default_rng(0)
        unfinished = path.with_suffix(".unfinished")
        shape = (n_users, users.shape[1])
        written = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float32, shape=shape)
        for start in range(0, n_users, _BLOCK_USERS):
            size = min(_BLOCK_USERS, n_users - start)
            block = users[np.sort(random.integers(len(users), size=size))]
            noise = random.standard_normal(block.shape, dtype=np.float32)
            lengths = np.linalg.norm(block, axis=1, keepdims=True)
            written[start : start + size] = (block + noise * (_NOISE * lengths / np.sqrt(users.shape[1])))[
                random.permutation(size)
            ]
        written.flush()
        unfinished.rename(path)
    vectors: NDArray[np.float32] = np.load(path, mmap_mode="r")
    return vectors


def memory_gb() -> tuple[float, float]:
    """Peak of the resident memory, and what of it is anonymous now."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    anonymous = int(status["RssAnon"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, anonymous / 1e9


def write(items: NDArray[np.float32], users: NDArray[np.float32], folder: Path, batch: int, num_threads: int) -> None:
    """Build the index, search it for every user and write the table; print what it took."""
    settings = TableSettings.model_validate({"name": "items_for_users", "from": "user", "to": "item", "k": _K})
    user_ids, item_ids = pa.array(np.arange(len(users))), pa.array(np.arange(len(items)))
    wanted = np.arange(len(users))
    check = NeighborRecall(wanted, _CHECKED_LISTS)
    started = time.perf_counter()
    index = annlib.Index.build(items, metric="inner_product", num_threads=num_threads)
    built = time.perf_counter()
    searching = 0.0
    schema = table_schema(settings, user_ids.type, item_ids.type)
    with TableWriter(folder, schema, user_ids, item_ids, _K) as writer:
        batches = neighbor_lists(index, users, wanted, k=_K, num_threads=num_threads, batch_lists=batch)
        while True:
            asked = time.perf_counter()
            lists = next(batches, None)
            searching += time.perf_counter() - asked
            if lists is None:
                break
            writer.add(lists)
            check.add(lists)
    ended = time.perf_counter()
    peak, anonymous = memory_gb()
    size = sum(part.stat().st_size for part in writer.parts)
    total = ended - started
    print(
        f"{len(users):,} users, {len(items):,} items, top {_K}, exact: {total:.1f} s, "
        f"{len(users) / total:,.0f} users/s\n  index {built - started:.1f} s, search {searching:.1f} s, "
        f"writing {writer.rows:,} rows ({size / 1e9:.2f} GB) {ended - built - searching:.1f} s\n"
        f"  peak memory {peak:.2f} GB, {anonymous:.2f} GB of it anonymous at the end",
        flush=True,
    )
    print(f"  recall of {_CHECKED_LISTS} lists: {check.measure(items, users, 'inner_product', k=_K).mean:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    datasets.add_data_arguments(parser, default=("synthetic",))
    parser.add_argument("--users", type=int, default=14_000_000)
    parser.add_argument("--batch", type=int, default=1 << 16, help="users of one search")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, help="an empty folder for the table (default: a temporary one)")
    arguments = parser.parse_args()
    for name in arguments.data:
        data = datasets.load(name, arguments.cache)
        if data.users is None:
            parser.error(f"--data {name}: it has no users")
        users = resampled_users(data.users, arguments.users, data.folder)
        with tempfile.TemporaryDirectory() as temporary:
            write(np.array(data.items), users, arguments.out or Path(temporary), arguments.batch, arguments.threads)


if __name__ == "__main__":
    main()
