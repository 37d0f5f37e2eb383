"""The hardware's limit: the 8-bit multiply-adds a second of a bare loop, compiled for this machine and run.

python tests/benchmarks/hardware.py [--threads 2]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).with_name("hardware_limit.cpp")
_REPEATS, _SECONDS = 3, 0.5


class NoLimitError(Exception):
    """The limit cannot be measured here, and why."""


def multiply_add_limit(num_threads: int) -> float:
    """Multiply-adds a second on ``num_threads`` threads, the best of three runs.

    Raises
    ------
    NoLimitError
        If there is no C++ compiler, or the machine has neither AVX2 nor AVX-512 VNNI.
    """
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        raise NoLimitError("no C++ compiler found (set CXX)")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "hardware_limit"
        command = [compiler, "-std=c++20", "-O3", "-march=native", "-pthread", "-o", str(program), str(_SOURCE)]
        compiled = subprocess.run(command, capture_output=True, text=True, check=False)
        if compiled.returncode != 0:
            raise NoLimitError(f"{_SOURCE.name} does not compile here: {compiled.stderr.strip()}")
        run = [str(program), str(num_threads), str(_SECONDS)]
        outputs = [subprocess.run(run, capture_output=True, text=True, check=True).stdout for _ in range(_REPEATS)]
    return max(map(float, outputs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    num_threads = parser.parse_args().threads
    limit = multiply_add_limit(num_threads)
    print(f"{limit / 1e9:.0f} G multiply-adds a second on {num_threads} threads")


if __name__ == "__main__":
    main()
