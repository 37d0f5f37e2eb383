"""The web application: the page, its files, and the API."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipeline.errors import PipelineError
from pipeline.serve.answers import (
    answer_error,
    document_response,
    explain_invalid,
    json_response,
)
from pipeline.serve.errors import RequestError
from pipeline.serve.openapi import describe_api
from pipeline.serve.operations import OPERATIONS, Operation
from pipeline.serve.security import Guard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from starlette.requests import Request

    from pipeline.serve.runs import PublishedRuns

_STATIC = Path(__file__).parent / "static"
#: Look-ups run side by side in native code, which lets go of the interpreter.
_THREADS: Final = 2
#: As nginx has it; nobody reads it.
_CLIENT_CLOSED_REQUEST: Final = 499
#: A browser may keep it, and asks each time whether it is still the same.
_ASK_AGAIN: Final = {"cache-control": "no-cache"}
#: What is left out before an id, so that ids that mean something else in a path can be written.
_ID_PREFIX: Final = "id:"


def create_app(runs: PublishedRuns, *, hosts: Collection[str] = ()) -> Guard:
    """Make the application.

    Parameters
    ----------
    runs
        Where the published run is found.
    hosts
        Host names it answers to beside the loopback's; see :class:`~pipeline.serve.security.Guard`.
    """
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="look-up")
    free = asyncio.Semaphore(_THREADS)
    description = describe_api()

    async def describe(request: Request) -> Response:
        return document_response(description)

    app = Starlette(
        routes=[
            Route("/", _page),
            Route("/api/openapi.json", describe),
            *(Route(operation.path, _endpoint(operation, runs, pool, free)) for operation in OPERATIONS),
            Mount("/static", _PageFiles(directory=_STATIC)),
        ],
    )
    for error in (HTTPException, PipelineError, Exception):
        app.add_exception_handler(error, answer_error)
    app.router.redirect_slashes = False
    return Guard(app, hosts)


async def _page(request: Request) -> Response:
    return FileResponse(_STATIC / "index.html", headers=_ASK_AGAIN)


class _PageFiles(StaticFiles):
    """Files that belong to the page: a browser that kept those of another version would mix the two."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(_ASK_AGAIN)
        return response


def _endpoint(
    operation: Operation, runs: PublishedRuns, pool: ThreadPoolExecutor, free: asyncio.Semaphore
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        path = {name: unquote(part) for name, part in request.path_params.items()}
        if "id" in path:
            path["id"] = path["id"].removeprefix(_ID_PREFIX)
        query = _parse(request, operation.query)

        def answer() -> Response:
            return json_response(operation.answer(runs.current(), path, query))

        async with free:
            if await request.is_disconnected():  # as who types on is from the search for less
                return Response(status_code=_CLIENT_CLOSED_REQUEST)
            return await asyncio.get_running_loop().run_in_executor(pool, answer)

    return endpoint


def _parse(request: Request, query: type[BaseModel]) -> BaseModel:
    """Validate the parameters of a request: lists where they may be repeated, one value where not."""
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        field = query.model_fields.get(name)
        if field is not None and isinstance(field.default, list):
            values.setdefault(name, []).append(value)
        elif name in values:
            raise RequestError(f"{name[:50]}: expected one value, got several")
        else:
            values[name] = value
    try:
        return query.model_validate(values)
    except ValidationError as error:
        raise explain_invalid(error) from None
