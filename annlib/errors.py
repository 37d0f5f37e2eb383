"""What annlib raises beside ``ValueError`` and ``TypeError``, which are for arguments."""

from __future__ import annotations

__all__ = ["AnnlibError", "IndexFileError", "UnknownIdError"]


class AnnlibError(Exception):
    """Base of annlib's own errors: the state of an index or of its file does not allow what was asked."""


class IndexFileError(AnnlibError):
    """A file is damaged, or is not an index that this version reads.

    Parameters
    ----------
    message
        What is wrong.
    file
        The file.
    section
        The section of the file: ``"header"``, ``"vectors"``, ...
    offset
        Where in the file, in bytes; None where that does not apply.
    """

    def __init__(self, message: str, *, file: str, section: str, offset: int | None = None) -> None:
        self.message = message
        self.file = file
        self.section = section
        self.offset = offset
        place = f"section {section}" if offset is None else f"section {section}, byte {offset}"
        super().__init__(f"{file}: {place}: {message}")

    def __reduce__(self) -> tuple[object, ...]:
        return _index_file_error, (self.message, self.file, self.section, self.offset)


def _index_file_error(message: str, file: str, section: str, offset: int | None) -> IndexFileError:
    return IndexFileError(message, file=file, section=section, offset=offset)


class UnknownIdError(AnnlibError, KeyError):
    """An id that is not in the index."""

    def __str__(self) -> str:  # KeyError shows the repr of its argument
        return str(self.args[0])
