"""The lock of a root: one live holder, named; a dead one holds nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from pipeline.errors import LockError, StoreError
from pipeline.lock import RootLock

HOLD = """
import sys, time
from pathlib import Path
from pipeline.lock import RootLock
RootLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def hold(tmp_path):
    """Start another process that holds the root for some seconds."""
    processes = []

    def start(seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(tmp_path), str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_run_holds_its_root_once_and_again(tmp_path):
    lock = RootLock(tmp_path / "new")
    assert lock.acquire()
    assert not lock.acquire()
    assert not RootLock(tmp_path / "new").acquire()
    lock.release()
    assert lock.acquire()
    lock.release()


def test_a_second_run_is_refused_and_told_who_holds_the_root(tmp_path, hold):
    other = hold(60)
    with pytest.raises(LockError, match=rf"is held by process {other.pid} on "):
        RootLock(tmp_path).acquire()


def test_a_holder_that_ended_lets_go(tmp_path, hold):
    hold(0).wait()
    assert RootLock(tmp_path).acquire()
    RootLock(tmp_path).release()


def test_a_killed_holder_holds_nothing(tmp_path, hold):
    other = hold(60)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert RootLock(tmp_path).acquire()
    RootLock(tmp_path).release()


def test_a_process_that_got_a_dead_holders_number_does_not_hold(tmp_path, hold):
    other = hold(60)
    path = tmp_path / ".lock"
    holder = json.loads(path.read_text())
    assert holder["pid"] == other.pid
    path.write_text(json.dumps({**holder, "started": holder["started"] - 1}))
    assert RootLock(tmp_path).acquire()
    RootLock(tmp_path).release()


def test_releasing_does_not_take_the_lock_from_another(tmp_path, hold):
    hold(60)
    RootLock(tmp_path).release()
    with pytest.raises(LockError):
        RootLock(tmp_path).acquire()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_worker_holds_for_its_run(tmp_path):
    """What a worker acquires is the run's: the run has it when the worker is gone."""
    pid = os.fork()
    if pid == 0:
        RootLock(tmp_path).acquire()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert not RootLock(tmp_path).acquire()
    RootLock(tmp_path).release()


def test_another_hosts_holder_counts_as_alive(tmp_path):
    (tmp_path / ".lock").write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 0, "command": "cfpipe run"}))
    with pytest.raises(LockError, match="process 1 on elsewhere"):
        RootLock(tmp_path).acquire()


def test_a_file_that_is_no_lock_is_an_error(tmp_path):
    (tmp_path / ".lock").write_text("hello")
    with pytest.raises(StoreError, match="not a lock"):
        RootLock(tmp_path).acquire()


def test_of_many_that_want_a_root_one_gets_it(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path), "3"]
    rivals = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path)
        for _ in range(4)
    ]
    outputs = [rival.communicate()[0] for rival in rivals]
    assert time.monotonic() > 0
    assert outputs.count("held\n") == 1
