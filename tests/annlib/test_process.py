"""annlib among processes: fork, pickle, signals, the environment, and what importing it brings along."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

import annlib
from annlib import AnnlibError, Index, IndexFileError, UnknownIdError

if TYPE_CHECKING:
    from pathlib import Path


def run_python(code: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def saved(tmp_path) -> Index:
    vectors = np.random.default_rng(0).normal(size=(3000, 32))
    return Index.build(vectors, metric="cosine", path=tmp_path / "saved.ann")


def first_neighbors(index: Index) -> list[int]:
    return index.neighbor_rows(2, num_threads=2)[0][:, 0].tolist()


def test_pickle_by_path(saved, words):
    again = pickle.loads(pickle.dumps(saved))  # noqa: S301
    assert again.path == saved.path
    assert first_neighbors(again) == first_neighbors(saved)
    with pytest.raises(AnnlibError, match="an index in memory cannot be pickled: save it to a file first"):
        pickle.dumps(words)


def test_a_relative_path_survives_a_change_of_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(Index.build(np.eye(3), metric="cosine", path="x.ann"))
    monkeypatch.chdir("/")
    assert len(pickle.loads(pickled)) == 3  # noqa: S301


def test_errors_pickle():
    damage = IndexFileError("damaged", file="x.ann", section="norms", offset=7)
    again = pickle.loads(pickle.dumps(damage))  # noqa: S301
    assert (str(again), again.section, again.offset) == (str(damage), "norms", 7)
    assert str(UnknownIdError("'x' is not an id")) == "'x' is not an id"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes(saved, method):
    expected, _ = saved.neighbor_rows(2, num_threads=2)  # threads have run in the parent
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = pool.starmap_async(Index.neighbor_rows, [(saved, 2), (saved, 2)]).get(timeout=60)
    for rows, _ in results:
        np.testing.assert_array_equal(rows, expected)


def test_python_threads_share_an_index(saved):
    expected = first_neighbors(saved)
    results: list[list[int]] = []
    threads = [threading.Thread(target=lambda: results.append(first_neighbors(saved))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_ctrl_c_stops_a_long_search(tmp_path):
    code = """
import numpy as np, annlib, sys
vectors = np.random.default_rng(0).normal(size=(200_000, 64)).astype(np.float32)
index = annlib.Index.build(vectors, metric="manhattan")
print("searching", flush=True)
try:
    index.neighbors(10)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(7)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "searching\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output) == (7, "interrupted\n")


@pytest.mark.parametrize("name", annlib._native.available_isas())
def test_annlib_isa_overrides(name, tmp_path):
    result = run_python("from annlib import _native; print(_native.isa())", tmp_path, ANNLIB_ISA=name)
    assert result.stdout.strip() == name


def test_an_unknown_isa_is_an_error(tmp_path):
    code = "import annlib; annlib.Index.build([[1.0]], metric='cosine')"
    result = run_python(code, tmp_path, ANNLIB_ISA="sse9")
    assert result.returncode == 1
    expected = "ValueError: environment variable ANNLIB_ISA: expected an instruction set of this host (scalar"
    assert expected in result.stderr
    assert "got 'sse9', which does not exist" in result.stderr


def test_flush_to_zero_of_the_caller_does_not_change_scores(tmp_path):
    code = """
import ctypes, numpy as np, annlib
vectors = np.full((3, 4), 1e-42, dtype=np.float32)
vectors[1] *= 2
index = annlib.Index.build(vectors, metric="manhattan")
before = index.search(vectors, 3)
assert before[1].max() > 0
index.save("before.ann")
libm = ctypes.CDLL("libm.so.6")
environment = ctypes.create_string_buffer(64)
libm.fegetenv(environment)
mxcsr = int.from_bytes(environment[28:32], "little") | 0x8040  # flush to zero, denormals are zero
environment[28:32] = mxcsr.to_bytes(4, "little")
libm.fesetenv(environment)
after = index.search(vectors, 3)
assert (before[0] == after[0]).all() and before[1].tobytes() == after[1].tobytes()
annlib.Index.build(vectors, metric="manhattan", path="after.ann")
assert open("before.ann", "rb").read() == open("after.ann", "rb").read()
"""
    if os.uname().machine != "x86_64":
        pytest.skip("the environment's layout is that of x86-64")
    result = run_python(code, tmp_path)
    assert result.returncode == 0, result.stderr


def test_annlib_needs_numpy_alone(tmp_path):
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("annlib", "numpy"):
            raise ImportError(f"annlib imported {name}")
sys.meta_path.insert(0, Block())
import annlib, annlib.cli, annlib.exact, threading
index = annlib.Index.build([[1, 0], [0, 1]], metric="cosine")
assert threading.active_count() == 1
index.neighbors(1)
"""
    result = run_python(code, tmp_path)
    assert result.returncode == 0, result.stderr


def test_a_source_tree_says_that_it_is_not_built(repository, tmp_path):
    shutil.copytree(repository / "annlib", tmp_path / "annlib", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    result = run_python("import annlib", tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert "its native module is not built: install it with `pip install .`" in result.stderr
