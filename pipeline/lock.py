"""One run at a time holds a root.

The lock is a file that names its holder. The holder is a whole run: the process that was started, not the workers it
forks, so that a run of several workers holds the lock once and between its tasks. A holder that has died, or whose
process number belongs to another process by now, holds nothing.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pipeline.errors import LockError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The process that was started: workers are forked from it after this module was imported.
_MAIN_PROCESS = os.getpid()


@dataclass(frozen=True)
class Holder:
    """Who holds a root."""

    host: str
    pid: int
    #: When the process started, in clock ticks since boot: tells it from a later one of the same number.
    started: int
    command: str

    def is_alive(self) -> bool:
        """Whether the process still runs; on another host nobody can tell, so it counts as alive."""
        return self.host != socket.gethostname() or _start_time(self.pid) == self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} ({self.command})"


class RootLock:
    """The lock of one root, held on behalf of the run this process belongs to; a context manager.

    Of a ``with`` block that is left the root is let go, also where the run held it before.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / ".lock"

    def acquire(self) -> bool:
        """Hold the root.

        Returns
        -------
        Whether the lock is new: False where this run held it already.

        Raises
        ------
        LockError
            If another live run holds it; the message names the holder.
        """
        me = _this_run()
        with self._open() as file:
            holder = self._read(file)
            if holder == me:
                return False
            if holder is not None and holder.is_alive():
                raise LockError(
                    f"{self._path.parent} is held by {holder}",
                    hint=f"Wait for it to end, or stop it; if it is gone for good, delete {self._path}.",
                )
            self._write(file, json.dumps(asdict(me)))
        if os.getpid() == _MAIN_PROCESS:
            atexit.register(self.release)
        return True

    def release(self) -> None:
        """Let the root go, if this run holds it."""
        if self._path.exists():
            with self._open() as file:
                if self._read(file) == _this_run():
                    self._write(file, "")

    def holder(self) -> Holder | None:
        """Who holds the root, None for nobody; changes nothing."""
        if not self._path.exists():
            return None
        with self._path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            holder = self._read(file)
        return holder if holder is not None and holder.is_alive() else None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    @contextlib.contextmanager
    def _open(self) -> Iterator[TextIO]:
        """The lock's file, read and changed by one process at a time."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise StoreError(
                f"cannot write {error.filename or self._path}: {error.strerror}",
                hint="Check run.root: it must be a writable folder.",
            ) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _read(self, file: TextIO) -> Holder | None:
        file.seek(0)
        text = file.read()
        try:
            return Holder(**json.loads(text)) if text else None
        except (ValueError, TypeError):
            raise StoreError(
                f"{self._path}: not a lock of this pipeline", hint="Delete it if no run is active."
            ) from None

    @staticmethod
    def _write(file: TextIO, text: str) -> None:
        file.truncate(0)
        file.write(text)
        file.flush()


def _this_run() -> Holder:
    started = _start_time(_MAIN_PROCESS)
    return Holder(socket.gethostname(), _MAIN_PROCESS, started or 0, " ".join(sys.argv))


def _start_time(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
