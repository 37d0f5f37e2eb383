"""What a root holds and how it gets there: fingerprints, publishing by rename, runs and ``current.json``.

Every step writes to a path that carries its fingerprint, under a temporary name that is synced and renamed at the end;
what stands under a final name is therefore complete, and never changes. ``current.json`` names the published run.
Paths stay behind this module, so that another kind of storage can take its place.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Version of ``current.json`` and of the run markers.
RUN_SCHEMA_VERSION = 1

_TEMPORARY_PREFIX = ".tmp-"


def fingerprint(content: Any) -> str:
    """Short digest of anything JSON can say; equal content, in any order of keys, gives equal digests."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@contextlib.contextmanager
def publish_folder(final: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``final``; when the block ends well, sync it and rename it to ``final``."""
    temporary = _temporary_beside(final)
    try:
        with _clear_errors(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
        yield temporary
        with _clear_errors(final):
            _sync_tree(temporary)
            _rename_folder(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def publish_json(final: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file under a temporary name, sync it and rename it to ``final``."""
    publish_text(final, json_text(content))


def publish_text(final: Path, text: str) -> None:
    """Write a file of text under a temporary name, sync it and rename it to ``final``."""
    temporary = _temporary_beside(final)
    with _clear_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(text, encoding="utf-8")
            sync(temporary)
            temporary.replace(final)
            sync(final.parent)
        finally:
            temporary.unlink(missing_ok=True)


def json_text(content: Mapping[str, Any]) -> str:
    """The one way JSON files are written: for people to read, and for equal content the same bytes."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object that a step has published."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path} is gone", hint="It was deleted after it was published: run again.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StoreError(f"{path}: expected JSON: {error}", hint="It was altered after it was published.") from None
    if not isinstance(content, dict):
        raise StoreError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


@dataclass(frozen=True, order=True)
class RunRecord:
    """A run that was published, whether or not it is the published one now; in order from the oldest to the latest.

    Attributes
    ----------
    date
        Its date.
    published_ns
        When it was last published, in nanoseconds since the epoch: the order of runs of one date.
    run
        Its fingerprint.
    withdrawn
        Whether a rollback took it back.
    """

    date: datetime.date
    published_ns: int
    run: str
    withdrawn: bool

    def __str__(self) -> str:
        return f"{self.run} of {self.date}"


@dataclass(frozen=True)
class Store:
    """The root of a pipeline's runs."""

    root: Path

    def path(self, *parts: str) -> Path:
        """A path under the root."""
        return self.root.joinpath(*parts)

    def relative(self, path: Path) -> str:
        """A path as it is named in ``current.json``: relative to the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def current(self) -> dict[str, Any] | None:
        """The published run, or None before the first.

        Raises
        ------
        StoreError
            If ``current.json`` does not name a run and its date.
        """
        path = self.root / "current.json"
        if not path.exists():
            return None
        content = read_json(path)
        try:
            datetime.date.fromisoformat(str(content.get("date")))
            names_a_run = isinstance(content.get("run"), str)
        except ValueError:
            names_a_run = False
        if not names_a_run:
            raise StoreError(
                f"{path}: expected a run and its date, got {json.dumps(content)[:100]}",
                hint="It was altered: put the marker of a run, runs/DATE/RUN.json, in its place.",
            )
        return content

    def marker(self, date: datetime.date, run: str) -> Path:
        """Path of the marker of a published run."""
        return self.path("runs", date.isoformat(), f"{run}.json")

    def runs(self) -> list[RunRecord]:
        """Every run that was published and is kept, oldest first: by date, runs of one date as they were published."""
        paths = [path for path in self.path("runs").glob("*/*.json") if not path.name.startswith(".")]
        return sorted(self._record(path) for path in paths)

    def content(self, record: RunRecord) -> dict[str, Any]:
        """What ``current.json`` says while a run is the published one."""
        marker = self.marker(record.date, record.run)
        content = read_json(marker)
        if content.get("run") != record.run:  # else nothing of the run would count as referred to
            raise StoreError(f"{marker}: expected the marker of run {record.run}", hint="It was altered: restore it.")
        return content

    def is_withdrawn(self, date: datetime.date, run: str) -> bool:
        """Whether a rollback took a run back; nothing but another rollback publishes it again."""
        return self._withdrawal(date, run).exists()

    def withdraw(self, date: datetime.date, run: str) -> None:
        """Take a run back; to be followed by :meth:`republish` of another."""
        publish_json(self._withdrawal(date, run), {"run": run, "date": date.isoformat()})

    def republish(self, record: RunRecord) -> None:
        """Move ``current.json`` to a run that was published before, whatever its date."""
        publish_json(self.root / "current.json", self.content(record))
        self._withdrawal(record.date, record.run).unlink(missing_ok=True)

    def forget(self, record: RunRecord) -> None:
        """Keep a run no longer: what it alone refers to may be deleted from now on."""
        self.marker(record.date, record.run).unlink(missing_ok=True)
        self._withdrawal(record.date, record.run).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # there are other runs of the date
            self.marker(record.date, record.run).parent.rmdir()

    def is_published(self, date: datetime.date, run: str) -> bool:
        """Whether a run is published and nothing is left to do for it.

        A run that another one of the same date has taken the place of, say because a setting was changed and changed
        back, is not; one that a later date's run or a rollback has taken the place of is.
        """
        if not self.marker(date, run).exists():
            return False
        current = self.current()
        return current is not None and (current["run"] == run or not self._moves_to(date, run, current))

    def publish(self, date: datetime.date, run: str, content: Mapping[str, Any]) -> None:
        """Move ``current.json`` to a run, then mark the run as published.

        It stays where it is if a later date's run is published, or if a rollback has withdrawn this one. The order
        matters: a run killed between the two is published again, to the same bytes.
        """
        content = {**content, "schema_version": RUN_SCHEMA_VERSION, "run": run, "date": date.isoformat()}
        current = self.current()
        if current is None or current["run"] == run or self._moves_to(date, run, current):
            publish_json(self.root / "current.json", content)
        publish_json(self.marker(date, run), content)

    def settle(self) -> None:
        """Mark the published run as such, if who published it was killed before that. Only for the lock's holder."""
        current = self.current()
        if current is not None:
            marker = self.marker(datetime.date.fromisoformat(current["date"]), current["run"])
            if not marker.exists():
                publish_json(marker, current)

    def previous(self, date: datetime.date, run: str) -> dict[str, Any] | None:
        """The run that this one follows: the published one if its date is no later, else the latest before the date."""
        current = self.current()
        if current is not None and current["run"] != run and current["date"] <= date.isoformat():
            return current
        earlier = [record for record in self.runs() if record.date < date and not record.withdrawn]
        return self.content(earlier[-1]) if earlier else None

    def sweep(self) -> None:
        """Remove what killed runs left half written. Only for who holds the root's lock."""
        for parent, folders, files in os.walk(self.root):
            for name in (*folders, *files):
                if name.startswith(_TEMPORARY_PREFIX):
                    _remove(Path(parent, name))
            # Other roots may be below this one, and have a lock of their own.
            folders[:] = [name for name in folders if not Path(parent, name, ".lock").exists()]

    def delete(self, path: Path) -> None:
        """Delete an output of a step, which is never seen in part. Only for who holds the root's lock."""
        if path.exists():
            temporary = _temporary_beside(path)
            path.rename(temporary)
            _remove(temporary)

    def _moves_to(self, date: datetime.date, run: str, current: Mapping[str, Any]) -> bool:
        return bool(current["date"] <= date.isoformat()) and not self.is_withdrawn(date, run)

    def _withdrawal(self, date: datetime.date, run: str) -> Path:
        # Beside the marker and not in it: what was published never changes.
        return self.marker(date, run).with_suffix(".withdrawn")

    def _record(self, marker: Path) -> RunRecord:
        try:
            date = datetime.date.fromisoformat(marker.parent.name)
        except ValueError:
            raise StoreError(
                f"{marker.parent}: expected the folder of a date, as 2026-01-31",
                hint="Only runs belong there; move it.",
            ) from None
        return RunRecord(date, marker.stat().st_mtime_ns, marker.stem, self.is_withdrawn(date, marker.stem))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _temporary_beside(final: Path) -> Path:
    return final.with_name(f"{_TEMPORARY_PREFIX}{os.getpid()}-{final.name}")


def _rename_folder(temporary: Path, final: Path) -> None:
    try:
        temporary.rename(final)
    except OSError:
        # Fingerprints make equal paths equal content: if another process was first, its folder serves.
        if not final.is_dir():
            raise
    sync(final.parent)


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            sync(Path(parent, name))
        sync(Path(parent))


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a path into the pipeline's error."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {error.filename or path}: {error.strerror}",
            hint="Check run.root: it must be a writable folder.",
        ) from error
