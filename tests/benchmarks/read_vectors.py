"""How long reading word2vec's binary format takes, and how much memory, beside reading the bytes.

Writes a file of random vectors and words of many lengths in a temporary folder, then reads it in processes of their
own: the plain bytes, one buffer after another, and the words and vectors. Each is done with the file dropped from the
page cache and with the file in it, several times in turn; the medians and their ratio are printed. ``--build`` also
builds the index, whose time is apart.

    python tests/benchmarks/read_vectors.py --words 3000000 --dim 300
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_BLOCK_WORDS = 10_000
_LARGEST_NUMBER = 10**9

_MEASURE = """
import json, resource, sys, time
{imports}
path = sys.argv[1]
start = time.perf_counter()
cpu = time.process_time()
{work}
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({{"seconds": seconds, "cpu": cpu, "peak": peak, "words": words}}))
"""

_BYTES = _MEASURE.format(
    imports="",
    work="""
buffer, words = bytearray(1 << 20), 0
with open(path, "rb", buffering=0) as file:
    while file.readinto(buffer):
        pass
""",
)

_VECTORS = _MEASURE.format(
    imports="from annlib.vectors import open_vectors",
    work="words = sum(len(block.vectors) for block in open_vectors(path).blocks())",
)

_INDEX = _MEASURE.format(
    imports="from annlib.vectors import build_index, open_vectors",
    work='words = len(build_index(open_vectors(path), path + ".ann", metric="cosine"))',
)


def generate(path: Path, words: int, dim: int) -> None:
    """Write words of 5 to 23 bytes, none twice, and normal vectors."""
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(b"%d %d\n" % (words, dim))
        for start in range(0, words, _BLOCK_WORDS):
            vectors = random.standard_normal((min(_BLOCK_WORDS, words - start), dim), dtype=np.float32)
            tails = random.integers(0, _LARGEST_NUMBER, len(vectors)) // 10 ** random.integers(0, 9, len(vectors))
            file.writelines(
                b"%d_wort%d %b\n" % (start + i, tail, vector.tobytes())
                for i, (tail, vector) in enumerate(zip(tails.tolist(), vectors, strict=True))
            )
        file.flush()
        os.fsync(file.fileno())


def drop_from_cache(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(script: str, path: Path) -> dict:
    run = subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


def compare(path: Path, *, cold: bool, repeats: int) -> None:
    runs: dict[str, list[dict]] = {_BYTES: [], _VECTORS: []}
    for repeat in range(repeats + 1):
        for script, measured in runs.items():
            if cold:
                drop_from_cache(path)
            result = measure(script, path)
            if repeat > 0:
                measured.append(result)
    plain, vectors = (statistics.median(run["seconds"] for run in measured) for measured in runs.values())
    cpu = [statistics.median(run["cpu"] for run in measured) for measured in runs.values()]
    peak = max(run["peak"] for run in runs[_VECTORS])
    print(
        f"{'from the disk' if cold else 'from memory'}: bytes {plain:.2f} s, words and vectors {vectors:.2f} s, "
        f"ratio {vectors / plain:.2f} (processor time {cpu[0]:.2f} and {cpu[1]:.2f} s, "
        f"ratio {cpu[1] / cpu[0]:.2f}); peak {peak / 1e6:,.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=3_000_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="where to put the file (default: the system's temporary folder)")
    parser.add_argument("--build", action="store_true", help="build the index too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder, "words.bin")
        needed = arguments.words * (4 * arguments.dim + 24) * (3 if arguments.build else 1)
        free = shutil.disk_usage(folder).free
        if free < 1.2 * needed:
            raise SystemExit(f"{folder} has {free / 1e9:.1f} GB free, {1.2 * needed / 1e9:.1f} are needed")
        generate(path, arguments.words, arguments.dim)
        print(f"{arguments.words:,} words of {arguments.dim} dimensions, {path.stat().st_size / 1e9:.2f} GB")
        for cold in (True, False):
            compare(path, cold=cold, repeats=arguments.repeats)
        if arguments.build:
            built = measure(_INDEX, path)
            print(f"index of {built['words']:,}: {built['seconds']:.1f} s, peak {built['peak'] / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
