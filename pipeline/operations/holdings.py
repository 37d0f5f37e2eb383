"""What the runs of a root hold on disk."""

from __future__ import annotations

import os
import re
import stat
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pipeline.store import RunRecord, Store

#: What ``current.json`` says of a run that is not a path.
_NOT_PATHS: Final = ("date", "item_entity", "name", "run", "schema_version", "spaces")
#: An output of a step carries its fingerprint; everything below belongs to it.
_OUTPUT: Final = re.compile(r"[0-9a-f]{16}(\.json)?")
#: Where the steps write. Whatever else is below a root is somebody's work: markers, studies, data, other roots.
STEP_FOLDERS: Final = frozenset(
    {
        *("checks", "chosen", "encoded", "evaluation", "factors", "indexes", "maps", "names"),
        *("records", "reports", "rules", "split", "tables", "validation", "vectors"),
    }
)


def named_paths(content: Mapping[str, Any]) -> set[str]:
    """The paths that ``current.json`` names for others to read, relative to the root."""
    return {path for key, value in content.items() if key not in _NOT_PATHS for path in _strings(value)}


def missing_paths(store: Store, content: Mapping[str, Any]) -> list[str]:
    """The paths of a run that are not there; the outputs that only later runs of the pipeline would read, left out."""
    wanted = named_paths({key: value for key, value in content.items() if key != "outputs"})
    return sorted(path for path in wanted if not store.path(path).exists())


class Holdings:
    """What each run of a root holds, and what none does.

    Attributes
    ----------
    records
        The runs, oldest first.
    """

    def __init__(self, store: Store) -> None:
        self.records = store.runs()
        self._store = store
        self._contents = {record: store.content(record) for record in self.records}
        self._sizes: dict[str, int] = {}

    def content(self, record: RunRecord) -> dict[str, Any]:
        """What ``current.json`` says while the run is the published one."""
        return self._contents[record]

    def outputs_of(self, record: RunRecord) -> set[str]:
        """The outputs of steps that a run refers to, those that are there."""
        paths = named_paths(self._contents[record])
        return {output for path in paths for output in self._by_part.get(path, ())}

    @cached_property
    def outputs(self) -> list[str]:
        """Every output of a step in the root, whoever refers to it."""
        return sorted(self._find(self._store.root, ""))

    def is_recorded(self, record: RunRecord) -> bool:
        """Whether the run says all that was made for it; one published by an earlier version does not."""
        return "outputs" in self._contents[record]

    def size(self, outputs: Iterable[str]) -> int:
        """Bytes of some outputs."""
        return sum(self._size(output) for output in outputs)

    def modified_ns(self, output: str) -> int:
        """When an output was made, in nanoseconds since the epoch."""
        return self._store.path(output).lstat().st_mtime_ns

    @cached_property
    def _by_part(self) -> dict[str, list[str]]:
        """The outputs that are, contain, or lie below each path that some run names."""
        named = {path for content in self._contents.values() for path in named_paths(content)}
        outputs = set(self.outputs)
        found: dict[str, list[str]] = {}
        for path in named:
            parts = path.split("/")
            above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
            found[path] = [part for part in above if part in outputs]
            found[path] += [output for output in self.outputs if output.startswith(f"{path}/")]
        return found

    def _find(self, folder: Path, prefix: str) -> Iterator[str]:
        if not folder.is_dir():
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                path = f"{prefix}{entry.name}"
                if entry.name.startswith(".") or (not prefix and entry.name not in STEP_FOLDERS):
                    continue
                if prefix and _OUTPUT.fullmatch(entry.name):
                    yield path
                elif entry.is_dir(follow_symlinks=False):
                    yield from self._find(folder / entry.name, f"{path}/")

    def _size(self, output: str) -> int:
        if output not in self._sizes:
            path = self._store.path(output)
            files = [path] if path.is_file() else path.rglob("*")
            self._sizes[output] = sum(_file_size(file) for file in files)
        return self._sizes[output]


def _file_size(path: Path) -> int:
    try:
        status = path.lstat()
    except FileNotFoundError:  # deleted while we look
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
