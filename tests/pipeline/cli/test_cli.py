"""The command cfpipe, as a person or a scheduler uses it."""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest


def run_json(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_run_ends_with_what_a_person_wants_to_see(project, command):
    result = command("cfpipe", "run", project.config)
    assert result.returncode == 0, result.stderr
    for expected in (
        "is published",
        "similar_artists",
        "60",
        "popularity",
        "ndcg@20",
        '"Weird" Artist',
    ):
        assert expected in result.stdout
    assert str(project.root) in "".join(result.stdout.split()), "in lines where it is long"
    assert "FitFactors all: done in" in result.stderr
    again = command("cfpipe", "run", project.config)
    assert again.returncode == 0
    assert "published already; nothing to do" in again.stdout
    assert again.stderr == ""


def test_without_arguments_it_explains_itself(command):
    result = command("cfpipe")
    for name in ("run", "plan", "similar", "recommend", "explain"):
        assert name in result.stdout


def test_similar_prints_neighbours_with_scores(published, command):
    result = command("cfpipe", "similar", published.config, "artist", '"weird" artist 3', "-k", "3")
    assert result.returncode == 0, result.stderr
    assert '"Weird" Artist 0' in result.stdout
    neighbors = run_json(command("cfpipe", "similar", published.config, "artist", "3", "-k", "3", "--json"))
    assert [neighbor["rank"] for neighbor in neighbors] == [1, 2, 3]
    assert {neighbor["id"] % 3 for neighbor in neighbors} == {0}
    assert 3 not in {neighbor["id"] for neighbor in neighbors}
    assert sorted((n["score"] for n in neighbors), reverse=True) == [n["score"] for n in neighbors]


def test_recommend_prints_what_the_user_has_not_heard(published, command):
    plays = [line.split(",") for line in (published.folder / "plays.csv").read_text().splitlines()[1:]]
    heard = {track for user, track, *_ in plays if user == "1004"}
    neighbors = run_json(command("cfpipe", "recommend", published.config, "1004", "-k", "60", "--json"))
    recommended = [neighbor["id"] for neighbor in neighbors]
    assert len(recommended) == 60 - len(heard)
    assert heard.isdisjoint(recommended)
    assert [int(track[1:]) % 3 for track in recommended[:5]] == [1] * 5
    seen_too = run_json(command("cfpipe", "recommend", published.config, "1004", "-k", "60", "--seen", "--json"))
    assert heard <= {neighbor["id"] for neighbor in seen_too}


def test_recommend_takes_a_history_in_place_of_a_user(published, command):
    history = ("--history", "Title 1", "--history", "t004")
    neighbors = run_json(command("cfpipe", "recommend", published.config, *history, "-k", "60", "--json"))
    assert len(neighbors) == 58
    assert {"t001", "t004"}.isdisjoint(neighbor["id"] for neighbor in neighbors)
    assert [int(neighbor["id"][1:]) % 3 for neighbor in neighbors[:5]] == [1] * 5
    shown = command("cfpipe", "recommend", published.config, *history, "-k", "2")
    assert "recommended after Title 1, t004" in " ".join(shown.stdout.split())
    by_artist = command(
        "cfpipe",
        "recommend",
        published.config,
        "--from",
        "artist",
        "--history",
        '"weird" artist 4',
        "-k",
        "5",
        "--json",
    )
    assert {int(neighbor["id"][1:]) % 3 for neighbor in run_json(by_artist)} == {1}


def test_explain_prints_shares_that_add_up(published, command):
    explanation = run_json(command("cfpipe", "explain", published.config, "1004", "Title 4", "--json"))
    assert (explanation["id"], explanation["name"], explanation["history_of"]) == ("t004", "Title 4", "track")
    shares = [part["share"] for part in explanation["contributions"]]
    assert sum(shares) == pytest.approx(explanation["fold_in_score"])
    assert set(explanation["contributions"][0]) == {"id", "name", "weight", "share"}
    shown = command("cfpipe", "explain", published.config, "1004", "Title 4", "-k", "2")
    assert shown.returncode == 0, shown.stderr
    top = explanation["contributions"][0]
    assert f"{top['share']:.4f}" in shown.stdout
    assert top["name"] in shown.stdout
    assert f"{len(shares) - 2} others" in shown.stdout
    assert f"{explanation['fold_in_score']:.4f}" in shown.stdout
    assert f"{explanation['score']:.4f}" in shown.stdout


def test_explain_takes_a_history_in_place_of_a_user(published, command):
    explanation = run_json(
        command("cfpipe", "explain", published.config, "--history", "Title 1", "--history", "t004", "t007", "--json")
    )
    assert explanation["score"] is None
    assert {part["name"] for part in explanation["contributions"]} == {"Title 1", "Title 4"}


@pytest.mark.parametrize(
    ("arguments", "code", "messages"),
    [
        (["run", "absent.toml"], 3, ["configuration not found: absent.toml"]),
        (["run", "CONFIG", "--set", "run.nmae='x'"], 2, ["run.nmae: unknown key"]),
        (["run", "CONFIG", "--set", "interactions.path=gone.csv"], 3, ["no such input: gone.csv"]),
        (["run", "CONFIG", "--set", "interactions.item=trak"], 2, ["entities: exactly one needs column = 'trak'"]),
        (["run", "CONFIG", "--set", "interactions.weight=plais"], 3, ["plais", "plays"]),
        (["run", "CONFIG", "--set", "interactions.where=plays >="], 2, ["where"]),
        (["run", "CONFIG", "--set", "interactions.min_items_per_user=60"], 6, ["threshold"]),
        (["run", "CONFIG", "--set", "gates.min_rows=1000000"], 4, ["is not published", "gates.min_rows"]),
        (["run", "CONFIG", "--date", "2025-01-01"], 6, ["2025-01-01"]),
        (["run", "CONFIG", "--date", "yesterday"], 2, ["yesterday"]),
        (["similar", "CONFIG", "artist", "Weird Artist 99"], 8, ["no artist has the name or id", "Closest:"]),
        (["similar", "CONFIG", "album", "x"], 2, ["unknown entity type 'album'", "artist, track, user"]),
        (["similar", "CONFIG", "user", "1001"], 2, ["no index user.cosine"]),
        (["recommend", "CONFIG", "99"], 8, ["no user has the name or id '99'"]),
        (["recommend", "CONFIG", "--history", "Titel 1"], 8, ["no track has the name or id 'Titel 1'", "Closest:"]),
        (["recommend", "CONFIG"], 2, ["expected a USER or --history, got neither"]),
        (["recommend", "CONFIG", "1001", "--history", "t001"], 2, ["got both USER and --history"]),
        (["recommend", "CONFIG", "--from", "user", "--history", "1001"], 2, ["history of 'user' cannot be folded in"]),
        (["explain", "CONFIG", "99", "t001"], 8, ["no user has the name or id '99'"]),
        (["explain", "CONFIG", "1001", "Titel 1"], 8, ["no track has the name or id 'Titel 1'", "Closest:"]),
        (["explain", "CONFIG", "t001"], 2, ["expected a USER or --history, got neither"]),
        (["explain", "CONFIG", "1001", "t001", "t002"], 2, ["expected USER and ITEM, or ITEM with --history"]),
    ],
)
def test_errors_have_a_message_and_a_code_of_their_own(published, tmp_path, command, arguments, code, messages):
    config = shutil.copy(published.config, tmp_path)
    arguments = [config if argument == "CONFIG" else argument for argument in arguments]
    if arguments[0] == "run":
        arguments += ["--set", f"run.root={tmp_path}/runs"]
    result = command("cfpipe", *arguments, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    for message in messages:
        assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_two_items_of_one_name_are_both_named(project, command):
    (project.folder / "artists.tsv").write_text("id\tname\n1\tTwin\n2\tTwin\n3\ttwin\n4\tALONE\n5\tAlone\n")
    assert command("cfpipe", "run", project.config).returncode == 0
    result = command("cfpipe", "similar", project.config, "artist", "Twin")
    assert result.returncode == 8
    assert "'Twin' is the name of 2 entities of type artist: 'Twin' (id 1), 'Twin' (id 2)" in result.stderr
    assert command("cfpipe", "similar", project.config, "artist", "twin").returncode == 0
    assert command("cfpipe", "similar", project.config, "artist", "aLONE").returncode == 8


def test_nothing_is_published_before_the_first_run(project, command):
    result = command("cfpipe", "similar", project.config, "artist", "1")
    assert result.returncode == 7
    assert "no published run" in result.stderr


def test_a_failed_gate_keeps_what_was_published(project, command):
    assert command("cfpipe", "run", project.config).returncode == 0
    before = (project.root / "current.json").read_bytes()
    result = command(
        "cfpipe",
        "run",
        project.config,
        "--date",
        "2026-02-01",
        "--set",
        "gates.min_coverage=1.0",
        "--set",
        "tables.tracks_for_users.k=60",
        "--set",
        "gates.min_rows=100000",
    )
    assert result.returncode == 4
    assert (project.root / "current.json").read_bytes() == before


def test_a_locked_root_is_refused_by_name(project, command, start_command):
    holder = start_command("cfpipe", "run", project.config, cwd=project.folder)
    for line in holder.stdout:
        if "started" in line:
            break
    holder.send_signal(signal.SIGSTOP)
    try:
        result = command("cfpipe", "run", project.config)
    finally:
        holder.kill()
        holder.communicate()
    assert result.returncode == 5
    assert f"is held by process {holder.pid} on {os.uname().nodename}" in result.stderr
    assert command("cfpipe", "run", project.config).returncode == 0


def test_plan_says_what_would_run_and_does_nothing(project, command):
    plan = run_json(command("cfpipe", "plan", project.config, "--json"))
    assert plan["date"] == "2026-01-31"
    names = [step["name"] for step in plan["steps"]]
    assert names.index("EncodeInteractions") < names.index("FitFactors all") < names.index("WriteTable similar_artists")
    assert names[-1] == "PublishRun"
    assert not any(step["done"] for step in plan["steps"])
    assert all(step["memory_bytes"] > 0 for step in plan["steps"])
    assert not project.root.exists()
    text = command("cfpipe", "plan", project.config)
    assert "would run" in text.stdout
    assert "MiB" in text.stdout


def test_plan_knows_what_a_change_of_settings_makes_again(published, command):
    def todo(*overrides):
        arguments = [argument for override in overrides for argument in ("--set", override)]
        steps = run_json(command("cfpipe", "plan", published.config, "--json", *arguments))["steps"]
        return {step["name"] for step in steps if not step["done"]}

    assert todo() == set()
    judged = {"CheckRun", "WriteReport", "PublishRun"}
    assert todo("tables.similar_artists.k=3") == {"WriteTable similar_artists", *judged}
    refit = todo("factorize.factors=4")
    assert {"FitFactors all", "FitFactors train", "FoldInEntity artist", "Evaluate"} <= refit
    assert refit.isdisjoint({"EncodeInteractions", "SplitInteractions"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_root_is_a_clear_error(project, command):
    project.root.mkdir(mode=0o500)
    result = command("cfpipe", "run", project.config)
    assert result.returncode == 7
    assert "cannot write" in result.stderr


def test_a_root_below_a_file_is_a_clear_error(project, command):
    result = command("cfpipe", "run", project.config, "--set", f"run.root={project.folder}/plays.csv/runs")
    assert result.returncode == 7
    assert "cannot write" in result.stderr
