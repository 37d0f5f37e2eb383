"""The command cfpipe tune: what it writes, what it never reads, and what it does when something is wrong."""

from __future__ import annotations

import csv
import re
import sys
import tomllib
import warnings
from types import SimpleNamespace

import pytest

from pipeline.config import load_config


@pytest.fixture(scope="session")
def modules():
    """The command and what it is made of; importing Luigi warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from pipeline import cli
        from pipeline.tuning import command, validation
    return SimpleNamespace(cli=cli, Tuning=command.Tuning, SplitTraining=validation.SplitTraining)


@pytest.fixture
def tune(modules, monkeypatch, capsys):
    """Run cfpipe tune in this process: its exit code, and what it printed."""

    def run(config, *arguments):
        monkeypatch.setattr(sys, "argv", ["cfpipe", "tune", str(config), *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            modules.cli.main()
        except SystemExit as exit_:
            code = exit_.code or 0
        return code, *capsys.readouterr()

    return run


def trials_of(project):
    """The lines of the one study of a project, without their times."""
    (path,) = project.root.glob("tuning/*/trials.csv")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    for row in rows:
        del row["seconds"]
    return rows


def tuned(project):
    return tomllib.loads((project.folder / "config.tuned.toml").read_text())


def test_the_tuned_configuration_runs_and_is_no_worse_on_the_validation_part(project, command):
    project.config.write_text("# why this pipeline is\n" + project.config.read_text())
    result = command("cfpipe", "tune", project.config, "--trials", "3", "--set", "run.threads=1")
    assert result.returncode == 0, result.stderr
    assert "trial 3 of 3: ndcg@20" in result.stderr
    assert "best ndcg@20" in result.stderr
    assert "Warning" not in result.stderr
    path = project.folder / "config.tuned.toml"
    text = path.read_text()
    assert text.startswith("# Written by cfpipe tune from config.toml: trial ")
    assert "# why this pipeline is" in text
    before, after = tomllib.loads(project.config.read_text()), tomllib.loads(text)
    assert after.pop("weighting").keys() >= {"confidence", "user_degree_power", "item_degree_power"}
    factorize = after.pop("factorize")
    assert factorize["factors"] == before.pop("factorize")["factors"]
    assert factorize.keys() == {"model", "factors", "regularization", "alpha", "iterations"}
    before["run"]["threads"] = 1
    assert after == before
    best, configured = map(float, re.findall(r": (0\.\d+), where that configuration has (0\.\d+)\.", text)[0])
    assert best >= configured
    for shown in ("configuration", "ratio", "factorize.alpha", "trials.csv", "trials.svg", f"cfpipe run {path}"):
        assert shown in result.stdout
    (plot,) = project.root.glob("tuning/*/trials.svg")
    assert plot.read_text().startswith("<?xml")
    assert [row["trial"] for row in trials_of(project)] == ["1", "2", "3"]
    assert command("cfpipe", "run", path).returncode == 0


def test_the_hold_out_of_the_evaluation_changes_nothing(project, tune):
    """Every event of the hold-out becomes one of another user and item, some of them unheard of."""
    assert tune(project.config, "--trials", 3)[0] == 0
    trials, settings = trials_of(project), tuned(project)
    header, *lines = (project.folder / "plays.csv").read_text().splitlines()
    times = sorted(line.split(",")[3] for line in lines)
    cutoff = times[len(times) - len(times) // 5]
    poisoned = []
    for place, line in enumerate(lines):
        user, track, plays, moment = line.split(",")
        if moment >= cutoff:
            user, track = str(500 + place % 700), f"a{place % 7}" if place % 2 else f"t{place % 60:03d}"
            line = f"{user},{track},{int(plays) + 90},{moment}"
        poisoned.append(line)
    assert sum(a != b for a, b in zip(lines, poisoned, strict=True)) == len(lines) // 5
    (project.folder / "plays.csv").write_text("\n".join([header, *poisoned]) + "\n")
    (project.root / "tuning").rename(project.root / "before")
    assert tune(project.config, "--trials", 3)[0] == 0
    assert trials_of(project) == trials
    assert tuned(project) == settings


def test_an_explicit_test_set_is_not_even_opened(project, tune):
    explicit = ["--set", f"evaluation.test='{project.folder}/test.csv'"]
    code, _, err = tune(project.config, "--trials", 2, *explicit)
    assert code == 0, err
    trials = trials_of(project)
    (project.folder / "test.csv").write_text("user,track,plays,ts\n1000,t001,3,2026-01-20T00:00:00\n")
    code, _, err = tune(project.config, "--trials", 2, *explicit)
    assert code == 0, err
    assert "going on after 2 trials" in err
    assert trials_of(project) == trials
    assert tuned(project)["evaluation"]["test"] == f"{project.folder}/test.csv"
    tune(project.config, "--trials", 1)
    assert len(list(project.root.glob("tuning/*"))) == 2


def test_a_study_goes_on_where_it_was_killed(project, tune, start_command):
    with start_command("cfpipe", "tune", project.config, "--trials", "500", cwd=project.folder) as process:
        for line in process.stdout:
            if line.startswith("trial 2 of 500"):
                process.kill()
                break
    code, _, err = tune(project.config, "--trials", 6)
    assert code == 0, err
    assert re.search(r"going on after [2-4] trials; best ndcg@20", err)
    resumed = trials_of(project)
    assert len(resumed) == 6
    code, _, err = tune(project.config, "--trials", 6)
    assert "trial 6 of 6" not in err
    (project.root / "tuning").rename(project.root / "before")
    assert tune(project.config, "--trials", 6)[0] == 0
    assert trials_of(project) == resumed


def test_a_study_of_another_configuration_is_another_study(project, tune, modules):
    def study(*overrides):
        split = modules.SplitTraining(
            date=load_config(project.config).run.date, config=str(project.config), overrides=overrides
        )
        return modules.Tuning(split, project.config, overrides).study_folder().name

    tune(project.config, "--trials", 1)
    first = study()
    assert [path.name for path in project.root.glob("tuning/*")] == [first]
    others = [
        "factorize.factors=4",
        "factorize.alpha=3.0",
        "weighting.confidence='binary'",
        "gates.metric='recall@5'",
        "evaluation.split='user'",
        "evaluation.test_fraction=0.3",
        "interactions.where='plays > 1'",
        "run.seed=1",
    ]
    assert len({first, *map(study, others)}) == 1 + len(others)
    assert study("tables.similar_artists.k=3") == study("run.name='other'") == first
    code, _, err = tune(project.config, "--trials", 1, "--set", "factorize.factors=4")
    assert code == 0
    assert "going on" not in err
    assert len(list(project.root.glob("tuning/*"))) == 2


@pytest.mark.parametrize("model", ["bpr", "lmf"])
def test_every_model_is_tuned(project, tune, model):
    text = project.config.read_text().replace("iterations = 5", f'iterations = 5\nmodel = "{model}"')
    project.config.write_text(text)
    code, _, err = tune(project.config, "--trials", 2)
    assert code == 0, err
    assert tuned(project)["factorize"]["model"] == model
    weighting = {row["weighting.user_degree_power"] for row in trials_of(project)}
    assert len(weighting) == (1 if model == "bpr" else 2)


def test_a_trial_that_diverges_has_failed_and_the_study_goes_on(project, tune):
    diverging = ["--set", "factorize.model='bpr'", "--set", "factorize.learning_rate=1e30"]
    code, _, err = tune(project.config, "--trials", 1, *diverging)
    assert code == 6
    assert "all 1 trials failed; the last: factorize.model = 'bpr': the fit diverged" in err
    code, out, err = tune(project.config, "--trials", 2, *diverging)
    assert code == 0, err
    assert "going on after 1 trials; no best yet" in err
    assert "Best of 2 trials: trial 2; 1 failed" in out
    assert "The configuration itself failed: factorize.model = 'bpr': the fit diverged" in out
    assert "the fit diverged" in trials_of(project)[0]["error"]


@pytest.mark.parametrize(
    ("arguments", "code", "messages"),
    [
        (["--trials", "0"], 2, ["--trials"]),
        (["--minutes", "-1"], 2, ["--minutes"]),
        (["--minutes", "0"], 6, ["no trial was started", "Raise --minutes"]),
        (["--output", "CONFIG"], 2, ["expected another file than the configuration"]),
        (["--output", "FOLDER/plays.csv"], 2, ["is no file of cfpipe tune"]),
        (["--output", "FOLDER/absent/tuned.toml"], 2, ["expected a folder"]),
        (["--set", "evaluation.split='user'", "--set", "evaluation.test_fraction=0.09"], 6, ["the hold-out is empty"]),
        (["--set", "evaluation.split='user'", "--set", "evaluation.test_fraction=0.1"], 6, ["no validation part"]),
        (["--set", "interactions.path=gone.csv"], 3, ["no such input: gone.csv"]),
    ],
)
def test_what_is_wrong_is_said_with_an_exit_code(project, tune, arguments, code, messages):
    places = {"CONFIG": str(project.config), "FOLDER": str(project.folder)}
    arguments = [re.sub("CONFIG|FOLDER", lambda match: places[match[0]], argument) for argument in arguments]
    ended, _, err = tune(project.config, *arguments)
    assert ended == code, err
    for message in messages:
        assert message in err
    assert not (project.folder / "config.tuned.toml").exists()


def test_vectors_from_a_file_leave_nothing_to_tune(tmp_path, tune):
    (tmp_path / "vectors.txt").write_text("a 1 0\nb 0 1\n")
    config = tmp_path / "words.toml"
    config.write_text(f'[entities.word]\nvectors = {{ path = "{tmp_path}/vectors.txt", format = "glove" }}\n')
    code, _, err = tune(config)
    assert code == 2
    assert "nothing to tune" in err


def test_without_the_extra_two_lines_say_what_to_install(project, tune, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert tune(project.config) == (2, "", "error: tuning needs optuna\npip install 'cfpipe[tune]'\n")
