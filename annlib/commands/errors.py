"""What a command says when it cannot do what was asked."""

from __future__ import annotations

__all__ = ["CommandError"]


class CommandError(Exception):
    """What went wrong, and what to do about it: the two lines that a user sees."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
