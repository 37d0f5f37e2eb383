"""Tuning: the settings of the model and of the weighting, chosen on a part of the training data.

Needs the extra ``tune``; :func:`check_installed` says so.
"""

from __future__ import annotations

from pipeline import extras


def check_installed() -> None:
    """Raise a ConfigError that names what is missing of the extra ``tune``."""
    extras.check_installed("tune", "matplotlib", "optuna", "tomlkit", what="tuning")
