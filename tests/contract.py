"""Checks answers of the API against its OpenAPI document: status, type, and every field."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker

# Not in the document of each operation: unknown methods and addresses, and broken requests.
_ANYWHERE = {405}
Document = dict[str, Any]


@cache
def document() -> Document:
    """The OpenAPI document, as it is served."""
    return SchemaGenerator().get_schema(request=None, public=True)


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Paths without variables come first, because they are more exact."""
    templates = sorted(document()["paths"], key=lambda path: ("{" in path, path))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in templates]


@cache
def _operations() -> dict[str, Document]:
    methods = [operation for path in document()["paths"].values() for operation in path.values()]
    return {operation["operationId"]: operation for operation in methods}


def operation_of(method: str, path: str) -> Document | None:
    for pattern, template in _paths():
        if pattern.fullmatch(path):
            return document()["paths"][template].get(method.lower())
    return None


def check(method: str, path: str, answer: Any) -> None:
    """AssertionError if the answer is not what the document says."""
    operation = operation_of("GET" if method == "HEAD" else method, path)
    if operation is None or answer.status_code in _ANYWHERE:
        return
    told = f"{method} {path} answered {answer.status_code}"
    response = operation["responses"].get(str(answer.status_code))
    assert response is not None, f"{told}, of which the document says nothing"
    response = _resolved(response)
    for header in response.get("headers", {}):
        assert header in answer.headers, f"{told} without {header}"
    contents = response.get("content", {})
    if not contents:
        assert not answer.content, f"{told} with a body"
        return
    kind = answer.headers["Content-Type"].split(";")[0]
    assert kind in contents, f"{told} as {kind}"
    if kind == "application/json" and method != "HEAD":
        validator = _validator(operation["operationId"], answer.status_code)
        errors = list(validator.iter_errors(json.loads(answer.content)))
        assert not errors, f"{told}: {errors[0].json_path}: {errors[0].message}"


def check_value(schema: Document, value: Any) -> None:
    """AssertionError if the value does not match the schema."""
    validator = Draft202012Validator(_strict(schema), format_checker=FormatChecker())
    errors = list(validator.iter_errors(value))
    assert not errors, f"{errors[0].json_path}: {errors[0].message}"


def _resolved(node: Document) -> Document:
    while "$ref" in node:
        target: Any = document()
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


@cache
def _validator(operation_id: str, status: int) -> Draft202012Validator:
    response = _resolved(_operations()[operation_id]["responses"][str(status)])
    schema = response["content"]["application/json"]["schema"]
    return Draft202012Validator(_strict(schema), format_checker=FormatChecker())


def _strict(node: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON schema. References are resolved, and other fields forbidden."""
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = _resolved(node)
    plain = {name: _strict(value) for name, value in node.items() if name != "nullable"}
    if isinstance(node.get("properties"), dict):
        plain["properties"] = {name: _strict(value) for name, value in node["properties"].items()}
        plain.setdefault("additionalProperties", False)
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") else plain
