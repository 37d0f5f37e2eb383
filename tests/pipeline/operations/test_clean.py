"""Cleaning: what goes is listed before, and nothing that a kept run refers to ever goes."""

from __future__ import annotations

import datetime
import os

import pytest

from pipeline.errors import StoreError
from pipeline.operations.clean import clean, plan_cleaning
from pipeline.operations.holdings import Holdings, missing_paths
from pipeline.operations.rollback import roll_back
from pipeline.store import Store, fingerprint, publish_json, read_json


@pytest.fixture
def runs(root):
    """Five runs; the second and the third have their vectors in common, the third and the fourth their table."""
    shared = [("a", "t1"), ("b", "t2"), ("b", "t3"), ("c", "t3"), ("d", "t5")]
    return [root.make(day, f"run {day}", vectors=v, table=t) for day, (v, t) in enumerate(shared, start=1)]


def whole(root):
    """Fingerprints of the runs that are kept; all of them whole."""
    records = root.runs()
    assert not any(missing_paths(root, root.content(record)) for record in records)
    assert root.current()["run"] in [record.run for record in records]
    for record in records:
        for output in root.content(record)["outputs"]:
            assert root.path(output).exists(), (record, output)
    return [record.run for record in records]


def do(root, keep):
    return clean(root, keep, plan_cleaning(root, keep))


def test_the_latest_runs_stay_and_what_they_share_with_others(root, runs):
    chosen = plan_cleaning(root, 3)
    assert [record.run for record in chosen.runs] == runs[:2]
    a, b, t1, t2 = map(fingerprint, ("a", "b", "t1", "t2"))
    assert set(chosen.outputs) == {
        *(f"{kind}/{a}" for kind in ("factors", "indexes", "split")),
        *(f"tables/similar/{t}" for t in (t1, t2)),
        *(f"checks/{t}.json" for t in (t1, t2)),
    }
    assert f"factors/{b}" not in chosen.outputs
    assert chosen.outputs[f"indexes/{a}"] == 3000
    assert list(chosen.outputs.values()) == sorted(chosen.outputs.values(), reverse=True)
    before = root.paths()
    assert whole(root) == runs, "a plan deletes nothing"
    assert clean(root, 3, chosen) == chosen
    assert whole(root) == runs[2:]
    assert before - root.paths() == set(chosen.outputs)
    assert do(root, 3).outputs == {}


def test_the_published_run_stays_whatever_its_age_and_so_do_those_withdrawn_after_it(root, runs):
    roll_back(root, runs[1])
    do(root, 1)
    assert whole(root) == runs[1:]
    roll_back(root, runs[4])
    do(root, 1)
    assert whole(root) == [runs[4]]


def test_what_no_run_refers_to_goes_unless_it_is_younger_than_the_published_run(root, runs):
    old, new, study = f"factors/{fingerprint('old')}", f"factors/{fingerprint('new')}", f"tuning/{fingerprint('s')}"
    for output in (old, new, study):
        root.put(f"{output}/x.npy", 10)
    os.utime(root.path(new))
    root.put("notes.txt", 10)
    root.put("elsewhere/notes.txt", 10)
    assert list(plan_cleaning(root, 5).outputs) == [old]
    do(root, 5)
    assert {new, study} <= root.paths()
    assert root.path("notes.txt").exists()
    assert root.path("elsewhere", "notes.txt").exists()


def test_a_run_of_an_earlier_version_keeps_what_it_does_not_name(root, runs):
    marker = root.marker(datetime.date(2026, 1, 5), runs[4])
    content = read_json(marker)
    del content["outputs"]
    moment = marker.stat().st_mtime_ns
    publish_json(marker, content)
    os.utime(marker, ns=(moment, moment))
    root.put(f"split/{fingerprint('unknown')}/x.npy", 10)
    do(root, 1)
    assert {f"split/{fingerprint('d')}", f"split/{fingerprint('unknown')}"} <= root.paths()
    assert f"split/{fingerprint('a')}" not in root.paths(), "a run that goes has said that it is its own"


def test_what_came_to_be_deletable_after_the_question_stays(root, runs):
    chosen = plan_cleaning(root, 4)
    root.make(6, "run 6", vectors="e", table="t6")
    clean(root, 4, chosen)
    assert whole(root)[0] == runs[1]
    assert len(whole(root)) == 5


def test_what_came_to_be_used_after_the_question_stays(root, runs):
    chosen = plan_cleaning(root, 1)
    root.make(6, "run 6", vectors="a", table="t1")
    clean(root, 1, chosen)
    assert len(whole(root)) == 2
    assert f"factors/{fingerprint('a')}" in root.paths()


@pytest.mark.parametrize("step", range(0, 14, 2))
def test_killed_anywhere_it_leaves_whole_runs_and_the_next_call_takes_the_rest(root, runs, step, monkeypatch):
    calls = iter(range(100))

    def dying(method):
        def call(self, argument):
            if next(calls) == step:
                raise KeyboardInterrupt
            return method(self, argument)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Store, "delete", dying(Store.delete))
        patch.setattr(Store, "forget", dying(Store.forget))
        with pytest.raises(KeyboardInterrupt):
            do(root, 2)
    whole(root)
    do(root, 2)
    assert whole(root) == runs[3:]
    holdings = Holdings(root)
    assert set(holdings.outputs) == {output for record in holdings.records for output in holdings.outputs_of(record)}


def test_a_root_without_runs_has_nothing_to_delete(root):
    root.put(f"factors/{fingerprint('x')}/x.npy", 10)
    assert plan_cleaning(root, 1).outputs == {}


def test_another_root_and_data_below_the_root_stay(root, runs):
    inner = type(root)(root.path("inner"))
    inner.make(1, "inner run", vectors="x", table="y")
    root.put(f"data/{fingerprint('z')}.json", 10)
    root.put(f"data/{2026_0101_1200_0000}/part.csv", 10)
    before = [path for path in root.root.rglob("*") if {"inner", "data"} & set(path.parts)]
    assert not any(output.startswith(("inner", "data")) for output in plan_cleaning(root, 1).outputs)
    do(root, 1)
    assert all(path.exists() for path in before)
    whole(inner)


def test_a_marker_that_says_nothing_stops_a_cleaning(root, runs):
    marker = root.marker(datetime.date(2026, 1, 5), runs[4])
    moment = marker.stat().st_mtime_ns
    marker.write_text('{"outputs": []}')
    os.utime(marker, ns=(moment, moment))
    before = root.paths()
    with pytest.raises(StoreError, match="expected the marker of run"):
        do(root, 1)
    assert root.paths() == before


def test_of_an_output_that_is_a_link_the_link_goes_and_what_it_points_to_stays(root, runs, tmp_path):
    folder = root.path("factors", fingerprint("a"))
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    root.path("factors", fingerprint("gone")).symlink_to(tmp_path / "gone")
    do(root, 1)
    assert (tmp_path / "elsewhere" / "item.npy").exists()
    assert not folder.is_symlink()
    assert not list(root.root.rglob(".tmp-*"))
