"""cfpipe init, as a new user meets it: what it writes runs."""

from __future__ import annotations

import pytest

from pipeline.config import load_config


def test_what_is_written_runs_at_once(project, cfpipe, monkeypatch):
    monkeypatch.chdir(project.folder)
    written = cfpipe("init", "plays.csv", "--yes")
    assert written.returncode != 0, "the project has a configuration"
    written = cfpipe("init", "plays.csv", "--yes", "-o", "new.toml")
    assert written.returncode == 0, written.stderr
    assert "next: cfpipe run new.toml" in written.stdout
    for expected in ("plays", "weight", "timestamp", "t0"):
        assert expected in written.stderr
    result = cfpipe("run", "new.toml")
    assert result.returncode == 0, result.stderr
    assert "similar_tracks" in result.stdout


def test_rows_without_a_user_a_time_or_a_weight_are_left_out(project, cfpipe):
    plays = project.folder / "plays.csv"
    plays.write_text(plays.read_text() + ",t001,1,2026-01-01\n1001,t001,0,2026-01-01\n1001,t002,1,\n")
    assert cfpipe("init", plays, "--yes", "--overwrite").returncode == 0
    where = load_config(str(project.config)).interactions.where
    assert where == "plays > 0 and user is not null and ts is not null"
    result = cfpipe("run", project.config, "--set", "report.map_items=20")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("lastfm-2k/user_artists.dat", {"user": "userID", "item": "artistID", "weight": "weight", "format": "tsv"}),
        (
            "movielens-latest-small/ratings.csv",
            {"user": "userId", "item": "movieId", "timestamp_unit": "s", "where": "rating >= 3.5"},
        ),
    ],
)
def test_real_data_run_at_once(data_dir, tmp_path, cfpipe, data, expected):
    assert cfpipe("init", data_dir / data, "--yes").returncode == 0
    settings = load_config(str(tmp_path / "config.toml")).interactions
    assert {key: getattr(settings, key) for key in expected} == expected
    quick = ("--set", "factorize.factors=8", "--set", "factorize.iterations=2", "--set", "report.map_items=50")
    result = cfpipe("run", "config.toml", *quick)
    assert result.returncode == 0, result.stderr


def test_a_real_matrix_is_known(data_dir, tmp_path, cfpipe):
    assert cfpipe("init", data_dir / "gowalla" / "train_csr.npz", "--yes").returncode == 0
    settings = load_config(str(tmp_path / "config.toml")).interactions
    assert (settings.user, settings.item, settings.weight) == ("row", "column", None)


def test_without_data_it_is_the_sample(cfpipe, tmp_path):
    assert cfpipe("init", "--yes").returncode == 0
    assert load_config(str(tmp_path / "config.toml")).interactions.path == "sample://listening"


def test_guesses_are_confirmed_or_corrected(cfpipe, tmp_path):
    (tmp_path / "x.csv").write_text("a,b,c,d\n" + "".join(f"{i % 7},{i},{i % 3 + 1},{i % 5}\n" for i in range(50)))
    result = cfpipe("init", typed="x.csv\nnothing\nd\n\nc\n-\n")
    assert result.returncode == 0, result.stderr
    assert "There is no column 'nothing': expected one of a, b, c, d." in result.stderr
    settings = load_config(str(tmp_path / "config.toml")).interactions
    assert (settings.user, settings.item, settings.weight, settings.timestamp) == ("d", "b", "c", None)


def test_options_correct_guesses_too(cfpipe, tmp_path):
    (tmp_path / "x.csv").write_text("user,item,plays,who\n" + "".join(f"{i},{i},{i + 1},{i}\n" for i in range(9)))
    assert cfpipe("init", "x.csv", "--yes", "--user", "who", "--weight", "-").returncode == 0
    settings = load_config(str(tmp_path / "config.toml")).interactions
    assert (settings.user, settings.item, settings.weight) == ("who", "item", None)


def test_a_configuration_is_replaced_only_by_who_says_so(cfpipe, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("precious")
    enter = "\n" * 4
    assert cfpipe("init", "sample://listening", "--yes").returncode == 10
    assert cfpipe("init", "sample://listening", typed=f"{enter}n\n").returncode == 10
    assert cfpipe("init", "sample://listening").returncode == 1
    assert config.read_text() == "precious"
    assert cfpipe("init", "sample://listening", typed=f"{enter}y\n").returncode == 0
    config.write_text("precious")
    assert cfpipe("init", "sample://listening", "--yes", "--overwrite").returncode == 0
    load_config(str(config))


@pytest.mark.parametrize(
    ("content", "arguments", "code", "message"),
    [
        ("a,b\n0.5,1.5\n", (), 2, "cannot tell which columns are the users and the items"),
        ("a,b\n1,2\n", ("--user", "c"), 2, "there is no column 'c'"),
        ("a,b,c\n1,2,.5\n", ("--user", "c"), 2, "column 'c' holds no ids, but double"),
        ("a,b\n1,2\n", ("-o", "absent/config.toml"), 0, ""),
        ("a,b\n1,2\n", ("-o", "x.csv/config.toml"), 10, "cannot write"),
        ("", (), 6, "x.csv"),
    ],
)
def test_what_cannot_be_drafted_is_said(cfpipe, tmp_path, content, arguments, code, message):
    (tmp_path / "x.csv").write_text(content)
    result = cfpipe("init", "x.csv", "--yes", *arguments)
    assert result.returncode == code, result.stderr
    assert message in result.stderr
