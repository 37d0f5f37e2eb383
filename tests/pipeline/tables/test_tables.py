"""Published tables, as downstream systems read them."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pipeline
from annlib import exact


@pytest.fixture(scope="module")
def run(published):
    return pipeline.open_run(published.root)


def read(folder):
    return pa.concat_tables(pq.read_table(part) for part in sorted(folder.glob("part-*.parquet")))


def test_columns_and_types(run):
    artists, users = read(run.tables["similar_artists"]), read(run.tables["tracks_for_users"])
    tail = {"score": pa.float32(), "rank": pa.int32(), "relevance": pa.float32(), "source": pa.string()}
    assert dict(zip(artists.column_names, artists.schema.types, strict=True)) == {
        "target_item_id": pa.int64(),
        "item_id": pa.int64(),
        **tail,
    }
    assert dict(zip(users.column_names, users.schema.types, strict=True)) == {
        "user_id": pa.int64(),
        "item_id": pa.string(),
        **tail,
    }


def test_rows_are_sorted_ranked_and_never_repeat(run):
    for name, folder in run.tables.items():
        table = read(folder).to_pandas()
        key = table.columns[0]
        assert len(table) == run.manifest(name)["rows"] > 0
        assert table[key].is_monotonic_increasing
        assert not table.duplicated([key, "item_id"]).any()
        assert (table["rank"] == table.groupby(key).cumcount() + 1).all()
        assert not (table.groupby(key)["score"].diff() > 0).any()
        assert np.isfinite(table["score"]).all()
        assert table["relevance"].isna().all()
        assert table["source"].isna().all()


def test_nobody_is_their_own_neighbour(run):
    table = read(run.tables["similar_artists"]).to_pandas()
    assert (table["target_item_id"] != table["item_id"]).all()


def test_nothing_seen_is_recommended(run, published):
    plays = pd.read_csv(published.folder / "plays.csv")
    table = read(run.tables["tracks_for_users"]).to_pandas()
    seen = set(zip(plays["user"], plays["track"], strict=True))
    assert seen.isdisjoint(zip(table["user_id"], table["item_id"], strict=True))


def test_rows_are_the_oracles(run):
    """The whole table against the definition of a score, recomputed in NumPy from the published vectors."""
    root = run.content["vectors"]
    users, tracks = (np.load(run.root / root[entity]) for entity in ("user", "track"))
    seen = [row.indices for row in run.encoded.user_items]
    rows, scores = exact.search(tracks, users, 10, metric="inner_product", exclude=seen)
    table = read(run.tables["tracks_for_users"])
    vocabulary = run.encoded.vocabulary("track")
    assert table["item_id"].to_pylist() == [vocabulary.id(row) for row in rows[rows >= 0]]
    assert table["score"].to_numpy().tobytes() == scores[rows >= 0].astype(np.float32).tobytes()


def test_duckdb_pandas_and_polars_read_the_folder(run):
    folder = run.tables["tracks_for_users"]
    rows = run.manifest("tracks_for_users")["rows"]
    best = "SELECT count(*), count(DISTINCT user_id), min(rank), max(rank) FROM read_parquet(?)"
    assert duckdb.execute(best, [f"{folder}/*.parquet"]).fetchone() == (rows, 120, 1, 10)
    frame = pd.read_parquet(sorted(folder.glob("*.parquet")))
    assert len(frame) == rows
    assert frame["user_id"].dtype == np.int64
    scanned = pl.scan_parquet(f"{folder}/*.parquet").collect()
    assert scanned.height == rows
    assert scanned.schema["item_id"] == pl.String
    assert frame["score"].to_numpy().tobytes() == scanned["score"].to_numpy().tobytes()


def test_a_table_is_complete_with_its_manifest(run):
    for name, folder in run.tables.items():
        assert (folder / "_SUCCESS").read_bytes() == b""
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["schema_version"] == 1
        assert manifest["parameters"]["table"] == name
        assert manifest["parameters"]["k"] in (5, 10)
        assert manifest["neighbor_recall"] == 1.0
        assert manifest["inputs"]["users"] == 120
        assert {"table", "encoded", "vectors", "index"} <= set(manifest["fingerprints"])
        assert manifest["sources"]["wanted"] == manifest["sources"]["with_rows"]
        metadata = pq.read_schema(folder / "part-00000.parquet").metadata
        assert metadata[b"score_type"] == manifest["parameters"]["metric"].encode()
        assert metadata[b"fingerprint"] == manifest["fingerprints"]["table"].encode()
        assert metadata[b"schema_version"] == b"1"


def test_lists_shorter_than_asked_for_are_counted(project, command):
    result = command("cfpipe", "run", project.config, "--set", "tables.similar_artists.k=500")
    assert result.returncode == 0, result.stderr
    manifest = pipeline.open_run(project.root).manifest("similar_artists")
    assert manifest["rows"] == 12 * 11
    assert manifest["sources"]["short_lists"] == 12


def test_a_user_who_has_seen_everything_has_no_rows(project, command):
    with (project.folder / "plays.csv").open("a") as file:
        file.writelines(f"5,t{track:03d},1,2026-01-15T00:00:00\n" for track in range(60))
    assert command("cfpipe", "run", project.config).returncode == 0
    run = pipeline.open_run(project.root)
    assert 5 not in read(run.tables["tracks_for_users"])["user_id"].to_pylist()
    assert run.manifest("tracks_for_users")["sources"]["without_rows"] == 1
    assert run.recommend(5) == []


def test_a_table_can_be_made_for_some_users(project, command):
    plays = pd.read_csv(project.folder / "plays.csv")
    late = set(plays.loc[plays["ts"] >= "2026-01-30", "user"])
    assert 0 < len(late) < 120
    (project.folder / "vip.csv").write_text("who\n1003\n1001\n77\n")
    with project.config.open("a") as file:
        file.write(
            "\n".join(
                f'[[tables]]\nname = "{name}"\nfrom = "user"\nto = "artist"\nk = 3\nexclude_seen = false\n{rule}\n'
                for name, rule in [
                    ("lately", "active_days = 2"),
                    ("since", "active_since = 2026-01-30"),
                    ("vip", f'users = {{ path = "{project.folder}/vip.csv", id = "who" }}'),
                ]
            )
        )
    result = command("cfpipe", "run", project.config)
    assert result.returncode == 0, result.stderr
    tables = pipeline.open_run(project.root).tables
    assert set(read(tables["since"])["user_id"].to_pylist()) == late
    assert set(read(tables["lately"])["user_id"].to_pylist()) == {
        user for user in late if plays.loc[plays["user"] == user, "ts"].max() >= "2026-01-30"
    }
    assert set(read(tables["vip"])["user_id"].to_pylist()) == {1001, 1003}


def test_any_declared_pair_works(project, command):
    entities = ["user", "track", "artist"]
    tables = "\n".join(
        f'[[tables]]\nname = "{source}_to_{target}"\nfrom = "{source}"\nto = "{target}"\nk = 4\n'
        for source in entities
        for target in entities
    )
    text = project.config.read_text()
    project.config.write_text(text[: text.index("[[tables]]")] + tables)
    result = command("cfpipe", "run", project.config)
    assert result.returncode == 0, result.stderr
    run = pipeline.open_run(project.root)
    assert len(run.tables) == 9
    for name, folder in run.tables.items():
        first = "user_id" if name.startswith("user_") else "target_item_id"
        assert read(folder).column_names[0] == first
        mixed = name.split("_to_").count("user") == 1
        assert run.manifest(name)["parameters"]["metric"] == ("inner_product" if mixed else "cosine")
