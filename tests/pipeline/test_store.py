"""The store: nothing half-written under a final name, and current.json where it belongs."""

from __future__ import annotations

import datetime
import json
import os

import pytest

from pipeline.errors import StoreError
from pipeline.store import Store, fingerprint, publish_folder, publish_json, read_json

JANUARY = [datetime.date(2026, 1, day) for day in range(1, 32)]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_fingerprints_depend_on_content_and_not_on_order():
    assert fingerprint({"a": 1, "b": [2, "x"]}) == fingerprint({"b": [2, "x"], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})
    with pytest.raises(ValueError, match="JSON"):
        fingerprint({"a": float("nan")})


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    final = tmp_path / "deep" / "final"

    def fail_half_way():
        with publish_folder(final) as folder:
            (folder / "part").write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail_half_way()
    assert not final.exists()
    assert list(final.parent.iterdir()) == []
    with publish_folder(final) as folder:
        assert not final.exists()
        (folder / "part").write_text("whole")
    assert [path.name for path in final.parent.iterdir()] == ["final"]
    assert (final / "part").read_text() == "whole"


def test_a_folder_published_twice_keeps_the_first(tmp_path):
    final = tmp_path / "final"
    for content in ("first", "second"):
        with publish_folder(final) as folder:
            (folder / "part").write_text(content)
    assert (final / "part").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_json_is_replaced_in_one_step(tmp_path):
    final = tmp_path / "x.json"
    publish_json(final, {"b": 1, "a": "é"})
    assert final.read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 1\n}\n'
    publish_json(final, {"a": 2})
    assert read_json(final) == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", "\xff", "{}", '{"run": "a", "date": "soon"}', '{"run": 1, "date": "2026-01-31"}']
)
def test_json_that_was_altered_is_an_error(tmp_path, content):
    path = tmp_path / "current.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(StoreError, match=r"current\.json: expected"):
        Store(tmp_path).current()


def test_current_moves_to_equal_or_later_dates_only(store):
    for date, run, published in [(5, "a", "a"), (4, "b", "a"), (5, "c", "c"), (6, "d", "d"), (1, "e", "d")]:
        store.publish(JANUARY[date], run, {"tables": {}})
        assert store.current()["run"] == published
        assert read_json(store.marker(JANUARY[date], run))["run"] == run


def test_a_run_that_took_anothers_place_can_be_taken_back(store):
    store.publish(JANUARY[5], "first", {})
    store.publish(JANUARY[5], "second", {})
    assert not store.is_published(JANUARY[5], "first")
    store.publish(JANUARY[5], "first", {})
    assert store.current()["run"] == "first"
    store.publish(JANUARY[6], "later", {})
    assert store.is_published(JANUARY[5], "first")


def test_a_run_killed_before_its_marker_is_published_again(store):
    store.publish(JANUARY[5], "run", {})
    before = (store.root / "current.json").read_bytes()
    store.marker(JANUARY[5], "run").unlink()
    assert not store.is_published(JANUARY[5], "run")
    store.publish(JANUARY[5], "run", {})
    assert store.is_published(JANUARY[5], "run")
    assert (store.root / "current.json").read_bytes() == before


def record_of(store, run):
    return next(record for record in store.runs() if record.run == run)


def test_runs_are_in_the_order_of_their_dates_and_of_one_date_as_they_were_published(store):
    for moment, (date, run) in enumerate([(5, "b"), (6, "c"), (5, "a"), (2, "d")]):
        store.publish(JANUARY[date], run, {"tables": {}})
        os.utime(store.marker(JANUARY[date], run), ns=(moment, moment))
    (store.root / "runs" / "2026-01-03" / ".tmp-1-x.json").write_text("half")
    assert [record.run for record in store.runs()] == ["d", "b", "a", "c"]
    assert store.content(record_of(store, "c")) == store.current()


def test_a_withdrawn_run_is_published_by_nothing_but_a_rollback(store):
    for date, run in [(5, "good"), (6, "bad")]:
        store.publish(JANUARY[date], run, {})
    store.withdraw(JANUARY[6], "bad")
    store.republish(record_of(store, "good"))
    assert store.is_published(JANUARY[6], "bad"), "running it again has nothing to do"
    store.publish(JANUARY[6], "bad", {})
    assert store.current()["run"] == "good"
    assert store.previous(JANUARY[8], "x")["run"] == "good"
    store.publish(JANUARY[6], "mended", {})
    assert store.current()["run"] == "mended", "another run of its date is a repair"
    store.republish(record_of(store, "bad"))
    assert not store.is_withdrawn(JANUARY[6], "bad")


def test_the_run_before_is_never_a_withdrawn_one(store):
    for date, run in [(3, "three"), (4, "four"), (9, "nine")]:
        store.publish(JANUARY[date], run, {})
    store.withdraw(JANUARY[4], "four")
    assert store.previous(JANUARY[6], "x")["run"] == "three"


def test_a_file_among_the_folders_of_dates_is_a_clear_error(store):
    publish_json(store.root / "runs" / "notes" / "x.json", {})
    with pytest.raises(StoreError, match="notes: expected the folder of a date"):
        store.runs()


def test_the_run_before(store):
    assert store.previous(JANUARY[5], "x") is None
    store.publish(JANUARY[3], "three", {})
    assert store.previous(JANUARY[5], "x")["run"] == "three"
    assert store.previous(JANUARY[3], "three") is None
    store.publish(JANUARY[9], "nine", {})
    assert store.previous(JANUARY[5], "x")["run"] == "three"
    assert store.previous(JANUARY[9], "other")["run"] == "nine"


def test_sweeping_leaves_what_is_published(store, tmp_path):
    with publish_folder(tmp_path / "tables" / "final") as folder:
        (folder / "part").write_text("whole")
    (tmp_path / "tables" / ".tmp-1-other").mkdir()
    (tmp_path / "tables" / ".tmp-1-other" / "part").write_text("half")
    (tmp_path / ".tmp-1-current.json").write_text(json.dumps({}))
    store.sweep()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["final", "part", "tables"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_root_names_the_path(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot write"), publish_folder(tmp_path / "x"):
        pass


def test_a_root_that_is_a_file_names_the_path(tmp_path):
    (tmp_path / "root").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*root"), publish_folder(tmp_path / "root" / "x" / "y"):
        pass


def test_sweeping_leaves_what_another_root_below_is_writing(store, tmp_path):
    for folder in ("other", "tables"):
        (tmp_path / folder / ".tmp-1-x").mkdir(parents=True)
    (tmp_path / "other" / ".lock").write_text("")
    store.sweep()
    assert (tmp_path / "other" / ".tmp-1-x").exists()
    assert not (tmp_path / "tables" / ".tmp-1-x").exists()
