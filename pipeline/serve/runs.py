"""The published run of a root, whichever it is at the moment."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from annlib.errors import AnnlibError
from pipeline.errors import PipelineError
from pipeline.lookup import open_run
from pipeline.serve.errors import NoRunError
from pipeline.serve.served import ServedRun

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

#: Between two looks at ``current.json``.
_CHECK_SECONDS: Final = 1.0
#: What opening a run raises if its files are gone, or are not those of a run.
_UNREADABLE = (PipelineError, AnnlibError, OSError, ValueError, LookupError, TypeError, AttributeError, MemoryError)

#: What tells one ``current.json`` from another; None where there is none.
_Stamp = tuple[int, int, int] | None


class PublishedRuns:
    """Opens the published run, and another as soon as it is published.

    A run that is deleted, or whose successor cannot be read, goes on answering: its files are mapped. May be used from
    several threads: one opens a new run, the others meanwhile use the one before.

    Parameters
    ----------
    root
        Folder of the runs.
    recall
        Of look-ups; see :class:`~pipeline.serve.served.ServedRun`.
    check_seconds
        How long what was found stands.
    """

    def __init__(self, root: Path, *, recall: float = 1.0, check_seconds: float = _CHECK_SECONDS) -> None:
        self._root = root
        self._recall = recall
        self._check_seconds = check_seconds
        self._lock = threading.Lock()
        self._checked = -float("inf")
        self._stamp: _Stamp = None
        self._run: ServedRun | None = None
        self._problem: str | None = None

    def current(self) -> ServedRun:
        """The run to answer from.

        Raises
        ------
        NoRunError
            If none is published, or none that can be read.
        """
        if self._run is None:
            with self._lock:
                self._look()
        elif time.monotonic() - self._checked > self._check_seconds and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        if self._run is None:
            raise NoRunError(
                self._problem or f"no run is published in {self._root}",
                hint="Make one: cfpipe run CONFIG. The page finds it by itself.",
            )
        return self._run

    def _look(self) -> None:
        """Open the published run if it is another one than a moment ago."""
        if time.monotonic() - self._checked <= self._check_seconds:
            return
        stamp = self._read_stamp()
        if stamp is not None and stamp != self._stamp:
            # What cannot be read is tried again: its files may be on their way.
            self._stamp = stamp if self._open() else None
        self._checked = time.monotonic()

    def _open(self) -> bool:
        """Open the published run; whether it could be read."""
        try:
            self._run = ServedRun(open_run(self._root), recall=self._recall)
            self._problem = None
            # Reading leaves behind more than is kept of what was read.
            pa.default_memory_pool().release_unused()
        except _UNREADABLE as error:
            problem = f"the published run cannot be read: {error}"
            if problem != self._problem:
                _log.warning("%s", problem)
            self._problem = problem
            return False
        return True

    def _read_stamp(self) -> _Stamp:
        try:
            status = (self._root / "current.json").stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
