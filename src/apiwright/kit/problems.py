"""Errors as problem details (RFC 9457), on every path, and declared in the OpenAPI document.

`install(app)` works on any FastAPI app. Nothing a client sent is echoed, and nothing of the
inside is told.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

MEDIA_TYPE = "application/problem+json"
_MOST_ERRORS = 50  # a small body can be wrong in very many places


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Where: `body.title`, `query.limit`, `path.task_id`.")
    message: str


class ProblemDetails(BaseModel):
    """The body of every error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


class Problem(HTTPException):
    """An error with a problem's body; raise it anywhere below a route."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: list[FieldError] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.errors = errors

    def response(self) -> JSONResponse:
        body = ProblemDetails(
            title=_phrase(self.status_code),
            status=self.status_code,
            detail=self.detail,
            errors=self.errors,
        )
        return JSONResponse(
            body.model_dump(exclude_none=True),
            self.status_code,
            headers=self.headers,
            media_type=MEDIA_TYPE,
        )


_RFC_9110 = {413: "Content Too Large", 422: "Unprocessable Content"}  # Python's differ by version


def _phrase(status: int) -> str:
    try:
        return _RFC_9110.get(status) or HTTPStatus(status).phrase
    except ValueError:  # 499, 520 and other inventions
        return "Error"


class Unauthorized(Problem):
    def __init__(self, detail: str = "Sign in to do this.") -> None:
        super().__init__(401, detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(Problem):
    def __init__(self, detail: str = "You may not do this.") -> None:
        super().__init__(403, detail)


class NotFound(Problem):
    """What does not exist, or is not yours: the answer does not tell which."""

    def __init__(self, detail: str = "There is no such thing here.") -> None:
        super().__init__(404, detail)


class Conflict(Problem):
    def __init__(self, detail: str = "This exists already, or is still in use.") -> None:
        super().__init__(409, detail)


class Unavailable(Problem):
    """The database cannot be reached, or is busy beyond measure."""

    def __init__(self, detail: str = "This cannot be done just now. Please try again.") -> None:
        super().__init__(503, detail, headers={"Retry-After": "5"})


class Invalid(Problem):
    """A request that can be read but not accepted."""

    def __init__(self, errors: list[FieldError], detail: str | None = None) -> None:
        detail = detail or "; ".join(f"{e.field}: {e.message}" for e in errors)
        super().__init__(422, detail, errors=errors)


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem, and its OpenAPI document say so."""
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unhandled)
    document = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_problems(document())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, Problem):
        return error.response()
    if error.status_code in (204, 304):  # which have no body
        return Response(status_code=error.status_code, headers=error.headers)
    return Problem(error.status_code, str(error.detail), headers=error.headers).response()


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # only place and message: `input` and `ctx` would echo what was sent, passwords included
    return Invalid(
        [
            FieldError(field=".".join(map(str, e["loc"])), message=_message(e))
            for e in error.errors()[:_MOST_ERRORS]
        ]
    ).response()


def _message(error: dict[str, Any]) -> str:
    if error["type"] == "union_tag_invalid":  # its message repeats the tag that was sent
        return f"Input should have one of the tags {error['ctx']['expected_tags']}"
    message: str = error["msg"]
    return message.removeprefix("Value error, ")


async def _unhandled(request: Request, error: Exception) -> JSONResponse:
    return Problem(500, "Something went wrong here. It has been logged.").response()


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with our errors in place of FastAPI's."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    details = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(details.pop("$defs"))
    schemas["ProblemDetails"] = details
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if not isinstance(operation, dict):
                continue
            answers = operation["responses"]
            expected = {
                "401": "security" in operation,
                "404": "{" in path,
                "422": "422" in answers,
            }
            for status, declared in expected.items():
                if declared:
                    answers[status] = {"description": _phrase(int(status)), "content": content}
    return document
