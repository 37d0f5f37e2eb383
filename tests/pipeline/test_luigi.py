"""The Luigi graph, as Luigi's users know it: its command, its scheduler, RangeDaily, and tasks of their own."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import time
import urllib.parse
import urllib.request

import pytest

LUIGI_CONFIG = {"LUIGI_CONFIG_PARSER": "toml"}


@pytest.fixture
def luigi(command, repository):
    """Luigi's own command, with the configuration we document."""

    def run(*arguments, **kwargs):
        env = {**LUIGI_CONFIG, "LUIGI_CONFIG_PATH": str(repository / "configs" / "luigi.toml"), **kwargs.pop("env", {})}
        return command("luigi", "--module", "pipeline.tasks", *arguments, env=env, **kwargs)

    return run


def publish(project, *arguments, date="2026-01-31"):
    return ["cfpipe.PublishRun", "--config", project.config, "--date", date, *arguments]


def current(project):
    return json.loads((project.root / "current.json").read_text())


def without_timing(files: dict[str, bytes]) -> dict[str, object]:
    """Published files by path, manifests and reports without their timing."""
    content: dict[str, object] = dict(files)
    for path, data in files.items():
        if path.endswith(".json"):
            content[path] = {key: value for key, value in json.loads(data).items() if key != "timing"}
        if path.endswith(".html"):
            content[path] = re.sub(rb'<section id="time".*?</section>', b"", data, flags=re.DOTALL)
    return content


def test_luigis_command_does_what_cfpipe_run_does(project, published, luigi):
    result = luigi(*publish(project, "--local-scheduler"))
    assert result.returncode == 0, result.stderr
    assert "This progress looks :)" in result.stderr
    files = project.files()
    assert without_timing(files) == without_timing(published.files())
    again = luigi(*publish(project, "--local-scheduler"))
    assert "1 complete ones were encountered" in again.stderr
    assert "ran successfully" not in again.stderr
    assert project.files() == files


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--overrides", '["interactions.path=gone.csv"]'], 20),
        (["--overrides", '["gates.min_rows=1000000"]'], 30),
        (["--overrides", '["run.nmae=1"]'], 40),
    ],
)
def test_luigi_exits_differently_for_each_kind_of_failure(project, luigi, arguments, code):
    result = luigi(*publish(project, "--local-scheduler", *arguments))
    assert result.returncode == code, result.stderr
    assert not (project.root / "current.json").exists()


def test_a_range_of_dates_ends_on_the_latest(project, luigi):
    result = luigi(
        "RangeDaily",
        "--of",
        "cfpipe.PublishRun",
        "--start",
        "2026-01-28",
        "--stop",
        "2026-01-31",
        "--days-back",
        "100000",
        "--of-params",
        json.dumps({"config": str(project.config), "overrides": []}),
        "--local-scheduler",
    )
    assert result.returncode == 0, result.stderr
    assert current(project)["date"] == "2026-01-30"
    assert sorted(path.name for path in (project.root / "runs").iterdir()) == [
        "2026-01-28",
        "2026-01-29",
        "2026-01-30",
    ]


def test_a_users_own_task_can_require_a_run(project, command):
    (project.folder / "mine.py").write_text(
        "import json\n"
        "from pathlib import Path\n"
        "import luigi\n"
        "from pipeline.tasks import PublishRun\n"
        "class Load(luigi.Task):\n"
        "    date = luigi.DateParameter()\n"
        "    config = luigi.Parameter()\n"
        "    def requires(self):\n"
        "        return PublishRun(config=self.config, date=self.date)\n"
        "    def output(self):\n"
        "        return luigi.LocalTarget('loaded.txt')\n"
        "    def run(self):\n"
        "        tables = json.loads(Path('runs/current.json').read_text())['tables']\n"
        "        with self.output().open('w') as file:\n"
        "            file.write('\\n'.join(sorted(tables)))\n"
    )
    arguments = ["--module", "mine", "Load", "--config", project.config, "--date", "2026-01-31", "--local-scheduler"]
    result = command("luigi", *arguments, cwd=project.folder, env={"PYTHONPATH": str(project.folder)})
    assert result.returncode == 0, result.stderr
    assert (project.folder / "loaded.txt").read_text().split() == ["similar_artists", "tracks_for_users"]


@contextlib.contextmanager
def scheduler(start_command, folder):
    """A real luigid on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--address", "127.0.0.1", "--port", str(port), "--state-path", folder / "state.pickle"]
    process = start_command("luigid", *arguments, cwd=folder)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_a_real_scheduler_with_two_workers_sees_progress(project, luigi, start_command):
    with scheduler(start_command, project.folder) as port:
        address = ["--scheduler-host", "127.0.0.1", "--scheduler-port", str(port), "--workers", "2"]
        result = luigi(*publish(project, *address))
        assert result.returncode == 0, result.stderr
        tasks = ask(port, "task_list", status="DONE", upstream_status="")
        fits = [task_id for task_id in tasks if "FitFactors" in task_id]
        progress = [ask(port, "get_task_progress_percentage", task_id=task)["progressPercentage"] for task in fits]
        messages = [ask(port, "get_task_status_message", task_id=task)["statusMessage"] for task in fits]
    assert current(project)["date"] == "2026-01-31"
    assert progress == [100, 100]
    assert all("done in" in message for message in messages)


def ask(port, method, **arguments):
    """Ask the scheduler what its page shows."""
    query = urllib.parse.quote(json.dumps(arguments))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/{method}?data={query}") as answer:
        return json.load(answer)["response"]


def test_cfpipe_run_can_use_a_scheduler(project, command, start_command):
    with scheduler(start_command, project.folder) as port:
        url = f"http://127.0.0.1:{port}"
        result = command("cfpipe", "run", project.config, "--scheduler-url", url, "--workers", "2")
        assert result.returncode == 0, result.stderr
        failed = command(
            "cfpipe", "run", project.config, "--scheduler-url", url, "--workers", "2", "--set", "gates.min_rows=1000000"
        )
        assert failed.returncode == 4, failed.stderr
    assert current(project)["date"] == "2026-01-31"


def test_only_what_a_change_of_settings_touches_is_made_again(project, command):
    assert command("cfpipe", "run", project.config).returncode == 0
    before = set(project.files())
    assert command("cfpipe", "run", project.config, "--set", "tables.tracks_for_users.k=3").returncode == 0
    added = {path.split("/")[0] for path in set(project.files()) - before}
    assert added == {"checks", "records", "reports", "runs", "tables"}
    manifest = json.loads((project.root / current(project)["tables"]["tracks_for_users"] / "manifest.json").read_text())
    assert manifest["parameters"]["k"] == 3
    before = set(project.files())
    assert command("cfpipe", "run", project.config, "--set", "factorize.factors=4").returncode == 0
    added = {path.split("/")[0] for path in set(project.files()) - before}
    assert {"factors", "indexes", "tables", "evaluation"} <= added
    assert not {"encoded", "split"} & added


def test_an_input_that_changes_makes_a_new_run(project, command):
    assert command("cfpipe", "run", project.config).returncode == 0
    first = current(project)
    with (project.folder / "plays.csv").open("a") as file:
        file.write("1000,t001,2,2026-01-30T10:00:00\n")
    assert command("cfpipe", "run", project.config).returncode == 0
    assert current(project)["run"] != first["run"]
    assert (project.root / first["tables"]["similar_artists"] / "_SUCCESS").exists()
