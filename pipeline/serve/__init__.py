"""The look-up page and its JSON API, over a published run.

Needs the extra ``serve``; :func:`check_installed` says so.
"""

from __future__ import annotations

from importlib.util import find_spec

from pipeline.errors import ConfigError

_PACKAGES = ("starlette", "uvicorn")


def check_installed() -> None:
    """Check that the packages of the extra ``serve`` are there.

    Raises
    ------
    ConfigError
        Naming those that are not.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(f"serving needs {' and '.join(missing)}", hint="pip install 'cfpipe[serve]'")
