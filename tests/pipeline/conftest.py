"""What the tests of the pipeline share: commands, a small data set, and a run of the quickstart."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

#: Three clear tastes: users of one of them hear its artists' tracks and little else.
N_USERS, N_TRACKS, N_ARTISTS, N_TASTES = 120, 60, 12, 3


def _command(name: str) -> str:
    path = Path(sys.executable).with_name(name)
    assert path.exists(), f"{path}: install the package with its extra 'test'"
    return str(path)


@pytest.fixture(scope="session")
def command(tmp_path_factory, warm_commands):
    """Run an installed command to its end, away from the source tree; cfpipe, which most tests run, starts at once."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(
        name: str, *arguments: str | Path, cwd: Path = elsewhere, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [warm_commands / name if name == "cfpipe" else _command(name), *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "160", **(env or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def start_command():
    """Start an installed command, as anybody starts it, and return the process."""

    def start(name: str, *arguments: str | Path, cwd: Path, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [_command(name), *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


@dataclass(frozen=True)
class Project:
    """A folder with a configuration, its data, and the root its runs go to."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def root(self) -> Path:
        return self.folder / "runs"

    def files(self) -> dict[str, bytes]:
        """Content of every published file by its path under the root."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }


def write_small_data(folder: Path) -> None:
    """Plays of three tastes over thirty days, tracks with artists, names with quotes and blanks."""
    rng = np.random.default_rng(7)
    lines = ["user,track,plays,ts"]
    for user in range(N_USERS):
        taste = user % N_TASTES
        own = np.arange(taste, N_TRACKS, N_TASTES)
        tracks = rng.choice(own, size=9, replace=False).tolist() + rng.integers(0, N_TRACKS, size=1).tolist()
        for track in tracks:
            day, second = int(rng.integers(1, 31)), int(rng.integers(0, 86_400))
            time = f"2026-01-{day:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
            lines.append(f"{1000 + user},t{track:03d},{int(rng.integers(1, 9))},{time}")
    (folder / "plays.csv").write_text("\n".join(lines) + "\n")
    tracks = ["id,title,artist"]
    tracks += [f"t{track:03d},Title {track},{track % N_ARTISTS}" for track in range(N_TRACKS)]
    (folder / "tracks.csv").write_text("\n".join(tracks) + "\n")
    artists = ["id\tname"] + [f'{artist}\t"Weird" Artist {artist} ' for artist in range(N_ARTISTS)]
    (folder / "artists.tsv").write_text("\n".join(artists) + "\n")


SMALL_CONFIG = """
[run]
name = "small"
root = "{folder}/runs"
date = 2026-01-31

[interactions]
path = "{folder}/plays.csv"
user = "user"
item = "track"
weight = "plays"
timestamp = "ts"

[entities.track]
column = "track"
names = {{ path = "{folder}/tracks.csv", id = "id", name = "title" }}

[entities.artist]
of = "track"
map = {{ path = "{folder}/tracks.csv", id = "id", value = "artist" }}
names = {{ path = "{folder}/artists.tsv", id = "id", name = "name" }}

[factorize]
factors = 8
iterations = 5

[evaluation]
cutoffs = [5, 20]

[[tables]]
name = "similar_artists"
from = "artist"
to = "artist"
k = 5

[[tables]]
name = "tracks_for_users"
from = "user"
to = "track"
k = 10
"""


@pytest.fixture(scope="session")
def _small_data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_small_data(folder)
    return folder


@pytest.fixture
def project(tmp_path, _small_data) -> Project:
    """A small project of a test's own, not run yet."""
    shutil.copytree(_small_data, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.toml").write_text(textwrap.dedent(SMALL_CONFIG).format(folder=tmp_path))
    return Project(tmp_path)


@pytest.fixture(scope="session")
def published(tmp_path_factory, _small_data, command) -> Project:
    """A small project that was run once; not to be changed."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(_small_data, folder, dirs_exist_ok=True)
    (folder / "config.toml").write_text(textwrap.dedent(SMALL_CONFIG).format(folder=folder))
    result = command("cfpipe", "run", folder / "config.toml")
    assert result.returncode == 0, result.stderr
    return Project(folder)


@pytest.fixture(scope="module")
def browser():
    """Chromium, driven by Playwright; skips where either is absent."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no chromium found: install Debian's package 'chromium'")
    with playwright.sync_playwright() as driver:
        # Root, as which containers run, has no sandbox.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
