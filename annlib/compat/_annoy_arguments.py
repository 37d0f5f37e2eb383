"""Arguments as Annoy's class takes them: what it accepts, and which error it raises for the rest."""

from __future__ import annotations

import enum
import operator
import os
import warnings
from array import array
from typing import TYPE_CHECKING, Protocol, SupportsFloat, SupportsIndex

import numpy as np

from annlib.compat._annoy_search import METRICS

if TYPE_CHECKING:
    from collections.abc import Sized

    from numpy.typing import NDArray

_INT_MAX = 2**31 - 1


class Default(enum.Enum):
    """What stands for an argument that was not given."""

    METRIC = "angular"


class Vector(Protocol):
    """Anything with a length and numbers at 0, 1, 2, ...: a list, a tuple, an array."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> SupportsFloat | SupportsIndex: ...


def c_int(value: SupportsIndex) -> int:
    """Return an integer that a C ``int`` of 32 bits can hold; TypeError or OverflowError otherwise."""
    number = operator.index(value)
    if number > _INT_MAX:
        raise OverflowError("signed integer is greater than maximum")
    if number < -_INT_MAX - 1:
        raise OverflowError("signed integer is less than minimum")
    return number


def file_name(value: str | os.PathLike[str]) -> str:
    """Return a path as a string; TypeError for anything else, bytes included."""
    name = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(name, str):
        raise TypeError(f"argument 1 must be str, not {type(name).__name__}")
    if "\0" in name:
        raise ValueError("embedded null character")
    return name


def as_vector(value: Vector, dim: int) -> NDArray[np.float32]:
    """Return ``dim`` numbers as float32 ``(dim,)``; they may be infinite or NaN."""
    _check_length(value, dim)
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "fiub":
        with np.errstate(over="ignore"):
            return value.astype(np.float32)
    numbers = value if isinstance(value, (list, tuple)) else [value[z] for z in range(dim)]
    # array, unlike NumPy, refuses numbers that are written as strings.
    return np.frombuffer(array("f", numbers), dtype=np.float32)


def _check_length(value: Sized, dim: int) -> None:
    length = len(value)
    if length != dim:
        raise IndexError(f"Vector has wrong length (expected {dim}, got {length})")


def check_finite(vector: NDArray[np.float32]) -> None:
    """Raise ValueError where a component is NaN, infinite or beyond float32."""
    finite = np.isfinite(vector)
    if not finite.all():
        at = int(finite.argmin())
        raise ValueError(f"vector: expected finite numbers within the range of float32, got {vector[at]} at {at}")


def metric_name(metric: str | Default) -> str:
    """Return the name of a metric of Annoy's; for want of one angular, with a warning at the caller's caller."""
    if isinstance(metric, Default):
        warnings.warn(
            "The default argument for metric will be removed in future version of Annoy. "
            "Please pass metric='angular' explicitly.",
            FutureWarning,
            stacklevel=3,
        )
        return str(metric.value)
    if not isinstance(metric, str):
        raise TypeError(f"argument 2 must be str, not {type(metric).__name__}")
    if metric not in METRICS:
        raise ValueError(f"No such metric: expected one of {', '.join(METRICS)}, got {metric!r}")
    return metric
