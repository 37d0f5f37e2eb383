"""Packages that some commands need beside the rest: the extras of the distribution."""

from __future__ import annotations

from importlib.util import find_spec

from pipeline.errors import ConfigError


def check_installed(extra: str, *packages: str, what: str) -> None:
    """Check that the packages of an extra are there.

    Parameters
    ----------
    extra
        Its name.
    packages
        What it installs, by the names they are imported by.
    what
        Needs them, such as ``"tuning"``.

    Raises
    ------
    ConfigError
        Naming those that are not.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ConfigError(f"{what} needs {' and '.join(missing)}", hint=f"pip install 'cfpipe[{extra}]'")
