"""Which run answers: the published one, and another as soon as it is published."""

from __future__ import annotations

import datetime
import shutil

import pytest

from pipeline.serve import catalogue
from pipeline.store import Store, publish_json


@pytest.fixture
def root(tmp_path, published):
    """The root of a run, of a test's own."""
    shutil.copytree(published.root, tmp_path / "runs")
    return tmp_path / "runs"


def publish(root, **changes):
    """Publish the run again, changed in some parts."""
    content = {**Store(root).current(), **changes}
    publish_json(root / "current.json", content)


def name(client):
    return client.get("/api/entities").json()["name"]


def test_it_switches_to_the_run_that_is_published(root, serve_root):
    client = serve_root(root)
    assert name(client) == "small"
    Store(root).publish(datetime.date(2026, 2, 1), "0" * 16, {**Store(root).current(), "name": "the next"})
    assert name(client) == "the next"
    assert client.get("/api/artist/3/similar").status_code == 200


def test_before_the_first_run(tmp_path, root, serve_root):
    client = serve_root(tmp_path / "later")
    for path in ("/api/entities", "/api/artist/3/similar", "/api/artist/search?q=a", "/api/artist/map"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["hint"][:25]) == (503, "Make one: cfpipe run CONF")
    assert client.get("/").status_code == client.get("/api/openapi.json").status_code == 200
    assert client.get("/api/artist/3/similar?k=0").status_code == 400
    root.rename(tmp_path / "later")
    assert name(client) == "small"


@pytest.mark.parametrize("broken", ["not JSON", "[]", "{}", '{"vectors": 5}', '{"vectors": {"artist": "nowhere.npy"}}'])
def test_a_run_that_cannot_be_read_does_not_take_the_place_of_one_that_can(root, serve_root, broken):
    client = serve_root(root)
    assert name(client) == "small"
    current = (root / "current.json").read_text()
    (root / "current.json").write_text(broken)
    assert name(client) == "small"
    answer = serve_root(root).get("/api/entities")
    assert (answer.status_code, "the published run cannot be read" in answer.json()["error"]) == (503, True)
    (root / "current.json").write_text(current)
    publish(root, name="mended")
    assert name(client) == "mended"


def test_a_run_whose_files_come_late_is_found(root, serve_root):
    (root / "indexes").rename(root / "elsewhere")
    client = serve_root(root)
    assert client.get("/api/entities").status_code == 503
    (root / "elsewhere").rename(root / "indexes")
    assert name(client) == "small"


def test_a_run_that_is_deleted_goes_on_answering(root, serve_root):
    client = serve_root(root)
    paths = [
        "/api/entities",
        "/api/artist/search?q=wierd",
        "/api/track/t003",
        "/api/artist/3/similar?to=user",
        "/api/user/1004/similar?to=artist",
        "/api/recommend?like=artist:3&dislike=track:t001",
        "/api/explain?item=track:t030&user=1004",
        "/api/artist/map",
    ]
    before = client.get("/api/entities").text
    shutil.rmtree(root)
    assert [client.get(path).status_code for path in paths] == [200] * len(paths)
    assert client.get("/api/entities").text == before


def test_a_run_of_an_earlier_version(root, serve_root, monkeypatch):
    """Without maps, an index of names, and the names of its spaces."""
    content = Store(root).current()
    for key in ("maps", "names", "spaces"):
        del content[key]
    publish_json(root / "current.json", content)
    client = serve_root(root)
    entities = client.get("/api/entities").json()["entities"]
    assert [(each["has_map"], each["lists"]) for each in entities] == [(False, ["artist", "track", "user"])] * 3
    assert client.get("/api/artist/map").status_code == 404
    assert client.get("/api/artist/search?q=wierd 7").json()["results"][0]["id"] == "7"
    monkeypatch.setattr(catalogue, "_MAX_UNINDEXED_NAMES", 5)
    answer = serve_root(root).get("/api/artist/search?q=wierd")
    assert (answer.status_code, answer.json()["hint"]) == (503, "Run again: cfpipe run CONFIG.")
