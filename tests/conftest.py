"""What every test shares: the installed package under test, and where real data is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parent.parent

# `python -m pytest` puts the working directory first on the path, where the clone's annlib has no native module:
# the installed package is the one under test.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != REPOSITORY]


#: More workers than this wait for each other's runs of the pipeline, of which each worker has its own.
_MOST_WORKERS = 8


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite on all cores, with pytest-xdist; neighbouring tests by one worker, which share fixtures.

    Tests that are named run in this process, as do all with ``-n 0`` or ``--pdb``.
    """
    if (
        config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and config.pluginmanager.hasplugin("xdist")
        and not hasattr(config, "workerinput")  # this is no worker itself
        and config.option.numprocesses is None
        and not config.option.usepdb
        and (cores := len(os.sched_getaffinity(0))) > 1
    ):
        config.option.numprocesses = min(cores, _MOST_WORKERS)
        config.option.dist = "worksteal"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real data sets: ``CFPIPE_DATA``, else ``../shared/data`` beside the clone; skips where absent."""
    folder = Path(os.environ.get("CFPIPE_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder} (set CFPIPE_DATA)")
    return folder


@pytest.fixture(scope="session")
def warm_commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the command cfpipe, which starts at once; see warm_start.py."""
    folder = tmp_path_factory.mktemp("commands")
    script = Path(__file__).with_name("warm_start.py")
    with subprocess.Popen([sys.executable, "-P", script, folder], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield folder
        server.terminate()
