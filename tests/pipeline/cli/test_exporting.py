"""cfpipe export, as a script calls it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_table_is_exported_counted_and_not_overwritten(published, cfpipe, tmp_path):
    result = cfpipe("export", published.config, "similar_artists", "--to", "csv")
    assert result.returncode == 0, result.stderr
    assert "similar_artists.csv: 60 rows of similar_artists" in result.stdout
    rows = list(csv.DictReader(io.StringIO((tmp_path / "similar_artists.csv").read_text(), newline="")))
    assert len(rows) == 60
    arguments = ("export", published.config, "similar_artists", "--to", "csv", "--json")
    refused = cfpipe(*arguments)
    assert refused.returncode == 10
    assert "is there already" in refused.stderr
    assert refused.stdout == ""
    done = cfpipe(*arguments, "--overwrite")
    assert json.loads(done.stdout)["rows"] == 60
    streamed = cfpipe(*arguments[:-1], "--output", "-")
    assert list(csv.DictReader(io.StringIO(streamed.stdout, newline=""))) == rows


@pytest.mark.parametrize(
    ("arguments", "code", "messages"),
    [
        (["albums", "--to", "csv"], 8, ["no table 'albums'", "similar_artists, tracks_for_users"]),
        (["similar_artists", "--to", "xml"], 2, ["--to", "xml", "redis-protocol"]),
        (["similar_artists", "--to", "sqlite", "-o", "-"], 2, ["sqlite is a file"]),
        (["similar_artists", "--to", "csv", "-o", "-", "--json"], 2, ["--json and --output -"]),
        (["similar_artists", "--to", "csv", "-o", "absent/x"], 10, ["cannot write absent/x"]),
        (["similar_artists", "--to", "csv", "-o", "/dev/full"], 10, ["/dev/full"]),
    ],
)
def test_what_cannot_be_exported_is_said(published, cfpipe, tmp_path, arguments, code, messages):
    result = cfpipe("export", published.config, *arguments)
    assert result.returncode == code, result.stderr
    for message in messages:
        assert message in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_behind_standard_output_is_said(published, tmp_path):
    arguments = ["export", published.config, "similar_artists", "--to", "csv", "-o", "-"]
    program = [sys.executable, "-c", "from pipeline.cli import main; main()", *map(str, arguments)]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(program, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 10
    assert result.stderr.startswith("error: cannot write standard output: No space left on device\n")


def test_before_the_first_run_there_is_nothing_to_export(project, cfpipe):
    result = cfpipe("export", project.config, "similar_artists", "--to", "csv")
    assert result.returncode == 7
    assert "no published run" in result.stderr
