"""Errors as problem details (RFC 9457), on every path, and declared in the OpenAPI document.

`install(app)` works on any FastAPI app. Nothing a client sent is echoed, and nothing of the
inside is told.
"""

import inspect
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel, Field, PydanticUserError, TypeAdapter
from pydantic.json_schema import SkipJsonSchema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")

logger = logging.getLogger("apiwright.problems")

MEDIA_TYPE = "application/problem+json"
_REQUEST_ID = "apiwright.request_id"  # in the ASGI scope, with `kit.logs`
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
    errors: list[FieldError] | SkipJsonSchema[None] = Field(default_factory=lambda: None)
    request_id: str | SkipJsonSchema[None] = Field(
        default_factory=lambda: None, description="Of a 500: how to find it in the log."
    )


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

    def response(self, request_id: str | None = None) -> Response:
        body = ProblemDetails(
            title=_phrase(self.status_code),
            status=self.status_code,
            detail=self.detail,
            errors=self.errors,
            request_id=request_id,
        )
        text = json.dumps(body.model_dump(exclude_none=True), ensure_ascii=False)
        return Response(
            text.encode(errors="replace"),  # a lone surrogate has no encoding
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
    def __init__(
        self,
        detail: str = "This exists already, or is still in use.",
        *,
        errors: list[FieldError] | None = None,
    ) -> None:
        super().__init__(409, detail, errors=errors)


class TooMany(Problem):
    def __init__(
        self, detail: str = "Too many requests. Please wait a while.", *, retry_after: int = 60
    ) -> None:
        """`retry_after`: seconds."""
        super().__init__(429, detail, headers={"Retry-After": str(retry_after)})


class Unavailable(Problem):
    """The database cannot be reached, or is busy beyond measure."""

    def __init__(self, detail: str = "This cannot be done just now. Please try again.") -> None:
        super().__init__(503, detail, headers={"Retry-After": "5"})


class Invalid(Problem):
    """A request that can be read but not accepted."""

    def __init__(self, errors: list[FieldError], detail: str | None = None) -> None:
        detail = detail or "; ".join(f"{e.field}: {e.message}" for e in errors)
        super().__init__(422, detail, errors=errors)


def may_answer(*statuses: int) -> Callable[[T], T]:
    """Stands above a dependency, a middleware's class or a route's function that raises these
    problems: the OpenAPI document declares them wherever it is used.

    Of a dependency and a middleware, 409 is declared for writes alone, 412 for those of what is
    there already, and 400, 408 and 413 for operations with a body.
    """

    def declare(target: T) -> T:
        setattr(target, _DECLARED, statuses)
        return target

    return declare


_DECLARED = "__apiwright_problems__"


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem, and its OpenAPI document say so."""
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _outermost)
    app.add_middleware(_Unhandled)
    document = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_problems(app, document())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


class _Unhandled:
    """Answers what nobody handled, inside the other middlewares: theirs are then the headers of
    this answer too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:
            pass  # nobody is there to be answered
        except Exception as error:
            if begun:  # the server logs it, and cuts the connection so that the client notices
                raise
            if isinstance(error, HTTPException):  # of a middleware
                await _problem(error).response()(scope, receive, send)
                return
            # not the path: what was sent may hold secrets
            name = getattr(scope.get("endpoint"), "__qualname__", "")
            logger.error("%s %s failed", scope["method"], name, exc_info=error)
            await _unhandled(scope)(scope, receive, send)
            if "http.response.debug" in scope.get("extensions", ()):
                raise  # Starlette's TestClient, which shows it to the test


async def _outermost(request: Request, error: Exception) -> Response:
    """What a middleware outside `_Unhandled` raised; the server logs it."""
    return _unhandled(request.scope)


def _unhandled(scope: Scope) -> Response:
    problem = Problem(500, "Something went wrong here. It has been logged.")
    return problem.response(scope.get(_REQUEST_ID))


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in (204, 304):  # which have no body
        return Response(status_code=error.status_code, headers=error.headers)
    problem = _problem(error)
    if error.status_code == 405 and problem is not error:
        problem.headers = {**(error.headers or {}), **_allowed(request)}
    return problem.response()


def _allowed(request: Request) -> dict[str, str]:
    """Every method of the path, as RFC 9110 wants it; the framework names those of one route."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    methods = {
        method
        for context in iter_route_contexts(request.app.routes)
        if (pattern := getattr(context, "path_regex", None)) and pattern.match(path)
        for method in context.methods or ()
    }
    return {"Allow": ", ".join(sorted(methods))} if methods else {}


def _problem(error: HTTPException) -> Problem:
    if isinstance(error, Problem):
        return error
    return Problem(error.status_code, str(error.detail), headers=error.headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    known = _names(request.app, request.scope.get("endpoint"))
    # only place and message: `input` and `ctx` would echo what was sent, passwords included
    return Invalid(
        [
            FieldError(field=_place(e["loc"], known), message=_message(e))
            for e in error.errors()[:_MOST_ERRORS]
        ]
    ).response()


def _place(location: Iterable[str | int], known: frozenset[str]) -> str:
    """Keys of a dictionary and unknown fields are the client's words: they are not repeated."""
    return ".".join(
        str(part) if isinstance(part, int) or part in known else "*" for part in location
    )


def _message(error: dict[str, Any]) -> str:
    if error["type"] == "union_tag_invalid":  # its message repeats the tag that was sent
        return f"Input should have one of the tags {error['ctx']['expected_tags']}"
    message: str = error["msg"]
    return message.removeprefix("Value error, ")


@lru_cache(maxsize=1000)
def _names(app: FastAPI, endpoint: Callable[..., Any] | None) -> frozenset[str]:
    """What the schemas of a route's parameters and body say: names of fields, tags, models."""
    names = {"body", "cookie", "header", "path", "query"}
    for context, dependant in _operations(app):
        if context.endpoint is endpoint:
            for each in _walk(dependant):
                names.update(_words_of(each))
    return frozenset(names)


def _words_of(dependant: Dependant) -> Iterator[str]:
    for field in (
        *dependant.path_params,
        *dependant.query_params,
        *dependant.header_params,
        *dependant.cookie_params,
        *dependant.body_params,
    ):
        yield field.alias
        annotation: Any = field.field_info.annotation
        try:
            schema = TypeAdapter(annotation).json_schema()
        except PydanticUserError:  # a type that JSON Schema cannot say
            continue
        yield from _words(schema)


def _words(schema: Any) -> Iterator[str]:
    if isinstance(schema, str):
        yield schema
        yield schema.replace("_", "-")  # as headers are written
    elif isinstance(schema, dict):
        for name, part in schema.items():
            yield from _words(name)
            yield from _words(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _words(part)


def _operations(app: FastAPI) -> Iterator[tuple[RouteContext, Dependant]]:
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context, "dependant", None)
        if dependant is not None:  # otherwise a plain Starlette route: the docs page, files
            yield context, dependant


def _walk(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for below in dependant.dependencies:
        yield from _walk(below)


def _with_problems(app: FastAPI, document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with our errors in place of FastAPI's."""
    components = document.setdefault("components", {})
    schemas, shared = components.setdefault("schemas", {}), components.setdefault("responses", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    details = ProblemDetails.model_json_schema(ref_template=_SCHEMA.format("{model}"))
    schemas.update(details.pop("$defs"))
    schemas["ProblemDetails"] = details
    for context, dependant in _operations(app):
        for method in context.methods or ():
            operation = document["paths"].get(context.path_format, {}).get(method.lower())
            if operation is None:  # not in the document
                continue
            answers = operation["responses"]
            for status in _statuses(app, context, dependant, method, operation):
                _declare(answers, status, shared)
            operation["responses"] = dict(sorted(answers.items()))
    components["responses"] = dict(sorted(shared.items()))
    return document


_SCHEMA = "#/components/schemas/{}"
_ONLY_WITH_BODY = {400, 408, 413}
_ONLY_OF = {409: {"POST", "PUT", "PATCH", "DELETE"}, 412: {"PUT", "PATCH", "DELETE"}}
_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}


def _statuses(
    app: FastAPI,
    context: RouteContext,
    dependant: Dependant,
    method: str,
    operation: dict[str, Any],
) -> set[int]:
    """The problems that an operation may answer with."""
    has_body, answers = "requestBody" in operation, operation["responses"]
    middlewares = (middleware.cls for middleware in app.user_middleware)
    dependencies = (each.call for below in dependant.dependencies for each in _walk(below))
    expected = {
        status
        for source in (*middlewares, *dependencies)
        for status in _declared(source)
        if (has_body or status not in _ONLY_WITH_BODY) and method in _ONLY_OF.get(status, (method,))
    }
    # what the project says itself: a route's own, above its function or in `responses`
    expected.update(_declared(context.endpoint))
    expected.update(int(status) for status in answers if status.isdigit() and status >= "400")
    always = {
        400: has_body,  # it cannot be read
        401: bool(operation.get("security")),
        404: "{" in (context.path_format or ""),
        413: context.max_body_size is not None and has_body,
        500: True,
    }
    return expected | {status for status, holds in always.items() if holds}


def _declared(source: Any) -> tuple[int, ...]:
    declared: tuple[int, ...] = getattr(inspect.unwrap(source), _DECLARED, ())
    return declared


def _declare(answers: dict[str, Any], status: int, shared: dict[str, Any]) -> None:
    phrase = _phrase(status)
    name = f"Error{status}" if phrase == "Error" else re.sub(r"\W", "", phrase)
    known = answers.get(str(status), {})
    kind = known.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref")
    ours = {_SCHEMA.format(model) for model in ("ProblemDetails", "HTTPValidationError")}
    if "content" in known and kind not in ours:
        return  # another body, which the project declares
    content = {MEDIA_TYPE: {"schema": {"$ref": _SCHEMA.format("ProblemDetails")}}}
    answer: dict[str, Any] = {"description": phrase, "content": content}
    if status in _HEADERS:
        answer["headers"] = {_HEADERS[status]: {"schema": {"type": "string"}}}
    if known.get("description", phrase) != phrase and kind != _SCHEMA.format("HTTPValidationError"):
        answers[str(status)] = answer | {"description": known["description"]}
        return
    shared[name] = answer
    answers[str(status)] = {"$ref": f"#/components/responses/{name}"}
