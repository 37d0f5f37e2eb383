"""What all commands share: the overview, errors of two lines, JSON alone on standard output, completion."""

from __future__ import annotations

import errno
import json
import os
import shlex

import pytest

from pipeline.errors import PipelineError


@pytest.fixture
def cli(cfpipe):
    """The package of the command line, imported as the command was."""
    import pipeline.cli

    return pipeline.cli


def test_without_arguments_there_is_an_example_of_each_command(cfpipe, cli):
    result = cfpipe()
    assert (result.returncode, result.stderr) == (0, "")
    examples = [shlex.split(line.split("  ")[1]) for line in result.stdout.splitlines() if line.startswith("  cfpipe")]
    names = [command.name or command.callback.__name__ for command in cli.app.registered_commands]
    assert sorted(example[1] for example in examples) == sorted(names)
    assert all(max(map(len, result.stdout.splitlines())) < 110 for _ in names)


def test_every_example_is_one_that_the_command_takes(cfpipe):
    """None is refused for its arguments: what is wrong with them is said before anything else."""
    text = cfpipe().stdout
    examples = [line.split("  ")[1] for line in text.splitlines() if line.startswith("  cfpipe")]
    for example in examples:
        arguments = shlex.split(example)[1:]
        if arguments[0] != "docs":
            result = cfpipe(*arguments)
            assert "cfpipe" not in result.stderr or "--help" not in result.stderr, example
            assert result.returncode not in (0, 1), f"{example}: there is no such file here"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["plan"], 2),
        (["nonsense"], 2),
        (["similar", "absent.toml", "artist", "x"], 3),
        (["similar", "CONFIG", "album", "x"], 2),
        (["similar", "CONFIG", "artist", "Weird Artist 99"], 8),
        (["recommend", "CONFIG"], 2),
        (["recommend", "CONFIG", "1001", "-k", "0"], 2),
        (["explain", "CONFIG", "1001", "t001", "t002"], 2),
        (["run", "CONFIG", "--date", "yesterday"], 2),
        (["compare", "absent", "CONFIG"], 7),
        (["rollback", "CONFIG"], 7),
        (["rollback", "CONFIG", "--to", "nothing"], 8),
        (["export", "CONFIG", "nothing", "--to", "csv"], 8),
        (["docs", "nothing"], 8),
    ],
)
def test_an_error_is_what_is_wrong_and_what_to_do(published, cfpipe, arguments, code):
    result = cfpipe(*[published.config if argument == "CONFIG" else argument for argument in arguments])
    assert result.returncode == code, result.stderr
    first, second = result.stderr.splitlines()
    assert first.startswith("error: ")
    assert len(second) > 10
    assert result.stdout == ""


def test_what_nobody_foresaw_is_two_lines_too_and_debug_shows_the_rest(published, cfpipe, cli, monkeypatch):
    def fail(root):
        raise ValueError("one\nand two") from KeyError("cause")

    monkeypatch.setattr(cli.roots, "root_status", fail)
    result = cfpipe("status", published.config)
    assert result.returncode == 1
    first, second = result.stderr.splitlines()
    assert first == "error: ValueError: one and two: KeyError: 'cause'"
    assert "--debug" in second
    with pytest.raises(ValueError, match="one"):
        cfpipe("--debug", "status", published.config)
    with pytest.raises(PipelineError, match="no run is"):
        cfpipe("--debug", "rollback", published.config, "--to", "nothing")


def test_a_full_disk_in_the_middle_of_a_run_is_said(project, cfpipe, monkeypatch):
    import pipeline.tasks.tables

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(pipeline.tasks.tables, "write_table", fail)
        result = cfpipe("run", project.config)
    assert result.returncode == 7
    *_, first, second = result.stderr.splitlines()
    assert first.startswith("error: WriteTable")
    assert first.endswith("No space left on device")
    assert "goes on" in second
    assert not (project.root / "current.json").exists()
    assert cfpipe("run", project.config).returncode == 0


def test_every_class_of_errors_has_a_code_and_says_what_to_do():
    subclasses = [kind for kind in PipelineError.__subclasses__() if kind.__module__ == PipelineError.__module__]
    classes = [PipelineError, *subclasses]
    assert len({kind.exit_code for kind in classes}) == len(classes)
    assert len({kind.usual_hint for kind in classes}) == len(classes)


def test_a_run_as_json_is_all_of_standard_output(project, cfpipe):
    first = json.loads(cfpipe("run", project.config, "--json").stdout)
    assert not first["already_published"]
    assert first["published"] == first["run"]
    assert {name: table["rows"] for name, table in first["tables"].items()}["similar_artists"] == 60
    assert first["quality"]["ndcg@20"] > 0
    again = json.loads(cfpipe("run", project.config, "--json").stdout)
    assert again == {**first, "already_published": True}
    later = json.loads(cfpipe("run", project.config, "--date", "2026-02-01", "--json").stdout)
    assert cfpipe("rollback", project.config).returncode == 0
    withdrawn = json.loads(cfpipe("run", project.config, "--date", "2026-02-01", "--json").stdout)
    assert withdrawn == {**later, "already_published": True, "withdrawn": True, "published": first["run"]}


def test_a_tuning_as_json_is_all_of_standard_output(project, cfpipe):
    settings = ("--set", "run.threads=1", "--set", "factorize.iterations=2")
    result = cfpipe("tune", project.config, "--trials", "2", *settings, "--json")
    tuned = json.loads(result.stdout)
    assert (tuned["trials"], tuned["failed"], tuned["metric"]) == (2, 0, "ndcg@20")
    assert tuned["best"]["measures"]["ndcg@20"] > 0
    assert tuned["files"]["configuration"] == str(project.folder / "config.tuned.toml")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("cfpipe ro", {"rollback"}),
        ("cfpipe export CONFIG similar", {"similar_artists"}),
        ("cfpipe similar CONFIG ", {"artist", "track", "user"}),
        ("cfpipe similar absent.toml ", set()),
        ("cfpipe docs getting", {"getting-started"}),
        ("cfpipe export CONFIG similar_artists --to redis", {"redis-protocol"}),
    ],
)
def test_the_shell_completes_what_the_configuration_declares(published, cfpipe, monkeypatch, typed, offered):
    words = typed.replace("CONFIG", str(published.config))
    monkeypatch.setenv("_CFPIPE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    assert set(cfpipe().stdout.split()) == offered
