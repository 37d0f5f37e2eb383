"""The API over a run whose vectors come from files: no users, no model, and spaces that cannot be compared."""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
import pytest

import pipeline


@pytest.fixture(scope="module")
def client(hostile_project, serve_root):
    return serve_root(hostile_project.root)


@pytest.fixture(scope="module")
def words(hostile_project):
    """Unit vectors by id."""
    run = pipeline.open_run(hostile_project.root)
    vectors = run.vectors("word") / np.linalg.norm(run.vectors("word"), axis=1, keepdims=True)
    return dict(zip(run.vocabulary("word").ids.to_pylist(), vectors, strict=True))


def test_every_id_has_an_address(client, words):
    for word in words:
        answer = client.get(f"/api/word/{quote(f'id:{word}', safe='')}")
        assert (answer.status_code, answer.json()["id"], answer.json()["related"]) == (200, word, {})
        listed = client.get(f"/api/word/{quote(f'id:{word}', safe='')}/similar").json()["results"]
        assert {each["id"] for each in listed} == set(words) - {word}
    assert client.get("/api/word/a%2Fb").json()["id"] == "a/b"


def test_words_are_added_and_subtracted_at_length_1(client, words):
    taste = {"like": ["word:a/b", "word:."], "dislike": ["word:é"]}
    vector = words["a/b"] + words["."] - words["é"]
    expected = sorted(set(words) - {"a/b", ".", "é"}, key=lambda word: -float(words[word] @ vector))
    answer = client.get("/api/recommend", params=taste).json()
    assert (answer["metric"], [each["id"] for each in answer["results"]]) == ("cosine", expected)
    why = client.get("/api/explain", params={**taste, "item": f"word:{expected[0]}"}).json()
    shares = {each["id"]: each["share"] for each in why["contributions"]}
    signs, length = {"a/b": 1, ".": 1, "é": -1}, np.linalg.norm(vector)
    assert shares == {
        word: pytest.approx(sign * words[word] @ words[expected[0]] / length) for word, sign in signs.items()
    }
    assert why["score"] == pytest.approx(sum(shares.values()))
    assert why["score"] == pytest.approx(answer["results"][0]["score"], abs=1e-6)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/word/a%2Fb/similar?to=phrase", 400, "phrase cannot be listed beside word"),
        ("/api/recommend?like=word:.&to=phrase", 400, "phrase cannot be listed beside word"),
        ("/api/recommend?like=word:.&like=phrase:1", 400, "in one space, got several"),
        ("/api/explain?like=word:.&item=phrase:1", 400, "phrase cannot be listed beside word"),
        ("/api/explain?user=1&item=word:.", 404, "unknown entity type 'user'"),
        ("/api/user/map", 404, "unknown entity type 'user'"),
    ],
)
def test_what_is_said_of_a_bad_request(client, path, status, message):
    answer = client.get(path)
    assert (answer.status_code, message in answer.json()["error"]) == (status, True), answer.text


def test_entities(client):
    entities = client.get("/api/entities").json()["entities"]
    assert [(each["name"], each["lists"]) for each in entities] == [("phrase", ["phrase"]), ("word", ["word"])]
