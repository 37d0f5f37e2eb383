"""Errors a user of the pipeline can meet; each class has its own exit code of the ``cfpipe`` command."""

from __future__ import annotations

from typing import ClassVar


class PipelineError(Exception):
    """Base of every error the pipeline raises on purpose.

    The message says what was expected and what came; ``hint``, where there is one, says what to do.
    """

    exit_code: ClassVar[int] = 1
    #: What to do where the error itself does not say.
    usual_hint: ClassVar[str] = "cfpipe --debug COMMAND shows where this comes from."

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
    usual_hint = "cfpipe docs configuration describes every setting, cfpipe COMMAND --help every option."


class MissingInputError(PipelineError):
    """An input file, folder or column is not there."""

    exit_code = 3
    usual_hint = "Check the paths and columns in the configuration; relative paths start at the working directory."


class GateError(PipelineError):
    """A finished run failed its sanity gates and is not published."""

    exit_code = 4
    usual_hint = "Look at the run, or set the limit that the message names."


class LockError(PipelineError):
    """Another live run holds the root."""

    exit_code = 5
    usual_hint = "Wait for it to end, or stop it."


class DataError(PipelineError):
    """Input was read and cannot be used: nulls, NaN, values out of range, nothing left, changed while being read."""

    exit_code = 6
    usual_hint = "Mend the input, or leave such rows out with interactions.where."


class StoreError(PipelineError):
    """The root cannot be written, or what it holds is not a run of the pipeline."""

    exit_code = 7
    usual_hint = "Check run.root; cfpipe status CONFIG shows what it holds."


class UnknownNameError(PipelineError):
    """A name or id that is looked up matches nothing, or several items."""

    exit_code = 8
    usual_hint = "Give an id, or the name as the run has it."


class ServeError(PipelineError):
    """The server cannot listen where it was told to."""

    exit_code = 9
    usual_hint = "Name another --port."


class OutputError(PipelineError):
    """A file that was asked for cannot be written: a folder that is not there or not writable, or a full disk."""

    exit_code = 10
    usual_hint = "Name another --output."

    @classmethod
    def of(cls, path: object, reason: str) -> OutputError:
        """The error of a file that could not be written, with the reason that the system gives."""
        return cls(
            f"cannot write {path}: {reason}",
            hint="Check the folder and the space on the disk, and give the same command again.",
        )
