"""How long steps say how far they are, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable

#: Called with the share done, from 0 to 1, and a short message such as ``"iteration 3 of 15"``.
Progress = Callable[[float, str], None]


def no_progress(fraction: float, message: str) -> None:
    """Listen to nothing."""


def span(progress: Progress, start: float, stop: float) -> Progress:
    """Give a part of a step its share of the whole: its 0 to 1 becomes ``start`` to ``stop``."""

    def report(fraction: float, message: str) -> None:
        progress(start + (stop - start) * fraction, message)

    return report
