"""The API: what it answers, and what it says of bad requests."""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
import pytest

import pipeline
from annlib import exact


@pytest.fixture(scope="module")
def run(published):
    return pipeline.open_run(published.root)


def get(client, path, **parameters):
    response = client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def listed(answer):
    return [(each["id"], round(each["score"], 5), each["rank"]) for each in answer["results"]]


def as_listed(neighbors):
    return [(str(each.id), round(each.score, 5), each.rank) for each in neighbors]


# What is answered -----------------------------------------------------------------------------------------------------


def test_entities(client, run):
    answer = get(client, "/api/entities")
    assert (answer["name"], answer["date"], answer["explains"]) == ("small", "2026-01-31", True)
    assert {each["name"]: each["count"] for each in answer["entities"]} == {
        entity: len(run.vocabulary(entity)) for entity in run.entities
    }
    assert all(each["lists"] == run.entities for each in answer["entities"])


def test_search(client):
    found = get(client, "/api/artist/search", q="weird artist 7")["results"][0]
    assert found == {"type": "artist", "id": "7", "name": '"Weird" Artist 7 '}
    assert get(client, "/api/artist/search", q="wierd 7")["results"][0]["id"] == "7"
    assert get(client, "/api/track/search", q="t007")["results"][0]["name"] == "Title 7"
    assert get(client, "/api/artist/search", q="no such thing")["results"] == []


def test_nothing_typed_finds_the_most_popular(client, run):
    listeners = np.diff(run.encoded.entity_items("artist").tocsc().indptr)
    found = [int(each["id"]) for each in get(client, "/api/artist/search", q="", limit=3)["results"]]
    assert found == np.argsort(-listeners, kind="stable")[:3].tolist()


def test_similar_is_the_runs(client, run):
    assert listed(get(client, "/api/artist/3/similar", k=5)) == as_listed(run.similar("artist", 3, 5))
    everything = get(client, "/api/artist/3/similar", k=1000)["results"]
    assert len(everything) == len(run.vocabulary("artist")) - 1


@pytest.mark.parametrize(("entity", "key"), [("artist", "3"), ("track", "t003")])
@pytest.mark.parametrize("to", ["artist", "track", "user"])
def test_across_entity_types(client, run, entity, key, to):
    row = run.vocabulary(entity).row(run.vocabulary(entity).parse(key))
    metric = "inner_product" if to == "user" else "cosine"
    exclude = [[row]] if to == entity else None
    rows, scores = exact.search(run.vectors(to), run.vectors(entity)[[row]], 4, metric=metric, exclude=exclude)
    answer = get(client, f"/api/{entity}/{key}/similar", k=4, to=to)
    assert answer["metric"] == metric
    assert [each["id"] for each in answer["results"]] == [str(run.vocabulary(to).id(row)) for row in rows[0]]
    np.testing.assert_allclose([each["score"] for each in answer["results"]], scores[0], rtol=1e-5)


def test_a_users_items_leave_out_what_was_seen(client, run):
    assert listed(get(client, "/api/user/1004/similar", to="track", k=9)) == as_listed(run.recommend(1004, 9))
    with_seen = run.recommend(1004, 9, exclude_seen=False)
    assert listed(get(client, "/api/user/1004/similar", to="track", k=9, seen="true")) == as_listed(with_seen)


def test_users_like_a_user(client, run):
    rows, _ = exact.search(run.vectors("user"), run.vectors("user")[[4]], 3, metric="cosine", exclude=[[4]])
    found = [each["id"] for each in get(client, "/api/user/1004/similar", k=3)["results"]]
    assert found == [str(1000 + row) for row in rows[0]]


def test_what_an_entity_is_connected_with(client, run):
    track = get(client, "/api/track/t013")
    assert (track["name"], track["counts"]) == ("Title 13", {"artist": 1})
    assert [each["id"] for each in track["related"]["artist"]] == ["1"]
    artist = get(client, "/api/artist/1")
    assert {each["id"] for each in artist["related"]["track"]} == {"t001", "t013", "t025", "t037", "t049"}
    user = get(client, "/api/user/1004")
    assert user["counts"]["track"] == run.encoded.user_items[[4]].nnz


def test_recommendations_for_a_taste_are_those_of_a_history(client, run):
    answer = get(client, "/api/recommend", like=["track:t003", "track:t006"], k=7)
    assert listed(answer) == as_listed(run.recommend_history(["t003", "t006"], 7))
    answer = get(client, "/api/recommend", like=["artist:3"], k=7, to="track")
    assert listed(answer) == as_listed(run.recommend_history([3], 7, of="artist", to="track"))


def test_what_the_taste_implies_is_left_out(client, run):
    vector = run.fold_in_users([["t003", "t006"]])
    rows, _ = exact.search(run.vectors("artist"), vector, 4, metric="inner_product", exclude=[[3, 6]])
    answer = get(client, "/api/recommend", like=["track:t003", "track:t006"], k=4, to="artist")
    assert [each["id"] for each in answer["results"]] == [str(row) for row in rows[0]]


def test_dislikes_are_subtracted(client, run):
    liked, disliked = run.fold_in_users([["t003", "t006"], ["t001"]])
    exclude = [run.vocabulary("track").rows(run.vocabulary("track").ids.take([3, 6, 1])).tolist()]
    vector = (liked - disliked)[None, :]
    rows, _ = exact.search(run.vectors("track"), vector, 7, metric="inner_product", exclude=exclude)
    answer = get(client, "/api/recommend", like=["track:t003", "track:t006"], dislike=["track:t001"], k=7)
    assert [each["id"] for each in answer["results"]] == [run.vocabulary("track").id(row) for row in rows[0]]


def test_a_mixed_taste(client, run):
    vector = run.fold_in_users([[3]], of="artist")[0] + run.fold_in_users([["t006"]])[0] + run.vectors("user")[4]
    answer = get(client, "/api/recommend", like=["artist:3", "track:t006", "user:1004"], to="user", k=5)
    rows, _ = exact.search(run.vectors("user"), vector[None, :], 5, metric="cosine", exclude=[[4]])
    assert [each["id"] for each in answer["results"]] == [str(1000 + row) for row in rows[0]]


def test_why_a_user(client, run):
    expected = run.explain(1004, "t030")
    answer = get(client, "/api/explain", item="track:t030", user="1004", k=1000)
    assert answer["score"] == pytest.approx(expected.score)
    assert answer["explained"] == pytest.approx(expected.fold_in_score)
    assert [each["id"] for each in answer["contributions"]] == [part.id for part in expected.contributions]
    short = get(client, "/api/explain", item="track:t030", user="1004", k=2)
    shares = sum(each["share"] for each in short["contributions"])
    assert (len(short["contributions"]), shares + short["others"]) == (2, pytest.approx(expected.fold_in_score))


def test_why_a_taste(client):
    taste = {"like": ["artist:3", "track:t006", "user:1004"], "dislike": ["artist:1", "track:t001"]}
    score = get(client, "/api/recommend", **taste, to="track", k=1)["results"][0]
    answer = get(client, "/api/explain", **taste, item=f"track:{score['id']}")
    assert {each["id"] for each in answer["contributions"]} == {"3", "t006", "1004", "1", "t001"}
    assert sum(each["share"] for each in answer["contributions"]) == pytest.approx(score["score"], rel=1e-4)
    assert answer["score"] == pytest.approx(score["score"], rel=1e-4)


def test_an_id_may_be_written_with_a_prefix(client):
    assert get(client, "/api/artist/id:3")["id"] == "3"
    assert client.get("/api/artist/id:id:3").status_code == 404


def test_head(client):
    response = client.request("HEAD", "/api/entities")
    assert (response.status_code, response.text) == (200, "")


# Bad requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/api/artist/3/similar?k=0", 400, "k: Input should be greater than or equal to 1; got '0'"),
        ("/api/artist/3/similar?k=-1", 400, "greater than or equal to 1; got '-1'"),
        ("/api/artist/3/similar?k=10000000", 400, "less than or equal to 1000; got '10000000'"),
        ("/api/artist/3/similar?k=abc", 400, "k: expected an integer; got 'abc'"),
        ("/api/artist/3/similar?k=1.0", 400, "k: expected an integer; got '1.0'"),
        ("/api/artist/3/similar?k=" + "9" * 5000, 400, "k: expected an integer; got '99999"),
        ("/api/artist/3/similar?k=1&k=2", 400, "k: expected one value, got several"),
        ("/api/artist/3/similar?seen=maybe", 400, "seen: Input should be 'true' or 'false'; got 'maybe'"),
        ("/api/artist/3/similar?nonsense=1", 400, "nonsense: Extra inputs are not permitted"),
        ("/api/artist/3/similar?to=album", 404, "unknown entity type 'album'"),
        ("/api/artist/999/similar", 404, "no artist has the id '999'"),
        ("/api/artist/-1", 404, "no artist has the id '-1'"),
        ("/api/artist/99999999999999999999", 404, "no artist has the id"),
        ("/api/artist/%00%1b", 404, "no artist has the id"),
        ("/api/artist/%3Cscript%3E", 404, "no artist has the id '<script>'"),
        ("/api/album/3", 404, "unknown entity type 'album'"),
        ("/api/artist/search", 400, "q: Field required"),
        ("/api/artist/search?q=" + "x" * 201, 400, "q: String should have at most 200 characters; got 'xxx"),
        ("/api/artist/search?q=" + "x" * 40_000, 414, "expected an address of up to 32,768 bytes"),
        ("/api/artist/search?q=a&limit=101", 400, "limit: Input should be less than or equal to 100"),
        ("/api/recommend", 400, "expected something to like or dislike"),
        ("/api/recommend?like=3", 400, "like.0: String should match pattern"),
        ("/api/recommend?like=artist:999", 404, "no artist has the id '999'"),
        ("/api/recommend?like=artist:3&dislike=artist:3", 400, "is liked and disliked at once"),
        ("/api/recommend?" + "&".join(f"like=track:t{n:03d}" for n in range(51)), 400, "at most 50 items"),
        ("/api/explain", 400, "item: Field required"),
        ("/api/explain?item=track:t001", 400, "expected something to like or dislike"),
        ("/api/explain?item=track:t001&user=1004&like=artist:3", 400, "expected a user or a taste, got both"),
        ("/api/explain?item=user:1001&user=1004", 400, "expected an item that was recommended to a user, got a user"),
        ("/api/explain?item=track:t001&user=nobody", 404, "no user has the id 'nobody'"),
        ("/api/album/map", 404, "unknown entity type 'album'"),
        ("/api", 404, "Not Found: /api"),
        ("/api/entities/", 404, "Not Found: /api/entities/"),
        ("/static/../app.py", 404, "Not Found"),
        ("/static/%2e%2e/app.py", 404, "Not Found"),
        ("/nowhere", 404, "Not Found: /nowhere"),
    ],
)
def test_what_is_said_of_a_bad_request(client, path, status, message):
    response = client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    assert set(response.json()) == {"error", "hint"}
    assert message in response.json()["error"]
    assert len(response.text) < 500
    assert client.get("/api/entities").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods(client, method):
    response = client.request(method, "/api/artist/3/similar")
    assert (response.status_code, response.headers["allow"].split(", ")) in [
        (405, ["GET", "HEAD"]),
        (405, ["HEAD", "GET"]),
    ]
    assert "Method Not Allowed" in response.json()["error"]


@pytest.mark.parametrize("path", ["/", "/api/entities", "/api/nothing/1", "/api/artist/3/similar?k=0", "/nowhere"])
def test_headers_that_keep_a_browser_safe(client, path):
    headers = client.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert policy["frame-ancestors"] == "'none'"
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("", 400),
        ("[", 400),
        ("allowed.example:8000", 200),
    ],
)
def test_hosts(published, serve_root, host, status):
    response = serve_root(published.root, hosts=["Allowed.example"]).get("/api/entities", headers={"host": host})
    assert response.status_code == status
    assert "content-security-policy" in response.headers


def test_an_id_with_a_slash_is_not_a_path(client):
    response = client.get(f"/api/artist/{quote('3/similar', safe='')}")
    assert (response.status_code, response.json()["error"]) == (404, "no artist has the id '3/similar'")
