"""The API described for programs: OpenAPI 3.1, made of the models that validate it."""

from __future__ import annotations

import re
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from pydantic.json_schema import models_json_schema

from pipeline.serve import models
from pipeline.serve.operations import OPERATIONS, Operation

if TYPE_CHECKING:
    from pydantic import BaseModel

_SCHEMAS = "#/components/schemas/"
#: The errors that every operation has: wrong parameters or an unknown host, a long address, no published run.
_EVERYONES_STATUSES = (400, 414, 503)
_PATH_PARTS = {
    "entity": "Entity type; see `/api/entities`.",
    "id": "Id of the entity. A prefix `id:` is left out, so that any id can be written: `id:map`, `id:..`.",
}


def describe_api() -> dict[str, Any]:
    """The OpenAPI document."""
    answers: dict[type[BaseModel], Literal["serialization"]] = {models.Error: "serialization"}
    answers |= {operation.response: "serialization" for operation in OPERATIONS}
    _, definitions = models_json_schema(list(answers.items()), ref_template=_SCHEMAS + "{model}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cfpipe",
            "version": version("cfpipe"),
            "description": "Look-ups in the published run: names, neighbours, recommendations, and why.",
        },
        "paths": {operation.path: {"get": _describe(operation)} for operation in OPERATIONS},
        "components": {"schemas": definitions["$defs"]},
    }


def _describe(operation: Operation) -> dict[str, Any]:
    statuses = sorted({*_EVERYONES_STATUSES, *operation.statuses})
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation.query)],
        "responses": {
            "200": _response("What was asked for.", operation.response),
            **{str(status): _response(HTTPStatus(status).phrase, models.Error) for status in statuses},
        },
    }


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_PARTS[name],
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _query_parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    schema = query.model_json_schema()
    required = schema.get("required", [])
    parameters = []
    for name, described in schema.get("properties", {}).items():
        content = {key: value for key, value in described.items() if key not in {"description", "title"}}
        if content.get("default", ...) is None:
            del content["default"]
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "description": described.get("description", ""),
                "schema": content,
            }
        )
    return parameters


def _response(description: str, model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": _SCHEMAS + model.__name__}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
