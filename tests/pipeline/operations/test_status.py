"""Status: the runs of a root, what they take, and who works on it."""

from __future__ import annotations

import shutil

from pipeline.lock import RootLock
from pipeline.operations.rollback import roll_back
from pipeline.operations.status import root_status


def test_an_empty_root_has_nothing_and_stays_so(root):
    status = root_status(root.root)
    assert (status.published, status.runs, status.holder, status.bytes) == (None, [], None, 0)
    assert not root.root.exists()


def test_runs_with_their_sizes_and_states(root):
    first = root.make(1, "one", vectors="v", table="t1")
    second = root.make(2, "two", vectors="v", table="t2")
    third = root.make(3, "three", vectors="w", table="t3")
    roll_back(root)
    root.put("split/0123456789abcdef/x.npy", 7)
    status = root_status(root.root)
    assert [run.run for run in status.runs] == [third, second, first]
    assert [run.published for run in status.runs] == [False, True, False]
    assert [run.withdrawn for run in status.runs] == [True, False, False]
    checks = len('{"gates": [{"name": "rows", "value": 1.0}]}')
    assert status.runs[0].bytes == status.runs[0].own_bytes == 4600 + checks
    assert (status.runs[1].bytes, status.runs[1].own_bytes) == (4600 + checks, 500 + checks)
    assert status.runs[1].gates == [{"name": "rows", "value": 1.0}]
    assert status.runs[1].published_at == "2026-02-01T00:02:00+00:00"
    assert (status.bytes, status.unreferred_bytes) == (2 * 4100 + 3 * (500 + checks) + 7, 7)


def test_a_run_whose_files_are_gone_says_so(root):
    root.make(1, "one", vectors="v", table="t")
    shutil.rmtree(root.root / "tables")
    (run,) = root_status(root.root).runs
    assert [path.split("/")[0] for path in run.missing] == ["tables"]


def test_the_holder_of_the_lock_is_named(root):
    root.make(1, "one", vectors="v", table="t")
    with RootLock(root.root):
        holder = root_status(root.root).holder
        assert holder is not None
        assert holder.is_alive()
    assert root_status(root.root).holder is None
