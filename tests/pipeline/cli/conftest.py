"""The command line in this process: starting another for each command takes longer than most commands do."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings

import pytest


@pytest.fixture(scope="session")
def _main():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Luigi, when it is imported
        from pipeline.cli import main
    return main


@pytest.fixture
def cfpipe(_main, tmp_path, monkeypatch, capfd):
    """Run cfpipe with these arguments, in the test's own folder, and with what is typed on standard input."""
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)

    def run(*arguments, typed: str = "") -> subprocess.CompletedProcess[str]:
        capfd.readouterr()
        code = 0
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["cfpipe", *map(str, arguments)])
            patch.setattr(sys, "stdin", io.StringIO(typed))
            try:
                _main()
            except SystemExit as exit_:
                code = exit_.code or 0
        captured = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, captured.out, captured.err)

    return run
