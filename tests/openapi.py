"""Compare answers of the API with its description. The clients of the tests do so with each answer."""

import json
import re
from functools import cache
from typing import Any

import jsonschema
from drf_spectacular.generators import SchemaGenerator

from aiWriting.openapi import description as description


@cache
def described() -> dict[str, Any]:
    """Return the description."""
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return found


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """Return the description of an operation. None: there is no such."""
    for template, methods in described()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found: dict[str, Any] | None = methods.get("get" if method == "HEAD" else method.lower())
            return found
    return None


def check(method: str, path: str, answer: Any) -> None:
    """Check that the description has the status of an answer, its content type, and its body."""
    operation = operation_of(method, path)
    if operation is None:
        return
    wanted = operation["responses"].get(str(answer.status_code))
    told = f"{method} {path}: {answer.status_code}"
    assert wanted is not None, f"{told} is not described, must be one of: {', '.join(operation['responses'])}"
    content = wanted.get("content", {})
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if method == "HEAD" or not content:
        assert method == "HEAD" or answer.streaming or not answer.content, f"{told} has a body"
        return
    assert kind in content, f"{told} has the content type {kind!r}, must be one of: {', '.join(content)}"
    if kind == "application/json":
        error = error_of(answer.json(), content[kind]["schema"])
        assert error is None, f"{told}: {error}"


def error_of(value: Any, schema: dict[str, Any]) -> str | None:
    """Return the error of a value that does not fit a schema of the description. None: it fits."""
    error = jsonschema.exceptions.best_match(_validator(json.dumps(schema)).iter_errors(value))
    return None if error is None else f"{error.json_path}: {error.message}"


@cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    strict = _strict({**json.loads(schema), "components": described()["components"]})
    return jsonschema.Draft202012Validator(strict)


def _strict(schema: Any) -> Any:
    """Return JSON Schema for a schema of OpenAPI 3.0. Objects have no fields but those that it names."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _strict(part) for name, part in schema.items() if name != "nullable"}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
    if schema.get("nullable") is True:
        return {"anyOf": [found, {"type": "null"}]}
    return found
