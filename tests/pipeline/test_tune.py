"""The command cfpipe tune: what it writes, what it never reads, and what it does when something is wrong."""

from __future__ import annotations

import csv
import re
import tomllib


def trials_of(project):
    """The lines of the one study of a project, without their times."""
    (path,) = project.root.glob("tuning/*/trials.csv")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    for row in rows:
        del row["seconds"]
    return rows


def test_tuned_is_a_configuration_that_runs_and_is_no_worse_on_the_validation_part(project, command):
    project.config.write_text("# why this pipeline is\n" + project.config.read_text())
    result = command("cfpipe", "tune", project.config, "--trials", "3")
    assert result.returncode == 0, result.stderr
    assert "trial 3 of 3: ndcg@20" in result.stderr
    assert "best ndcg@20" in result.stderr
    assert "Warning" not in result.stderr
    tuned = project.folder / "config.tuned.toml"
    text = tuned.read_text()
    assert text.startswith("# Written by cfpipe tune from config.toml: trial ")
    assert "# why this pipeline is" in text
    before, after = tomllib.loads(project.config.read_text()), tomllib.loads(text)
    assert {**after, "factorize": None, "weighting": None} == {**before, "factorize": None, "weighting": None}
    assert after["factorize"]["factors"] == 8
    assert set(after["factorize"]) == {"model", "factors", "regularization", "alpha", "iterations"}
    best, configured = map(float, re.findall(r": (0\.\d+), where that configuration has (0\.\d+)\.", text)[0])
    assert best >= configured
    for shown in ("configuration", "ratio", "factorize.alpha", "trials.csv", "trials.svg", f"cfpipe run {tuned}"):
        assert shown in result.stdout
    (plot,) = project.root.glob("tuning/*/trials.svg")
    assert plot.read_text().startswith("<?xml")
    assert [row["trial"] for row in trials_of(project)] == ["1", "2", "3"]
    run = command("cfpipe", "run", tuned)
    assert run.returncode == 0, run.stderr
