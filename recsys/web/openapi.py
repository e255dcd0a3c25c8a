"""The description of the API, generated from the declarations that route and parse it, and a page that shows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Blueprint, Response
from flask_swagger_ui import get_swaggerui_blueprint

from recsys.web.http.addresses import REPEATED
from recsys.web.http.answers import ProblemAnswer
from recsys.web.http.browsers.beacons import PLAIN
from recsys.web.http.parameters import ALLOWED, PageSlate
from recsys.web.http.problems import PROBLEM_JSON
from recsys.web.http.responses import JSON, NDJSON
from recsys.web.operations import Operation

VERSION = "1"
_REFERENCE = "#/components/schemas/{name}"
_BEACON = "The same JSON with one more member, `token`: a browser token, instead of a header."
_NO_FOREIGN_ADDRESS = "default-src 'self' 'unsafe-inline'; img-src 'self' data:"


def document(
    resources: Mapping[str, Sequence[Operation[Any]]], placements: Sequence[str] = (), prefix: str = ""
) -> dict[str, Any]:
    """Describe the calls of each resource, under its name as a tag, as an OpenAPI 3.1 document.

    `placements` are those that may be asked for, `prefix` the path that the service is reached under.
    """
    operations = tuple(one for declared in resources.values() for one in declared)
    types = [
        *(answer for one in operations for answer in one.answers),
        *(one.parameters for one in operations),
        *(shape for one in operations for shape in (*one.rows, *one.shapes.values())),
        ProblemAnswer,
    ]
    schemas = msgspec.json.schema_components(types, ref_template=_REFERENCE)[1]
    _name_placements(schemas, operations, list(placements))
    queries = {one.parameters.__name__ for one in operations if not one.has_body}
    paths: dict[str, Any] = {}
    for tag, declared in resources.items():
        for one in declared:
            paths.setdefault(one.path, {})[one.method] = {"tags": [tag], **_operation(one, schemas)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Recommendations", "version": VERSION},
        "servers": [{"url": prefix or "/"}],
        "tags": [{"name": tag} for tag in resources],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "A key or a browser token."}},
        },
    }


def blueprints(describe: Callable[[], Mapping[str, Any]]) -> tuple[Blueprint, Blueprint]:
    """Serve the description at /openapi.json, made when it is first asked for, and Swagger UI at /docs/, with nothing loaded from
    elsewhere."""

    @cache
    def body() -> bytes:
        return msgspec.json.format(msgspec.json.encode(describe()), indent=1)

    description = Blueprint("openapi", __name__)
    description.add_url_rule("/openapi.json", "document", lambda: Response(body(), content_type=JSON))
    pages: Blueprint = get_swaggerui_blueprint(  # by relative addresses, for the service may be under a path
        ".", "../openapi.json", {"app_name": "Recommendations", "validatorUrl": None}, blueprint_name="docs"
    )
    pages.url_prefix = "/docs"
    pages.after_request(_keep_to_ourselves)
    return description, pages


def _name_placements(schemas: dict[str, Any], operations: Sequence[Operation[Any]], placements: list[str]) -> None:
    """List the placements wherever a call takes one; answers may name others, such as those of old sends."""
    for name in {one.parameters.__name__ for one in operations} | {PageSlate.__name__}:
        taken = schemas[name]["properties"]
        if "placement" in taken:
            taken["placement"]["enum"] = placements
        for each in taken.get("placements", {}).get("items", {}).get("anyOf", ()):
            if each.get("type") == "string":
                each["enum"] = placements


def _operation(one: Operation[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": one.view.__name__,
        "summary": one.summary,
        "responses": {
            **{str(status): _answer(one, status) for status in (one.status, *one.also)},
            **{str(status): _problem(status) for status in _statuses(one)},
        },
    }
    if one.scope is not None:
        described["security"] = [{"bearer": [one.scope]}]
        described["description"] = f"Scope: {one.scope}" + ("; a browser token will do." if one.browser else ".")
    parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", one.path)]
    parameters += [
        {"name": name, "in": "header", "description": meaning, "schema": {"type": "string"}}
        for name, meaning in one.headers.items()
    ]
    if one.has_body:
        content: dict[str, Any] = {JSON: {"schema": _body(one)}}
        if one.takes_beacons:
            content[PLAIN] = {"schema": {"type": "string", "description": _BEACON}}
        described["requestBody"] = {"required": True, "content": content}
    else:
        parameters += _query_parameters(schemas[one.parameters.__name__])
    return described | ({"parameters": parameters} if parameters else {})


def _body(one: Operation[Any]) -> dict[str, Any]:
    kinds = dict.fromkeys((one.parameters, *one.shapes.values()))
    references = [{"$ref": _REFERENCE.format(name=kind.__name__)} for kind in kinds]
    return references[0] if len(references) == 1 else {"anyOf": references}


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"{ALLOWED[name]}; percent-encoded." if name in ALLOWED else "",
        "schema": {"type": "string", "minLength": 1},
    }


def _query_parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    parameters = []
    for name, described in schema["properties"].items():
        plain = {key: value for key, value in described.items() if key != "description"}
        style = {"style": "form", "explode": True} if name in REPEATED else {}
        parameters.append({"name": name, "in": "query", "description": described["description"], "schema": plain, **style})
    return parameters


def _answer(one: Operation[Any], status: int) -> dict[str, Any]:
    schemas = msgspec.json.schema_components(one.answers, ref_template=_REFERENCE)[0]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}
    described = "A line each." if one.media == NDJSON else HTTPStatus(status).phrase
    return {"description": described, "content": {one.media: {"schema": schema}}}


def _statuses(one: Operation[Any]) -> list[int]:
    if one.lenient:
        return list(one.problems)
    return sorted(
        {400, 500, *one.problems, *((401, 403, 429) if one.scope else ()), *((503,) if one.lane else ()), *_too_long(one)}
    )


def _too_long(one: Operation[Any]) -> tuple[int, ...]:
    """The status of an address beyond gunicorn's limit, which only calls with something in it can reach."""
    return () if one.has_body else (414,)


def _problem(status: int) -> dict[str, Any]:
    reference = {"$ref": _REFERENCE.format(name=ProblemAnswer.__name__)}
    return {"description": HTTPStatus(status).phrase, "content": {PROBLEM_JSON: {"schema": reference}}}


def _keep_to_ourselves(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _NO_FOREIGN_ADDRESS
    return response
