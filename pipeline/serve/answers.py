"""Answers as JSON, and errors all in one shape."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from pipeline.errors import ConfigError, DataError, PipelineError, StoreError
from pipeline.serve import models
from pipeline.serve.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel, ValidationError
    from starlette.requests import Request


def json_response(content: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A model as JSON."""
    return Response(
        content.model_dump_json(),
        status,
        headers={"cache-control": "no-cache", **(headers or {})},
        media_type="application/json",
    )


def document_response(document: dict[str, Any]) -> Response:
    """A JSON document."""
    return Response(json.dumps(document, ensure_ascii=False), media_type="application/json")


def error_response(error: PipelineError) -> Response:
    """What the pipeline says is wrong."""
    return json_response(models.Error(error=error.message, hint=error.hint), _status_of(error))


def explain_invalid(error: ValidationError) -> RequestError:
    """What is wrong with the parameters of a request: the first of it."""
    first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    got = "" if first["type"] == "missing" else f"; got {str(first['input'])[:50]!r}"
    problem = first["msg"].removeprefix("Value error, ")
    return RequestError(f"{name}: {problem}{got}", hint="The parameters are described in /api/openapi.json.")


async def answer_error(request: Request, error: Exception) -> Response:
    """What is wrong: with the request, with the run, or with the server, whose log says more."""
    if isinstance(error, PipelineError):
        return error_response(error)
    if isinstance(error, HTTPException):
        content = models.Error(
            error=f"{HTTPStatus(error.status_code).phrase}: {request.url.path[:200]}",
            hint="The API is described in /api/openapi.json.",
        )
        return json_response(content, error.status_code, error.headers)
    return json_response(models.Error(error="the server failed", hint="Its log says why."), 500)


def _status_of(error: PipelineError) -> int:
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, ConfigError | DataError):
        return 400
    return 503 if isinstance(error, StoreError) else 500
