"""The OpenAPI document, made from the route table and the bodies' own schemas (pydantic)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from node.api.routes import Route

_PARAMETER = re.compile(r"\{(\w+)\}")
_PROBLEM = {
    "description": "A problem document (RFC 9457): title, status, detail, field, code, request_id",
    "content": {"application/problem+json": {"schema": {"type": "object"}}},
}


def openapi_document(routes: Sequence[Route], prefix: str) -> dict[str, Any]:
    """OpenAPI 3.1 of every route."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(prefix + route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Praya trade desk",
            "version": version("praya"),
            "description": "Acts are drafted by a maker and approved by another person; times are Unix seconds, "
            "amounts decimal text with an ISO 4217 code, bytes 0x-hex.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"session": []}],
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    names = _PARAMETER.findall(route.path)
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', route.path)}",
        "parameters": [_parameter(name, "path") for name in names] + [_parameter(q, "query") for q in route.query],
        "responses": {
            str(route.status): {"description": "Done", "content": {"application/json": {"schema": {}}}},
            "default": _PROBLEM,
        },
    }
    if route.public:
        operation["security"] = []
    if route.body is not None:
        schema = route.body.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[route.body.__name__] = schema
        reference = {"$ref": f"#/components/schemas/{route.body.__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
    return operation


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}
