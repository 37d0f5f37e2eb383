"""What every test shares: the installed package under test, and where real data is found."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# `python -m pytest` puts the working directory first on the path, where the clone's annlib has no native module:
# the installed package is the one under test.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != REPOSITORY]


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
