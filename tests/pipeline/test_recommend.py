"""Recommendations that are looked up obey the rules of the table that they correspond to."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pipeline

RULES = """exclude_seen = true
allow = { path = "FOLDER/stock.csv", id = "id" }
deny = { path = "FOLDER/banned.csv", id = "id" }
min_support = 3
popularity_penalty = 0.3
boosts = { path = "FOLDER/stock.csv", id = "id", boost = "factor" }
max_per = { artist = 1 }
diversity = { lambda = 0.6, candidates = 40 }
fallback = "popular"

[[tables]]
name = "other_tracks_for_users"
from = "user"
to = "track"

[[tables]]
name = "artists_for_users"
from = "user"
to = "artist"
k = 4
exclude_seen = false
deny = { path = "FOLDER/artists.csv", id = "id" }
"""


@pytest.fixture(scope="module")
def ruled(published, tmp_path_factory, command):
    """A project whose table has every rule there is, run once."""
    folder = tmp_path_factory.mktemp("ruled")
    shutil.copytree(published.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("runs"))
    stock = [f"t{number:03d},{1 + number % 5}" for number in range(60) if number % 4]
    (folder / "stock.csv").write_text("\n".join(["id,factor", *stock]) + "\n")
    (folder / "banned.csv").write_text("id\nt001\nt002\n")
    (folder / "artists.csv").write_text("id\n1\n2\n")
    text = published.config.read_text().replace(str(published.folder), str(folder))
    (folder / "config.toml").write_text(text + RULES.replace("FOLDER", str(folder)))
    result = command("cfpipe", "run", folder / "config.toml")
    assert result.returncode == 0, result.stderr
    for name in ("stock.csv", "banned.csv", "artists.csv"):
        (folder / name).unlink()  # a published run is what it was when it was made
    return type(published)(folder)


@pytest.fixture(scope="module")
def run(ruled):
    return pipeline.open_run(ruled.root)


def rows_of(run, table):
    parts = [pq.read_table(part) for part in sorted(run.tables[table].glob("*.parquet"))]
    rows = pa.concat_tables(parts).to_pandas()
    return rows.astype({"source": object}).where(rows.notna(), None)


@pytest.mark.parametrize(("table", "entity"), [("tracks_for_users", "track"), ("artists_for_users", "artist")])
def test_a_look_up_is_the_rows_of_the_table(run, table, entity):
    rows = rows_of(run, table)
    assert not rows.empty
    k = run.manifest(table)["parameters"]["k"]
    for user, expected in list(rows.groupby("user_id"))[:50]:
        found = run.recommend(int(user), k, entity=entity)
        assert [each.id for each in found] == expected["item_id"].tolist()
        assert [each.rank for each in found] == expected["rank"].tolist()
        assert [each.source for each in found] == expected["source"].tolist()
        assert [each.score for each in found] == pytest.approx(expected["score"].tolist(), rel=1e-6)
        shorter = run.recommend(int(user), 3, entity=entity)
        assert [each.id for each in shorter] == expected["item_id"].tolist()[:3]


def test_every_rule_had_something_to_do(run):
    rules = run.manifest("tracks_for_users")["rules"]
    assert rules["passed_over"] > 0
    assert rules["reordered_lists"] > 0
    assert rules["targets_left_out"] >= 15


def test_without_rules_the_list_is_the_bare_models(run):
    bare = run.recommend(1004, 10, rules=False)
    assert bare != run.recommend(1004, 10)
    row = run.vocabulary("user").row(1004)
    rows, _ = run.index("track", "inner_product").search_rows(
        run.vectors("user")[[row]], 10, exclude=run.encoded.user_items[[row]]
    )
    assert [each.id for each in bare] == [run.vocabulary("track").id(item) for item in rows[0]]
    assert all(each.source is None for each in bare)


def test_a_fresh_history_is_answered_by_the_rules(run):
    artists = pd.Series({f"t{track:03d}": track % 12 for track in range(60)})
    found = run.recommend_history(["t004", "t007"], 8)
    assert len({artists[each.id] for each in found}) == len(found) == 8
    assert not {"t001", "t002", "t004", "t007"} & {each.id for each in found}
    assert all(int(str(each.id)[1:]) % 4 for each in found)
    bare = run.recommend_history(["t004", "t007"], 8, rules=False)
    assert len({artists[each.id] for each in bare}) < 8
    # The table of artists keeps what is seen; who asks otherwise is honoured.
    known = {4, 7}
    assert known <= {each.id for each in run.recommend_history(["t004", "t007"], 10, to="artist")}
    without = run.recommend_history(["t004", "t007"], 10, to="artist", exclude_history=True)
    assert not known & {each.id for each in without}
    assert not {1, 2} & {each.id for each in without}


def test_the_command_has_both(ruled, run, command):
    ruled_list = command("cfpipe", "recommend", ruled.config, "1004", "--json")
    bare_list = command("cfpipe", "recommend", ruled.config, "1004", "--no-rules", "--json")
    assert [each["id"] for each in json.loads(ruled_list.stdout)] == [each.id for each in run.recommend(1004)]
    assert [each["id"] for each in json.loads(bare_list.stdout)] == [
        each.id for each in run.recommend(1004, rules=False)
    ]


def test_somebody_of_whom_the_model_knows_nothing_gets_what_is_popular(run):
    """As the table would give them; nobody of this data is so little known, so it is asked for by the vector."""
    nothing = run.best_for(np.zeros((2, 8), np.float32), "track", 5)
    assert nothing.popular.all()
    assert (nothing.target_rows[0] == nothing.target_rows[1]).all()
    bare = run.best_for(np.zeros((1, 8), np.float32), "track", 5, rules=False)
    assert bare.popular is None


def test_a_run_that_was_published_before_rules_were_kept_goes_without(ruled, run):
    before = pipeline.open_run(ruled.root)
    del before.content["rules"]
    assert before.recommend(1004, 10) == run.recommend(1004, 10, rules=False)
