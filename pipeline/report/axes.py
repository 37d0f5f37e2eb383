"""The axes of a plot: where a value goes, and which values are marked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Marks of an axis, at most.
_MARKS: Final = 6


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic scale.

    Attributes
    ----------
    low, high
        The values at its ends, low below high; above zero if it is logarithmic.
    label
        What it measures.
    log
        Whether it is logarithmic.
    """

    low: float
    high: float
    label: str
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value is, 0 at the low end and 1 at the high end; values beyond the ends are put there."""
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0)

    def marks(self) -> list[tuple[float, str]]:
        """Round values along the axis, and how they are written."""
        values = _powers_of_ten(self.low, self.high) if self.log else _round_values(self.low, self.high)
        return [(value, short(value)) for value in values]


def linear_axis(values: Iterable[float], label: str, *, from_zero: bool = False) -> Axis:
    """A linear axis that has room for some values."""
    low, high = _ends(values)
    low = min(low, 0.0) if from_zero else low
    if high <= low:
        margin = abs(low) * 0.1 or 1.0
        low, high = (low, low + margin) if from_zero else (low - margin, high + margin)
    return Axis(low, high, label)


def log_axis(values: Iterable[float], label: str) -> Axis:
    """A logarithmic axis that has room for some values above zero."""
    low, high = _ends(value for value in values if value > 0.0)
    return Axis(low, max(high, low * 10.0), label, log=True) if low > 0.0 else Axis(1.0, 10.0, label, log=True)


def short(value: float) -> str:
    """A number in few letters: ``0.05``, ``250``, ``12k``, ``3.5M``."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if letter == 'k' else limit):.3g}{letter}"
    return f"{value:.4g}"


def _ends(values: Iterable[float]) -> tuple[float, float]:
    finite = [value for value in values if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else (0.0, 0.0)


def _powers_of_ten(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max(1, math.ceil((last - first + 1) / _MARKS))
    return [10.0**power for power in range(first, last + 1, step)]


def _round_values(low: float, high: float) -> list[float]:
    rough = (high - low) / (_MARKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * (1.0 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]
