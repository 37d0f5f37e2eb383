"""What tuning may try: ranges of settings, as a factorizer declares them.

A declaration names settings of the model and says between what and what each is worth trying; it says nothing of how
the search goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard


@dataclass(frozen=True)
class FloatRange:
    """A number from ``low`` to ``high``, both among them; on a logarithmic scale where ``log``."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, positive=self.log)

    def __contains__(self, value: object) -> bool:
        return _is_number(value) and self.low <= value <= self.high


@dataclass(frozen=True)
class IntRange:
    """A whole number from ``low`` to ``high``, both among them; on a logarithmic scale where ``log``."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, positive=self.log)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of some values, of which none is nearer to another."""

    values: tuple[str | int | float | bool, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("values: expected at least one, got none")

    def __contains__(self, value: object) -> bool:
        return value in self.values


@dataclass(frozen=True)
class Iterations:
    """The number of passes of an iterative fit, from ``low`` to ``high`` in steps: chosen while a fit runs.

    One fit is watched (:meth:`pipeline.factors.base.Factorizer.watch_fit`), its factors are measured after ``low``,
    ``low + step``, ... passes, and the best of them counts: hold-out early stopping.
    """

    low: int
    high: int
    step: int = 1

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, positive=True)
        if self.step < 1:
            raise ValueError(f"step: expected 1 or more, got {self.step}")

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high and (value - self.low) % self.step == 0


#: A setting that a search draws values of.
Range = FloatRange | IntRange | Choice
#: Settings by name. At most one of them is the iterations.
SearchSpace = Mapping[str, Range | Iterations]


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_range(low: float, high: float, *, positive: bool) -> None:
    if not low <= high:
        raise ValueError(f"expected low <= high, got {low} and {high}")
    if positive and low <= 0:
        raise ValueError(f"low: expected a number above 0, got {low}")
