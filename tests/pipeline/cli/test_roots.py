"""Status, rollback and clean, as an operator types them."""

from __future__ import annotations

import json

import pytest

LATER = ("--date", "2026-02-01", "--set", "tables.similar_artists.k=4")


@pytest.fixture
def ask(cfpipe):
    """A command's JSON."""

    def run(*arguments):
        result = cfpipe(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return run


def test_a_run_is_rolled_back_stays_so_and_a_later_one_publishes_on(project, cfpipe, ask):
    for arguments in ((), LATER):
        assert cfpipe("run", project.config, *arguments).returncode == 0
    later, first = ask("status", project.config)["runs"]
    assert (later["published"], later["withdrawn"], first["published"]) == (True, False, False)
    assert later["bytes"] >= later["own_bytes"] > 0
    assert all(gate["passed"] for gate in later["gates"])
    assert later["tables"] == ["similar_artists", "tracks_for_users"]

    done = ask("rollback", project.config)
    assert done["published"] == {"run": first["run"], "date": "2026-01-31"}
    assert done["withdrawn"] == [{"run": later["run"], "date": "2026-02-01"}]
    again = cfpipe("run", project.config, *LATER)
    assert again.returncode == 0, again.stderr
    assert "The run of 2026-02-01 was withdrawn by a rollback." in again.stdout
    assert f"cfpipe rollback CONFIG --to {later['run']}" in again.stdout
    assert ask("status", project.config)["published"] == first["run"]
    shown = cfpipe("status", project.config)
    for expected in ("published", "withdrawn", "Nobody holds the root."):
        assert expected in shown.stdout

    assert cfpipe("run", project.config, *LATER[:2], "--set", "tables.similar_artists.k=3").returncode == 0
    mended = ask("status", project.config)["published"]
    assert mended not in (first["run"], later["run"])

    listed = ask("clean", project.config, "--keep", "1")
    assert not listed["deleted"]
    assert {run["run"] for run in listed["runs"]} == {first["run"], later["run"]}
    refused = cfpipe("clean", project.config, "--keep", "1")
    assert refused.returncode == 1, "there is nobody to say yes"
    assert f"run {first['run']} of 2026-01-31" in refused.stdout
    assert len(ask("status", project.config)["runs"]) == 3
    deleted = ask("clean", project.config, "--keep", "1", "--yes")
    assert {**deleted, "deleted": False} == listed
    after = ask("status", project.config)
    assert [run["run"] for run in after["runs"]] == [mended]
    assert after["unreferred_bytes"] == 0
    assert cfpipe("similar", project.config, "artist", "1").returncode == 0
    assert "Nothing to delete." in cfpipe("clean", project.config, "--keep", "1").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "messages"),
    [
        (("rollback",), 7, ["nothing to roll back to", "cfpipe status"]),
        (("rollback", "--to", "gone"), 8, ["no run is 'gone'"]),
        (("clean", "--keep", "0"), 2, ["--keep"]),
    ],
)
def test_what_cannot_be_done_is_said(published, cfpipe, arguments, code, messages):
    name, *options = arguments
    result = cfpipe(name, published.config, *options)
    assert result.returncode == code
    for message in messages:
        assert message in result.stderr


def test_before_the_first_run_there_is_nothing(project, cfpipe, ask):
    assert "Nothing is published" in cfpipe("status", project.config).stdout
    assert ask("status", project.config)["runs"] == []
    result = cfpipe("rollback", project.config)
    assert result.returncode == 7
    assert "no published run" in result.stderr
    assert not project.root.exists()
