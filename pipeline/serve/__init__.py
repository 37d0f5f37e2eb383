"""The look-up page and its JSON API, over a published run.

Needs the extra ``serve``; :func:`check_installed` says so.
"""

from __future__ import annotations

from pipeline import extras


def check_installed() -> None:
    """Raise a ConfigError that names what is missing of the extra ``serve``."""
    extras.check_installed("serve", "starlette", "uvicorn", what="serving")
