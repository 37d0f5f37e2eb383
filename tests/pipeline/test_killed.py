"""Killed at any moment, a run leaves what was published intact, and the next run ends as if nothing had happened."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time

import pyarrow.parquet as pq
import pytest

import pipeline
from pipeline.operations.holdings import STEP_FOLDERS, missing_paths
from pipeline.store import Store

STAGES = [
    "EncodeInteractions: started",
    "SplitInteractions: started",
    "FitFactors all: started",
    "FoldInEntity artist: started",
    "BuildIndex artist cosine: started",
    "WriteTable tracks_for_users: started",
    "Evaluate: started",
    "WriteReport: started",
    "CheckRun: started",
    "PublishRun: started",
    "PublishRun: done",
]

NEXT = ["--date", "2026-02-01"]


#: The part of a report that speaks of times and memory.
TIMES = re.compile(rb"<section id=\"time\".*?</section>", re.DOTALL)


def published_content(project):
    """Every published file; the timing objects of JSON files, and what reports say of time, left out."""
    content = {}
    for path, data in project.files().items():
        if path.endswith(".html"):
            data, cut = TIMES.subn(b"", data)
            assert cut == 1, path
        document = json.loads(data) if path.endswith(".json") else None
        if isinstance(document, dict):
            document.pop("timing", None)
        content[path] = data if document is None else document
    return content


def check_readable(project, run):
    """The published run is this one, and all of its tables can be read."""
    opened = pipeline.open_run(project.root)
    assert opened.content["run"] == run
    for name, folder in opened.tables.items():
        assert (folder / "_SUCCESS").exists()
        rows = sum(pq.read_table(part).num_rows for part in sorted(folder.glob("*.parquet")))
        assert rows == opened.manifest(name)["rows"]
    assert opened.similar("artist", 3, k=2)


@pytest.fixture(scope="module")
def uninterrupted(published, command, tmp_path_factory):
    """The root after a first run and an undisturbed second one."""
    root = tmp_path_factory.mktemp("uninterrupted") / "runs"
    shutil.copytree(published.root, root)
    assert command("cfpipe", "run", published.config, *NEXT, "--set", f"run.root={root}").returncode == 0
    return type(published)(root.parent)


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_run_loses_nothing_and_the_next_one_completes(
    published, uninterrupted, tmp_path, command, start_command, stage
):
    shutil.copytree(published.root, tmp_path / "runs")
    project = type(published)(tmp_path)
    first = pipeline.open_run(project.root).content["run"]
    arguments = ["run", published.config, *NEXT, "--set", f"run.root={project.root}"]
    victim = start_command("cfpipe", *arguments, cwd=tmp_path)
    lines = []
    for line in victim.stdout:
        lines.append(line.strip())
        if line.startswith(stage):
            break
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert any(line.startswith(stage) for line in lines), lines
    if stage != "PublishRun: done" and not stage.startswith("PublishRun"):
        check_readable(project, first)
    result = command("cfpipe", *arguments)
    assert result.returncode == 0, result.stderr
    assert published_content(project) == published_content(uninterrupted)
    assert list(project.root.rglob(".tmp-*")) == []


def test_killed_again_and_again_at_any_moment(published, uninterrupted, tmp_path, command, start_command):
    """Kills that come ever later, at moments nobody chose, until one run comes through."""
    shutil.copytree(published.root, tmp_path / "runs")
    project = type(published)(tmp_path)
    arguments = ["run", published.config, *NEXT, "--set", f"run.root={project.root}"]
    for attempt in range(8):
        victim = start_command("cfpipe", *arguments, cwd=tmp_path)
        for line in victim.stdout:
            if "started" in line:
                break
        time.sleep(0.03 * attempt)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        run = pipeline.open_run(project.root).content["run"]
        check_readable(project, run)
    assert command("cfpipe", *arguments).returncode == 0
    assert published_content(project) == published_content(uninterrupted)


def test_what_was_deleted_of_a_run_is_made_again(project, command):
    """By hand, or by a cleaning that was killed: the gates stand, and what was judged by them does not."""
    assert command("cfpipe", "run", project.config).returncode == 0
    root = Store(project.root)
    whole = set(project.files())
    shutil.rmtree(project.root / "tables" / "similar_artists")
    assert command("cfpipe", "run", project.config).returncode == 0
    assert set(project.files()) == whole
    (record,) = root.runs()
    content = root.content(record)
    root.forget(record)
    for path in (content["tables"]["similar_artists"], content["encoded"], content["model"]):
        root.delete(root.path(path))
    assert command("cfpipe", "run", project.config).returncode == 0
    assert not missing_paths(root, root.current())
    steps = {path.split("/")[0] for path in whole if "/" in path} - {"runs"}
    assert steps <= STEP_FOLDERS, "a cleaning knows the folders of all steps"
