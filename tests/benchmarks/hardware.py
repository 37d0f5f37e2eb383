"""The hardware's limit: the 8-bit multiply-adds a second of bare loops, compiled and run on this machine.

    python tests/benchmarks/hardware.py [--threads 2]

prints that of every instruction set of the machine that the library has kernels for. What a search reaches is to be
held against that of the one in use.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from annlib import _native

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOURCE = Path(__file__).with_name("hardware_limit.cpp")
#: Instruction sets with a bare loop, named as the library names them.
_LOOPS = ("avx2", "avx512", "amx")
_REPEATS, _SECONDS = 3, 0.5


class NoLimitError(Exception):
    """The limit cannot be measured here, and why."""


def multiply_add_limit(isa: str, num_threads: int) -> float:
    """Multiply-adds a second of an instruction set on ``num_threads`` threads, the best of three runs.

    Raises
    ------
    NoLimitError
        If there is no C++ compiler, or no bare loop of the instruction set for this machine.
    """
    with _program() as program:
        return _measure(program, isa, num_threads)


@contextmanager
def _program() -> Iterator[Path]:
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        raise NoLimitError("no C++ compiler found (set CXX)")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "hardware_limit"
        command = [compiler, "-std=c++20", "-O3", "-pthread", "-o", str(program), str(_SOURCE)]
        compiled = subprocess.run(command, capture_output=True, text=True, check=False)
        if compiled.returncode != 0:
            raise NoLimitError(f"{_SOURCE.name} does not compile here: {compiled.stderr.strip()}")
        yield program


def _measure(program: Path, isa: str, num_threads: int) -> float:
    if isa not in _LOOPS:
        raise NoLimitError(f"no bare loop of {isa}, only of {', '.join(_LOOPS)}")
    command = [str(program), isa, str(num_threads), str(_SECONDS)]
    outputs = []
    for _ in range(_REPEATS):
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise NoLimitError(f"the loop of {isa} does not run on this machine (exit status {run.returncode})")
        outputs.append(float(run.stdout))
    return max(outputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    num_threads = parser.parse_args().threads
    with _program() as program:
        for isa in (name for name in _native.available_isas() if name in _LOOPS):
            limit = _measure(program, isa, num_threads)
            in_use = " (in use)" if isa == _native.isa() else ""
            print(f"{isa:8} {limit / 1e9:8.0f} G multiply-adds a second on {num_threads} threads{in_use}")


if __name__ == "__main__":
    main()
