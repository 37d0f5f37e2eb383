"""A single word lookup, from a cold process start to the answer: ``annlib words`` and word2vec's own way.

    nice python tests/benchmarks/word_lookup.py --count 3000000 --dimensions 300

Makes a file of word vectors in word2vec's binary format (3.6 GB at that size) in a temporary folder, has
``annlib words`` build its index (another 4.7 GB), and times whole processes, imports included. word2vec's way is that
of its ``distance``: read all vectors, normalize them, multiply them all with the query, keep the best; here in NumPy.
Both find the files in the page cache; a third time is that of a lookup whose index was dropped from it.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

_BLOCK = 50_000
_TOPICS = 2_000
_K = 10


def record_type(count: int, dimensions: int) -> np.dtype[np.void]:
    """A word, a blank, its vector and a line feed: words have one length here."""
    width = len(word_of(0, count)) + 1
    return np.dtype([("word", f"S{width}"), ("vector", "<f4", (dimensions,)), ("end", "S1")])


def word_of(row: int, count: int) -> str:
    return f"w{row:0{len(str(count))}}"


def make_file(path: Path, count: int, dimensions: int) -> None:
    """Write vectors that lie around topics, more or less closely; the same each time."""
    record = record_type(count, dimensions)
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((_TOPICS, dimensions), dtype=np.float32)
    with path.open("wb") as file:
        file.write(f"{count} {dimensions}\n".encode())
        for start in range(0, count, _BLOCK):
            rows = range(start, min(start + _BLOCK, count))
            block = np.empty(len(rows), dtype=record)
            block["word"] = [f"{word_of(row, count)} ".encode() for row in rows]
            closeness = rng.uniform(0.3, 1.5, size=(len(rows), 1)).astype(np.float32)
            block["vector"] = closeness * topics[rng.integers(_TOPICS, size=len(rows))]
            block["vector"] += rng.standard_normal((len(rows), dimensions), dtype=np.float32)
            block["end"] = b"\n"
            block.tofile(file)


def scan(path: Path, word: str) -> None:
    """Answer as word2vec's distance does."""
    with path.open("rb") as file:
        count, dimensions = map(int, file.readline().split())
        records = np.fromfile(file, dtype=record_type(count, dimensions))
    vectors = records["vector"]
    vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, np.newaxis]
    row = int(np.flatnonzero(records["word"] == f"{word} ".encode())[0])
    cosines = vectors @ vectors[row]
    cosines[row] = -np.inf
    best = np.argpartition(-cosines, _K)[:_K]
    for found in best[np.argsort(-cosines[best])]:
        print(word, records["word"][found].decode().rstrip(), f"{cosines[found]:.6f}", sep="\t")


def seconds_of(command: list[str]) -> tuple[float, str]:
    """Time a process from its start to its end; return also what it printed."""
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - started, done.stdout


def drop_from_cache(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def words_of(answer: str) -> list[str]:
    return [line.split("\t")[1] for line in answer.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=3_000_000)
    parser.add_argument("--dimensions", type=int, default=300)
    parser.add_argument("--lookups", type=int, default=9)
    parser.add_argument("--folder", help="where the temporary folder is made (default: the system's)")
    parser.add_argument("--scan", nargs=2, metavar=("FILE", "WORD"), help=argparse.SUPPRESS)  # what is timed
    options = parser.parse_args()
    if options.scan is not None:
        scan(Path(options.scan[0]), options.scan[1])
        return
    needed = 2.7 * 4 * options.count * options.dimensions
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise SystemExit(f"{folder}: expected {needed / 1e9:.1f} GB of free space, got {free / 1e9:.1f}: --folder")
        measure(Path(folder) / "vectors.bin", options.count, options.dimensions, options.lookups)


def measure(path: Path, count: int, dimensions: int, lookups: int) -> None:
    make_file(path, count, dimensions)
    print(f"{count:,} x {dimensions}, {path.stat().st_size / 1e9:.2f} GB")
    annlib = [str(Path(sys.executable).with_name("annlib")), "words", "-k", str(_K), str(path)]
    asked = [word_of(int(row), count) for row in np.linspace(0, count - 1, lookups)]
    built, _ = seconds_of([*annlib, asked[0]])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"  first lookup, with the index built: {built:.1f} s, memory {peak / 1e9:.2f} GB (mapped pages included)")

    index = path.with_name(f"{path.name}.cosine.ann")
    ours = [seconds_of([*annlib, word]) for word in asked]
    print(f"  later lookups: {describe([seconds for seconds, _ in ours])}")
    drop_from_cache(index)
    cold, _ = seconds_of([*annlib, asked[0]])
    print(f"  one whose index ({index.stat().st_size / 1e9:.2f} GB) is not in the page cache: {cold:.2f} s")
    nothing = [seconds_of([sys.executable, "-c", "import numpy"])[0] for _ in asked]
    print(f"  of which Python with NumPy takes: {describe(nothing)}")

    index.unlink()  # its pages make room for the scan's
    theirs = [seconds_of([sys.executable, __file__, "--scan", str(path), word]) for word in asked[:3]]
    print(f"  word2vec's way: {describe([seconds for seconds, _ in theirs])}")
    same = sum(words_of(one) == words_of(other) for (_, one), (_, other) in zip(ours, theirs, strict=False))
    print(f"  the same answers: {same} of {len(theirs)}")


def describe(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.2f} s, {min(seconds):.2f} to {max(seconds):.2f} s"


if __name__ == "__main__":
    main()
