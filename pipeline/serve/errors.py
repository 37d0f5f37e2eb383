"""What can be wrong with a request."""

from __future__ import annotations

from typing import ClassVar

from pipeline.errors import PipelineError


class RequestError(PipelineError):
    """A request that cannot be answered; carries its HTTP status."""

    status: ClassVar[int] = 400


class NotFoundError(RequestError):
    """There is no such thing in the published run."""

    status = 404


class TooLongError(RequestError):
    """The address is longer than any sensible one."""

    status = 414


class CannotExplainError(RequestError):
    """The model of the run has no explanations."""

    status = 409


class NoRunError(RequestError):
    """There is no published run to answer from."""

    status = 503
