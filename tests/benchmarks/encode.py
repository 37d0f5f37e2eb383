"""How long encoding takes, and how much memory: interactions from Parquet to CSR and vocabularies.

Generates a file for each kind of ids in a temporary folder, encodes it in a process of its own, and prints the seconds
and the peak of its resident memory, alongside plainly reading the same columns with pyarrow in another process:

    python tests/benchmarks/encode.py --rows 25000000
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

_DATE = datetime.date(2026, 1, 31)
_DAYS = 365

_ENCODE = """
import datetime, json, resource, sys, time
from pathlib import Path
from pipeline.config import parse_config
from pipeline.data.encode import Encoded, encode

document, folder, date = json.loads(sys.argv[1]), Path(sys.argv[2]), datetime.date.fromisoformat(sys.argv[3])
config = parse_config(document)
start = time.perf_counter()
encode(config, date, folder)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "peak": peak, "stats": Encoded.open(folder).stats}))
"""

_READ = """
import json, resource, sys, time
import pyarrow.parquet as pq

path, columns = sys.argv[1], sys.argv[2:]
start = time.perf_counter()
for batch in pq.ParquetFile(path).iter_batches(columns=columns):
    pass
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "peak": peak}))
"""


def generate(path: Path, *, kind: str, rows: int, users: int, items: int, row_group: int) -> None:
    """Write events of a few heavy and many light users and items, in no order, with weights and times."""
    random = np.random.default_rng(0)
    user_ids, item_ids = random.permutation(users * 7)[:users], random.permutation(items * 7)[:items]
    end = np.datetime64(_DATE + datetime.timedelta(days=1), "us")
    writer = None
    for start in range(0, rows, row_group):
        size = min(row_group, rows - start)
        table = pa.table(
            {
                "user": _ids(user_ids[(users * random.random(size) ** 2).astype(np.int64)], "user", kind),
                "item": _ids(item_ids[(items * random.random(size) ** 3).astype(np.int64)], "item", kind),
                "plays": random.integers(1, 20, size),
                "at": pa.array(end - random.integers(1, _DAYS * 86_400 * 10**6, size).astype("m8[us]")),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=row_group)
    if writer is not None:
        writer.close()


def _ids(numbers: np.ndarray, prefix: str, kind: str) -> pa.Array:
    if kind == "int":
        return pa.array(numbers)
    return pa.compute.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), ":")


def measure(script: str, *arguments: str) -> dict:
    """Run a script in a process of its own; it prints what it measured."""
    run = subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=25_000_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--row-group", type=int, default=1 << 20)
    parser.add_argument("--kinds", nargs="+", choices=("int", "string"), default=("int", "string"))
    parser.add_argument("--thresholds", type=int, default=1, help="min_items_per_user and min_users_per_item")
    arguments = parser.parse_args()
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory() as folder:
            path, output = Path(folder, "events.parquet"), Path(folder, "encoded")
            output.mkdir()
            generate(
                path,
                kind=kind,
                rows=arguments.rows,
                users=arguments.users,
                items=arguments.items,
                row_group=arguments.row_group,
            )
            interactions = {"user": "user", "item": "item", "weight": "plays", "timestamp": "at", "path": str(path)}
            interactions["min_items_per_user"] = interactions["min_users_per_item"] = arguments.thresholds
            # Once unmeasured, so that both read from memory.
            read = [measure(_READ, str(path), "user", "item", "plays", "at") for _ in range(2)][-1]
            start = time.perf_counter()
            encode = measure(_ENCODE, json.dumps({"interactions": interactions}), str(output), _DATE.isoformat())
            whole = time.perf_counter() - start
            stats = encode["stats"]
            print(
                f"{kind} ids: {arguments.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB of Parquet -> "
                f"{stats['users']:,} users x {stats['items']:,} items, {stats['nnz']:,} pairs\n"
                f"  encode {encode['seconds']:.2f} s ({whole:.2f} s with the start of Python), "
                f"peak {encode['peak'] / 1e9:.2f} GB\n"
                f"  reading the columns alone {read['seconds']:.2f} s, peak {read['peak'] / 1e9:.2f} GB; "
                f"ratio {encode['seconds'] / read['seconds']:.2f}"
            )


if __name__ == "__main__":
    main()
