"""The server's own OpenAPI 3.1 description, made from the declarations of its routes."""

from collections.abc import Iterable, Mapping

from trademantra.sandbox.kite.json_form import Json
from trademantra.sandbox.kite.operations import Operation, Parameter, Where

_ERROR: Mapping[str, Json] = {
    "type": "object",
    "required": ["status", "message", "data", "error_type"],
    "properties": {
        "status": {"const": "error"},
        "message": {"type": "string"},
        "data": {"type": "null"},
        "error_type": {"type": "string", "pattern": "^[A-Z][a-z]+Exception$"},
    },
}
_SUCCESS: Mapping[str, Json] = {
    "type": "object",
    "required": ["status", "data"],
    "properties": {"status": {"const": "success"}, "data": {}},
}


def described(operations: Iterable[Operation], root: str) -> Json:
    """The whole description; `root` is the server's URL."""
    paths: dict[str, dict[str, Json]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Trade Mantra Kite sandbox",
            "version": "3",
            "description": "Kite Connect v3 over a simulated exchange, and the sandbox's own control routes.",
        },
        "servers": [{"url": root}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "token api_key:access_token",
                }
            },
            "schemas": {"Error": _ERROR, "Success": _SUCCESS},
        },
    }


def _operation(operation: Operation) -> Json:
    described_operation: dict[str, Json] = {
        "operationId": f"{operation.method.lower()} {operation.path}",
        "summary": operation.summary,
        "parameters": [_parameter(p) for p in operation.parameters if p.where is not Where.FORM],
        "responses": _responses(operation),
    }
    form = [p for p in operation.parameters if p.where is Where.FORM]
    if operation.json_body is not None:
        described_operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": operation.json_body}},
        }
    elif form:
        described_operation["requestBody"] = {
            "required": any(p.required for p in form),
            "content": {"application/x-www-form-urlencoded": {"schema": _form(form)}},
        }
    if operation.needs_login:
        described_operation["security"] = [{"token": []}]
    return described_operation


def _responses(operation: Operation) -> Json:
    """A page is refused by a page, and a login may answer with a redirect; all else is JSON."""
    done: Json = {
        "description": "done",
        "content": {operation.content_type: {"schema": _answer(operation)}},
    }
    failed: Json = {"description": "failed", "content": _errors()}
    refused: Json = {"description": "refused; nothing was changed", "content": _errors()}
    if operation.content_type == "text/html":
        page: Json = {"schema": {"type": "string"}}
        refused = {"description": "refused", "content": {"text/html": page, "application/json": page}}
        redirect: Json = {"description": "to the app's registered URL"}
        return {"200": done, "302": redirect, "4XX": refused, "5XX": failed}
    return {"200": done, "4XX": refused, "5XX": failed}


def _answer(operation: Operation) -> Json:
    if operation.content_type != "application/json":
        return {"type": "string"}
    return {"type": "object"} if operation.control else {"$ref": "#/components/schemas/Success"}


def _errors() -> Json:
    return {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


def _parameter(parameter: Parameter) -> Json:
    schema: Json = parameter.schema
    if parameter.repeated:
        schema = {"type": "array", "items": parameter.schema, "maxItems": 50}
    return {
        "name": parameter.name,
        "in": parameter.where.value,
        "required": parameter.required or parameter.where is Where.PATH,
        "schema": schema,
    }


def _form(parameters: Iterable[Parameter]) -> Json:
    listed = tuple(parameters)
    return {
        "type": "object",
        "properties": {
            p.name: {"type": "array", "items": p.schema} if p.repeated else p.schema for p in listed
        },
        "required": [p.name for p in listed if p.required],
    }
