"""Tuning: the settings of the model and of the weighting, chosen on a part of the training data.

Needs the extra ``tune``; :func:`check_installed` says so.
"""

from __future__ import annotations

from importlib.util import find_spec

from pipeline.errors import ConfigError

_PACKAGES = ("matplotlib", "optuna", "tomlkit")


def check_installed() -> None:
    """Check that the packages of the extra ``tune`` are there.

    Raises
    ------
    ConfigError
        Naming those that are not.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(f"tuning needs {' and '.join(missing)}", hint="pip install 'cfpipe[tune]'")
