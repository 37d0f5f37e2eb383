"""Rollback: the run before is published again, and what was withdrawn comes back only when asked for."""

from __future__ import annotations

import datetime
import shutil

import pytest

from pipeline.errors import LockError, StoreError, UnknownNameError
from pipeline.operations import rollback
from pipeline.operations.rollback import roll_back
from pipeline.store import read_json


@pytest.fixture
def runs(root):
    """Three runs of the days 1, 2 and 3."""
    return [root.make(day, f"run {day}", vectors=f"v{day}", table=f"t{day}") for day in (1, 2, 3)]


def content(root, run):
    record = next(record for record in root.runs() if record.run == run)
    return root.content(record)


def test_the_run_before_is_published_as_it_was(root, runs):
    done = roll_back(root)
    assert (done.before.run, done.after.run) == (runs[2], runs[1])
    assert [record.run for record in done.withdrawn] == [runs[2]]
    assert root.current() == content(root, runs[1])
    roll_back(root)
    assert root.current()["run"] == runs[0]


def test_there_is_nothing_before_the_first(root, runs):
    roll_back(root, "2026-01-01")
    before = (root.root / "current.json").read_bytes()
    with pytest.raises(StoreError, match="nothing to roll back to"):
        roll_back(root)
    assert (root.root / "current.json").read_bytes() == before


def test_nothing_published_is_an_error_that_makes_no_folder(root):
    with pytest.raises(StoreError, match="no published run"):
        roll_back(root)
    assert not root.root.exists()


def test_everything_after_the_run_is_withdrawn_and_can_be_taken_back(root, runs):
    days = [datetime.date(2026, 1, day) for day in (1, 2, 3)]
    roll_back(root, runs[0][:6])
    assert [root.is_withdrawn(day, run) for day, run in zip(days, runs, strict=True)] == [False, True, True]
    assert all(root.is_published(day, run) for day, run in zip(days, runs, strict=True)), "a backfill has nothing to do"
    roll_back(root, "2026-01-02")
    assert root.current()["run"] == runs[1]
    assert [root.is_withdrawn(day, run) for day, run in zip(days, runs, strict=True)] == [False, False, True]


def test_a_later_run_publishes_on_and_is_never_rolled_back_to_a_withdrawn_one(root, runs):
    roll_back(root)
    fourth = root.make(4, "run 4", vectors="v4", table="t4")
    assert root.current()["run"] == fourth
    assert roll_back(root).after.run == runs[1]


def test_runs_of_one_date_go_back_in_the_order_they_were_published(root, runs):
    again = root.make(3, "other settings", vectors="v3", table="other")
    assert root.current()["run"] == again
    assert roll_back(root).after.run == runs[2]


@pytest.mark.parametrize("to", ["gone", "2026-01-09", ""])
def test_an_unknown_run_is_named_with_those_there_are(root, runs, to):
    with pytest.raises(UnknownNameError, match=rf"no run is '{to}': the runs are {runs[0]} of 2026-01-01"):
        roll_back(root, to)


def test_a_run_that_is_not_whole_is_refused(root, runs):
    shutil.rmtree(root.root / content(root, runs[1])["tables"]["similar"])
    before = (root.root / "current.json").read_bytes()
    with pytest.raises(StoreError, match=r"is not whole: tables/similar/\w+ is gone"):
        roll_back(root)
    assert (root.root / "current.json").read_bytes() == before
    assert not any(record.withdrawn for record in root.runs())


def test_killed_in_between_the_published_run_stays_and_the_next_call_ends_it(root, runs, monkeypatch):
    def killed(record):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(root), "republish", lambda self, record: killed(record))
        with pytest.raises(KeyboardInterrupt):
            roll_back(root)
    assert root.current()["run"] == runs[2]
    roll_back(root)
    assert root.current()["run"] == runs[1]


def test_a_run_whose_marker_was_never_written_can_be_taken_back(root, runs):
    marker = root.marker(datetime.date(2026, 1, 3), runs[2])
    published = read_json(marker)
    marker.unlink()
    roll_back(root)
    assert read_json(marker) == published
    roll_back(root, runs[2])
    assert root.current() == published


def test_a_root_that_is_held_is_left_alone(root, runs, monkeypatch):
    def refuse(lock):
        raise LockError("is held")

    monkeypatch.setattr(rollback.RootLock, "acquire", refuse)
    with pytest.raises(LockError):
        roll_back(root)
    assert root.current()["run"] == runs[2]
