"""Writing a table of 20 million rows: seconds, rows a second, and peak memory.

    python tests/benchmarks/write_table.py [--rows 20000000]

The lists are made beforehand, batch by batch, so that the writing alone is timed; the pyarrow baseline writes the same
columns from one table held in memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import TableSettings
from pipeline.tables.neighbors import BATCH_LISTS, Lists
from pipeline.tables.schema import table_schema
from pipeline.tables.writer import TableWriter

K = 50
N_ITEMS = 1_000_000


def make_lists(n_sources: int, seed: int = 0) -> list[Lists]:
    """Batches that share a few blocks of random neighbours, Zipf-like, so that making them takes no memory."""
    rng = np.random.default_rng(seed)
    blocks = []
    for _ in range(4):
        rows = (rng.zipf(1.2, size=(BATCH_LISTS, K)) % N_ITEMS).astype(np.int64)
        scores = -np.sort(-rng.random((BATCH_LISTS, K), dtype=np.float32), axis=1)
        blocks.append((rows, scores))
    batches = []
    for number, start in enumerate(range(0, n_sources, BATCH_LISTS)):
        rows, scores = blocks[number % len(blocks)]
        sources = np.arange(start, min(start + BATCH_LISTS, n_sources))
        batches.append(Lists(sources, rows[: len(sources)], scores[: len(sources)]))
    return batches


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    n_sources = parser.parse_args().rows // K
    batches = make_lists(n_sources)
    for kind in ("int64", "string"):
        users, items = pa.array(np.arange(n_sources)), pa.array(np.arange(N_ITEMS)).cast(kind)
        settings = TableSettings.model_validate({"name": "t", "from": "user", "to": "item", "k": K})
        before = peak_mib()
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            with TableWriter(Path(folder), table_schema(settings, users.type, items.type), users, items, K) as writer:
                for lists in batches:
                    writer.add(lists)
            seconds = time.perf_counter() - started
            grown = peak_mib() - before
            size = sum(part.stat().st_size for part in writer.parts)
            table = pa.concat_tables(pq.read_table(part) for part in writer.parts)
            started = time.perf_counter()
            pq.write_table(table, Path(folder) / "baseline.parquet")
            baseline = time.perf_counter() - started
        print(
            f"{kind:>6} item ids: {writer.rows:,} rows in {seconds:.2f} s, {writer.rows / seconds / 1e6:.1f} M rows/s, "
            f"{size / 2**20:.0f} MiB; peak memory +{grown:.0f} MiB over {before:.0f} MiB; "
            f"pyarrow from one table in memory: {baseline:.2f} s, ratio {baseline / seconds:.2f}"
        )


if __name__ == "__main__":
    main()
