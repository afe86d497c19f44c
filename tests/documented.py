"""A client that holds every error it meets to the app's own OpenAPI document."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from jsonschema_rs import validator_for


class DocumentedClient(TestClient):
    """Fails where an error was not declared, or its body is not what was declared."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        super().__init__(app, **options)
        self._documented = app

    def request(self, *args: Any, **options: Any) -> Response:
        answer = super().request(*args, **options)
        check(self._documented, answer)
        return answer


def check(app: FastAPI, answer: Response) -> None:
    if answer.status_code < 400:
        return
    document = app.openapi()
    media_type = "application/problem+json"
    declared: dict[str, Any] = {
        "content": {media_type: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    }
    operation = _operation(document, answer)
    if operation is not None:  # otherwise the path is unknown, or knows no such method
        met = f"{answer.request.method} {answer.request.url.path}: {answer.status_code}"
        assert str(answer.status_code) in operation["responses"], f"{met} is not declared"
        declared = operation["responses"][str(answer.status_code)]
        if "$ref" in declared:
            declared = document["components"]["responses"][declared["$ref"].rpartition("/")[2]]
    assert answer.headers["Content-Type"] == media_type
    schema = declared["content"][media_type]["schema"]
    validator_for(schema | {"components": document["components"]}).validate(answer.json())
    assert all(name in answer.headers for name in declared.get("headers", ()))


def _operation(document: dict[str, Any], answer: Response) -> dict[str, Any] | None:
    path, method = answer.request.url.path, answer.request.method.lower()
    for template, operations in document["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]*", re.escape(template))
        if method in operations and re.fullmatch(pattern, path):
            found: dict[str, Any] = operations[method]
            return found
    return None
