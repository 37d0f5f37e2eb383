"""What a step takes: time, and memory at its peak."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any, Final

_STATUS: Final = Path("/proc/self/status")
_CLEAR_PEAK: Final = Path("/proc/self/clear_refs")
#: What sets the peak back to what is resident now; see proc(5).
_PEAK: Final = "5"


class Meter:
    """Measures this process from when it is made on.

    The kernel keeps the peak of what is resident, files that are mapped among it. Where it cannot be set back, say
    because ``/proc`` is not mounted, there is no figure: that of the process would be one of earlier steps.
    """

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._has_peak = _clear_peak()

    def read(self) -> dict[str, Any]:
        """``seconds``, ``peak_memory_bytes`` (None where it cannot be measured) and ``finished``, ISO 8601, UTC."""
        return {
            "seconds": round(time.perf_counter() - self._started, 3),
            "peak_memory_bytes": _peak_bytes() if self._has_peak else None,
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }


def _clear_peak() -> bool:
    try:
        _CLEAR_PEAK.write_text(_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


def _peak_bytes() -> int | None:
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return None
