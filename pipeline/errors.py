"""Errors a user of the pipeline can meet; each class has its own exit code of the ``cfpipe`` command."""

from __future__ import annotations

from typing import ClassVar


class PipelineError(Exception):
    """Base of every error the pipeline raises on purpose.

    The message says what was expected and what came; ``hint``, where there is one, says what to do.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message}\n{hint}")
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Luigi sends exceptions between processes; the default would lose the keyword argument.
        return _rebuild, (type(self), self.message, self.hint)


def _rebuild(cls: type[PipelineError], message: str, hint: str | None) -> PipelineError:
    return cls(message, hint=hint)


class ConfigError(PipelineError):
    """The configuration is not one the pipeline can honour."""

    exit_code = 2


class MissingInputError(PipelineError):
    """An input file, folder or column is not there."""

    exit_code = 3


class GateError(PipelineError):
    """A finished run failed its sanity gates and is not published."""

    exit_code = 4


class LockError(PipelineError):
    """Another live run holds the root."""

    exit_code = 5


class DataError(PipelineError):
    """Input was read and cannot be used: nulls, NaN, values out of range, nothing left, changed while being read."""

    exit_code = 6


class StoreError(PipelineError):
    """The root cannot be written, or what it holds is not a run of the pipeline."""

    exit_code = 7


class UnknownNameError(PipelineError):
    """A name or id that is looked up matches nothing, or several items."""

    exit_code = 8


class ServeError(PipelineError):
    """The server cannot listen where it was told to."""

    exit_code = 9


class OutputError(PipelineError):
    """A file that was asked for cannot be written: a folder that is not there or not writable, or a full disk."""

    exit_code = 10

    @classmethod
    def of(cls, path: object, reason: str) -> OutputError:
        """The error of a file that could not be written, with the reason that the system gives."""
        return cls(
            f"cannot write {path}: {reason}",
            hint="Check the folder and the space on the disk, and give the same command again.",
        )
