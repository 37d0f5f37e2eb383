"""What is popular, where lists are short: of users the model knows nothing of, and of users it has never seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pipeline
from pipeline.tables import strangers as strangers_module
from pipeline.tables.fallback import Popular, fill
from pipeline.tables.neighbors import Lists
from pipeline.tables.strangers import Strangers

K = 4


def test_scores_go_on_falling_from_the_lists_last():
    popular = Popular.of(np.array([4, 0, 8, 2, 8]), None)
    assert popular.order.tolist() == [2, 4, 0, 3]
    rows = np.array([[1, 2, -1, -1], [3, -1, -1, -1], [-1, -1, -1, -1]])
    scores = np.array([[5, 3, np.nan, np.nan], [-2, np.nan, np.nan, np.nan], [np.nan] * 4], np.float32)
    filled = fill(rows, scores, popular, exclude=None, caps=())
    assert rows.tolist() == [[1, 2, 4, 0], [3, 2, 4, 0], [2, 4, 0, 3]]
    assert scores.tolist() == [[5, 3, 0, -0.5], [-2, -2, -2, -2.5], [0, 0, -0.5, -0.75]]
    assert filled.tolist() == [[False, False, True, True], [False, True, True, True], [True] * 4]


def test_what_nobody_has_and_what_is_not_allowed_is_not_popular():
    allow = np.array([True, True, False, True, True])
    popular = Popular.of(np.array([4, 0, 8, 2, 8]), allow)
    assert popular.order.tolist() == [4, 0, 3]
    assert popular.shares.tolist() == [0.5, 0.0, 0.0, 0.25, 1.0]


@given(
    known=st.sets(st.integers(0, 60), min_size=1),
    unknown=st.sets(st.integers(0, 60), min_size=1),
    text=st.booleans(),
    batch=st.integers(1, 9),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_strangers_stand_in_their_places(known, unknown, text, batch, seed):
    kind = pa.string() if text else pa.int64()
    order = (lambda value: str(value).encode()) if text else None
    known, unknown = sorted(known, key=order), sorted(unknown - known, key=order)
    rng = np.random.default_rng(seed)
    wanted = np.flatnonzero(rng.random(len(known)) < 0.8)
    popular = Popular.of(np.array([3, 0, 5]), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strangers_module, "BATCH_LISTS", batch)
        strangers = Strangers(
            pa.array(known, pa.int64()).cast(kind), pa.array(unknown, pa.int64()).cast(kind), popular, (), K
        )
        parts = []
        for start in range(0, len(wanted), 5):
            rows = wanted[start : start + 5]
            own = np.broadcast_to(rows[:, None] + 100, (len(rows), K))
            numbers = np.ones(own.shape, np.float32)
            parts += strangers.merge(Lists(rows, own, numbers, numbers, np.zeros(own.shape, bool)))
        parts += strangers.rest()
    assert max((len(part.source_rows) for part in parts), default=0) <= batch + 5
    found = [
        (strangers.ids[row].as_py(), targets.tolist(), marks.tolist())
        for part in parts
        for row, targets, marks in zip(part.source_rows.tolist(), part.target_rows, part.popular, strict=True)
    ]
    text_of = str if text else int
    expected = {text_of(known[row]): ([int(row) + 100] * K, [False] * K) for row in wanted}
    expected |= {text_of(value): ([2, 0, -1, -1], [True, True, False, False]) for value in unknown}
    assert found == [(key, *expected[key]) for key in sorted(expected, key=lambda v: v.encode() if text else v)]
    assert strangers.counts.popular_lists == len(unknown)
    assert strangers.counts.popular_rows == 2 * len(unknown)


def test_users_without_interactions_get_what_is_recently_popular(project, command):
    (project.folder / "market.csv").write_text("who\n1003\n999\n1002\n5000\nnobody\n")
    with project.config.open("a") as file:
        file.write(
            f'users = {{ path = "{project.folder}/market.csv", id = "who" }}\n'
            'fallback = "popular"\nfallback_days = 5\nmax_per = { artist = 1 }\n'
        )
    result = command("cfpipe", "run", project.config)
    assert result.returncode == 0, result.stderr
    run = pipeline.open_run(project.root)
    rows = pq.read_table(run.tables["tracks_for_users"] / "part-00000.parquet").to_pandas()
    assert rows["user_id"].drop_duplicates().tolist() == [999, 1002, 1003, 5000]
    known = rows["user_id"].isin([1002, 1003])
    assert rows.loc[known, ["relevance", "source"]].isna().all(axis=None)
    assert (rows.loc[~known, "source"] == "popular").all()
    assert rows.loc[~known, "relevance"].isna().all()
    assert not (rows.groupby("user_id")["score"].diff() > 0).any()

    plays = pd.read_csv(project.folder / "plays.csv", parse_dates=["ts"])
    recent = plays[plays["ts"] > plays["ts"].max() - pd.Timedelta(days=5)]
    users = recent.groupby("track")["user"].nunique().sort_index()
    ranking = users.sort_values(ascending=False, kind="stable").index
    artists = pd.Series(ranking, index=ranking).str[1:].astype(int) % 12
    best = ranking[~artists.duplicated()][:10].tolist()
    assert rows.loc[rows["user_id"] == 999, "item_id"].tolist() == best
    assert rows.loc[rows["user_id"] == 5000, "item_id"].tolist() == best

    manifest = run.manifest("tracks_for_users")
    assert manifest["sources"] == {"wanted": 4, "with_rows": 4, "without_rows": 0, "short_lists": 0}
    assert manifest["rules"]["users"] == {"without_interactions": 2}
    assert (manifest["rules"]["popular_rows"], manifest["rules"]["popular_lists"]) == (20, 2)
    assert manifest["neighbor_recall"] == 1.0


def test_a_table_of_users_without_interactions_alone(project, command):
    (project.folder / "market.csv").write_text("who\n5001\n5000\n")
    with project.config.open("a") as file:
        file.write(f'users = {{ path = "{project.folder}/market.csv", id = "who" }}\nfallback = "popular"\n')
    result = command("cfpipe", "run", project.config)
    assert result.returncode == 0, result.stderr
    folder = pipeline.open_run(project.root).tables["tracks_for_users"]
    rows = pq.read_table(folder / "part-00000.parquet").to_pandas()
    assert rows.groupby("user_id").size().to_dict() == {5000: 10, 5001: 10}
    assert (rows["source"] == "popular").all()
