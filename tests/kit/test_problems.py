import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import pytest
from fastapi import (
    APIRouter,
    Depends,
    FastAPI,
    Form,
    Header,
    HTTPException,
    Query,
    Request,
    UploadFile,
)
from fastapi.responses import StreamingResponse
from fastapi.security import OAuth2PasswordBearer
from fastapi.testclient import TestClient
from httpx2 import ASGITransport, AsyncClient
from pydantic import AnyUrl, BaseModel, ConfigDict, EmailStr, Field, SecretStr, field_validator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apiwright.kit import problems
from apiwright.kit.problems import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    ProblemDetails,
    Unauthorized,
    Unavailable,
    may_answer,
)
from tests.documented import DocumentedClient, check

pytestmark = pytest.mark.anyio

SENT = "hunter22"  # what must not come back


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Everything(BaseModel):
    whole: int = 0
    number: float = 0
    price: Decimal = Decimal(0)
    day: date = date.min
    moment: datetime = datetime.max.replace(tzinfo=UTC)
    span: timedelta = timedelta()
    key: UUID = UUID(int=0)
    email: EmailStr = "ada@example.com"
    url: AnyUrl = AnyUrl("https://example.com")
    word: Literal["a", "b"] = "a"
    short: str = Field("", max_length=3)
    pattern: str = Field("a", pattern="^a$")
    password: SecretStr = Field(SecretStr(""), max_length=3)
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat(kind="cat")
    numbers: list[int] = []
    flag: bool = False
    even: int = 0

    @field_validator("even")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("This is odd.")
        return value


class Secret(BaseModel):
    kept: int


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pets: list[Cat | Dog] = []
    inner: "Strict | None" = None
    renamed: int = Field(0, alias="re-named")


app = FastAPI(docs_url=None, redoc_url=None)
problems.install(app)


@app.post("/everything")
async def everything(data: Everything) -> None: ...


@app.post("/many")
async def many(data: list[Secret]) -> None: ...


@app.post("/counts")
async def counts(data: dict[str, int]) -> None: ...


@app.post("/strict")
async def strict(data: Strict) -> None: ...


@app.get("/strict")
async def strict_query(data: Annotated[Strict, Query()]) -> None: ...


@app.post("/form")
async def form(number: Annotated[int, Form()], file: UploadFile | None = None) -> None: ...


@app.get("/places/{place_id}")
async def places(place_id: int, limit: int = 1, x_depth: Annotated[int, Header()] = 1) -> None: ...


class Sent(BaseModel):
    x_depth: int = 1


@app.get("/headers")
async def headers(data: Annotated[Sent, Header()]) -> None: ...


@app.get("/raise/{status}")
@may_answer(410, 499, 520, 599)
async def raise_http(status: int, request: Request) -> None:
    detail: Any = request.query_params.get("detail")
    raise HTTPException(status, detail, headers={"X-Kept": "yes"})


@app.get("/raise-dict")
@may_answer(400)
async def raise_dict() -> None:
    raise HTTPException(400, {"code": "out_of_stock"})


@app.get("/unhandled")
async def unhandled() -> None:
    raise RuntimeError(f"relation {SENT} does not exist")


@app.get("/unhandled-group")
async def unhandled_group() -> None:
    raise ExceptionGroup("several", [RuntimeError(SENT), ValueError(SENT)])


@app.get("/wrong-response", response_model=Secret)
async def wrong_response() -> dict[str, str]:
    return {"kept": SENT}


@app.get("/half")
async def half() -> StreamingResponse:
    async def content() -> AsyncIterator[str]:
        yield "half"
        raise RuntimeError(SENT)

    return StreamingResponse(content())


@app.post("/upload")
async def upload(request: Request) -> int:
    return sum([len(chunk) async for chunk in request.stream()])


client = DocumentedClient(app, raise_server_exceptions=False)


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    """The body, after what holds for every problem."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert SENT not in answer.text
    body: dict[str, Any] = answer.json()
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert isinstance(body["title"], str)
    assert isinstance(body["detail"], str)
    return body


def send_json(path: str, content: bytes) -> Any:
    return client.post(path, content=content, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("problem", "status", "headers"),
    [
        (Unauthorized(), 401, {"WWW-Authenticate": "Bearer"}),
        (Forbidden(), 403, {}),
        (NotFound(), 404, {}),
        (Conflict(), 409, {}),
        (Invalid([FieldError(field="body.a", message="This is odd.")]), 422, {}),
        (Unavailable(), 503, {"Retry-After": "5"}),
        (Problem(418, "Short and stout.", headers={"X-Pot": "1"}), 418, {"X-Pot": "1"}),
    ],
)
def test_a_problem_raised_below_a_route_is_the_answer(
    problem: Problem, status: int, headers: dict[str, str]
) -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    async def raises() -> None:
        raise problem

    answer = TestClient(app).get("/")
    assert problem_of(answer, status)["detail"] == problem.detail
    assert all(answer.headers[name] == value for name, value in headers.items())


def test_an_unknown_path_and_a_wrong_method_are_problems() -> None:
    assert problem_of(client.get("/nowhere"), 404)["title"] == "Not Found"
    answer = client.get("/everything")
    problem_of(answer, 405)
    assert answer.headers["Allow"] == "POST"


def test_a_wrong_method_is_told_every_method_of_the_path() -> None:
    app = FastAPI()
    problems.install(app)
    router = APIRouter(prefix="/cats")
    for method in ("GET", "PATCH", "DELETE"):
        router.add_api_route("/{name}", lambda: None, methods=[method])
    app.include_router(router)

    @app.post("/cats")
    async def create() -> None: ...

    client = TestClient(app, root_path="/behind")
    assert client.put("/cats/tom").headers["Allow"] == "DELETE, GET, PATCH"
    assert client.options("/behind/cats/tom").headers["Allow"] == "DELETE, GET, PATCH"
    assert client.get("/cats").headers["Allow"] == "POST"


def test_fastapis_own_exception_keeps_its_detail_and_headers() -> None:
    answer = client.get("/raise/410", params={"detail": "It was sold."})
    assert problem_of(answer, 410)["detail"] == "It was sold."
    assert answer.headers["X-Kept"] == "yes"


def test_a_detail_that_is_no_text_becomes_text() -> None:
    assert "out_of_stock" in problem_of(client.get("/raise-dict"), 400)["detail"]


@pytest.mark.parametrize("status", [499, 520, 599])
def test_a_status_that_nobody_registered_is_a_problem_too(status: int) -> None:
    assert problem_of(client.get(f"/raise/{status}?detail=x"), status)["title"] == "Error"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_gets_none(status: int) -> None:
    answer = client.get(f"/raise/{status}")
    assert (answer.status_code, answer.content) == (status, b"")
    assert answer.headers["X-Kept"] == "yes"


@pytest.mark.parametrize("path", ["/unhandled", "/unhandled-group", "/wrong-response"])
def test_what_nobody_handled_tells_nothing(path: str) -> None:
    body = problem_of(client.get(path), 500)
    assert body["detail"] == "Something went wrong here. It has been logged."


def test_a_test_sees_what_nobody_handled() -> None:
    with pytest.raises(RuntimeError, match="does not exist"):
        TestClient(app).get("/unhandled")


async def call(app: ASGIApp, path: str, *received: Message, **scope: Any) -> list[Message]:
    """What the app sends, when a server calls it."""
    sent: list[Message] = []
    messages = iter(received)

    async def receive() -> Message:
        for message in messages:
            return message
        return await asyncio.Future()  # the client waits

    async def send(message: Message) -> None:
        sent.append(message)

    given = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    await app({**given, **scope}, receive, send)
    return sent


async def test_what_nobody_handled_is_logged_once_and_not_left_to_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent = await call(app, "/unhandled")
    assert sent[0]["status"] == 500
    assert [(each.name, each.getMessage()) for each in caplog.records] == [
        ("apiwright.problems", "GET unhandled failed")
    ]
    assert caplog.records[0].exc_info is not None


async def test_an_answer_that_breaks_off_is_left_to_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(RuntimeError, match=SENT):
        await call(app, "/half")
    assert caplog.records == []


async def test_a_client_that_leaves_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "apiwright")
    part: Message = {"type": "http.request", "body": b"half", "more_body": True}
    gone: Message = {"type": "http.disconnect"}
    assert await call(app, "/upload", part, gone, method="POST") == []
    assert caplog.records == []


async def test_the_request_id_is_in_the_answer_when_there_is_one() -> None:
    sent = await call(app, "/unhandled", **{"apiwright.request_id": "r1"})
    assert json.loads(sent[1]["body"])["request_id"] == "r1"
    sent = await call(app, "/unhandled")
    assert "request_id" not in json.loads(sent[1]["body"])


class Marks:
    """A middleware, as CORS is one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-mark", b"yes"))
            await send(message)

        await self.app(scope, receive, marked)


class Refuses:
    """A middleware that raises."""

    def __init__(self, app: ASGIApp, error: Exception) -> None:
        self.error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raise self.error


@pytest.mark.parametrize(("error", "status"), [(RuntimeError(SENT), 500), (NotFound(), 404)])
async def test_what_an_inner_middleware_raises_is_a_problem_too(
    error: Exception, status: int
) -> None:
    app = FastAPI()
    app.add_middleware(Refuses, error)
    problems.install(app)
    app.add_middleware(Marks)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/")
    problem_of(answer, status)
    assert answer.headers["X-Mark"] == "yes"


def test_what_an_outer_middleware_raises_is_a_problem_too() -> None:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(Refuses, RuntimeError(SENT))
    problem_of(TestClient(app, raise_server_exceptions=False).get("/"), 500)


def test_a_detail_that_has_no_encoding_is_told_without_it() -> None:
    answer = Problem(409, "There is \ud800 already.").response()
    assert json.loads(bytes(answer.body))["detail"] == "There is ? already."


@pytest.mark.parametrize("field", Everything.model_fields)
@pytest.mark.parametrize(
    "value",
    [
        SENT,
        SENT * 100,
        [SENT],
        {"kind": SENT},
        {"kind": "cat", "x": SENT},
        {SENT: SENT},
        f"{SENT}@",
    ],
    ids=["text", "long", "list", "tag", "dict", "key", "email"],
)
def test_nothing_that_was_sent_comes_back(field: str, value: object) -> None:
    answer = client.post("/everything", json={field: value})
    if answer.status_code != 200:
        body = problem_of(answer, 422)
        assert all(error["field"].startswith(f"body.{field}") for error in body["errors"])


def test_a_password_beside_a_wrong_field_does_not_come_back() -> None:
    sent = {"password": SENT, "whole": None, "url": f"https://ada:{SENT}@"}
    problem_of(client.post("/everything", json=sent), 422)


def test_every_wrong_field_is_named_with_its_place() -> None:
    answer = client.get("/places/here", params={"limit": SENT}, headers={"X-Depth": SENT})
    errors = problem_of(answer, 422)["errors"]
    assert [error["field"] for error in errors] == [
        "path.place_id",
        "query.limit",
        "header.x-depth",
    ]
    answer = client.get("/headers", headers={"X-Depth": SENT})
    assert problem_of(answer, 422)["errors"][0]["field"] in ("header.x-depth", "header.x_depth")


@pytest.mark.parametrize("key", [SENT, "\ud800", "1", "\x00", "a.b", "x" * 10_000])
def test_names_that_the_client_made_up_do_not_come_back(key: str) -> None:
    for path, sent in (("/counts", {key: "x"}), ("/strict", {key: 1}), ("/strict", {key: {}})):
        body = problem_of(send_json(path, json.dumps(sent).encode()), 422)
        assert body["errors"][0]["field"] in ("body.*", "body")
    body = problem_of(client.get("/strict", params={SENT: 1}), 422)
    assert [error["field"] for error in body["errors"]] == ["query.*"]


def test_names_that_the_schema_knows_do_come_back() -> None:
    sent = {"inner": {"pets": [{"kind": "cat"}, {"kind": SENT}], "re-named": SENT, SENT: 1}}
    body = problem_of(client.post("/strict", json=sent), 422)
    assert [error["field"] for error in body["errors"]] == [
        "body.inner.pets.1.Cat.kind",
        "body.inner.pets.1.Dog.kind",
        "body.inner.re-named",
        "body.inner.*",
    ]


def test_a_validators_own_words_are_told_as_they_are() -> None:
    body = problem_of(client.post("/everything", json={"even": 1}), 422)
    assert body["errors"] == [{"field": "body.even", "message": "This is odd."}]
    assert body["detail"] == "body.even: This is odd."


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"whole": hunter22}',
        b"\xff\xfe",
        b'{"whole": "\xff"}',
        b'{"short": "\\ud800"}',
        b'"hunter22"',
        b"[" * 100_000,
        b'{"whole":' * 10_000,
        b'{"whole": ' + b"1" * 5000 + b"}",
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_body_that_cannot_be_read_is_the_clients_problem(content: bytes) -> None:
    answer = send_json("/everything", content)
    problem_of(answer, 400 if answer.status_code == 400 else 422)


def test_a_body_without_its_content_type_is_the_clients_problem() -> None:
    answer = client.post("/everything", content=b"{}", headers={"Content-Type": "text/plain"})
    problem_of(answer, 422)


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/x-www-form-urlencoded", b"number=hunter22"),
        ("application/x-www-form-urlencoded", b"\xff=%ff&&&==%%%"),
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b"--x\r\nhunter22\r\n"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=" + "x" * 5000, b"--x"),
    ],
)
def test_a_form_that_cannot_be_read_is_the_clients_problem(
    content_type: str, content: bytes
) -> None:
    answer = client.post("/form", content=content, headers={"Content-Type": content_type})
    problem_of(answer, 400 if answer.status_code == 400 else 422)


def test_a_body_wrong_in_very_many_places_costs_a_small_answer() -> None:
    started = time.process_time()
    answer = send_json("/many", json.dumps([{}] * 50_000).encode())
    assert len(problem_of(answer, 422)["errors"]) == 50
    assert len(answer.content) < 10_000
    assert time.process_time() - started < 5


@may_answer(402, 409, 413)
async def paid() -> None: ...


@may_answer(403)
class Needs:
    async def __call__(self, paid: Annotated[None, Depends(paid)]) -> None: ...


@may_answer(429)
class Limited(Marks):
    """A middleware that refuses, too."""


class Documented:
    """The OpenAPI document of an app with one route of each kind."""

    app = FastAPI()
    router = APIRouter(prefix="/included", dependencies=[Depends(Needs())])
    problems.install(app)

    @staticmethod
    @app.get("/open")
    async def open_to_all() -> None: ...

    @staticmethod
    @app.get("/rows/{row_id}", summary="A row")
    async def one_of_many(row_id: int) -> None: ...

    @staticmethod
    @app.post("/signed-in", dependencies=[Depends(OAuth2PasswordBearer("token"))])
    async def signed_in(data: Secret) -> None: ...

    @staticmethod
    @app.post("/upload", max_body_size=100)
    async def upload(file: UploadFile) -> None: ...

    @staticmethod
    @router.get("/read")
    @may_answer(410)
    async def read() -> None: ...

    @staticmethod
    @router.delete("/write")
    async def write() -> None: ...

    @staticmethod
    @router.put("/body")
    async def body(data: Secret) -> None: ...

    @staticmethod
    @app.get(
        "/own",
        responses={
            402: {"model": ProblemDetails, "description": "Pay first."},
            409: {"model": ProblemDetails},
            410: {"model": Secret},
            451: {"description": "Ask a lawyer."},
        },
    )
    async def own() -> None: ...

    @staticmethod
    @app.get("/hidden", include_in_schema=False)
    async def hidden() -> None: ...

    app.include_router(router, prefix="/v1")
    document: ClassVar[dict[str, Any]] = app.openapi()


def statuses(document: dict[str, Any]) -> dict[str, list[int]]:
    """Of each path, the errors of its one operation."""
    return {
        path: [int(status) for status in operation["responses"] if status >= "400"]
        for path, operations in document["paths"].items()
        for operation in operations.values()
    }


def test_the_document_says_which_problems_a_route_has() -> None:
    assert statuses(Documented.document) == {
        "/open": [500],
        "/rows/{row_id}": [404, 422, 500],
        "/signed-in": [400, 401, 422, 500],
        "/upload": [400, 413, 422, 500],
        "/v1/included/read": [402, 403, 410, 500],
        "/v1/included/write": [402, 403, 409, 500],
        "/v1/included/body": [400, 402, 403, 409, 413, 422, 500],
        "/own": [402, 409, 410, 451, 500],
    }


def test_what_a_middleware_may_answer_is_declared_everywhere() -> None:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(Limited)
    app.add_api_route("/", paid)
    assert statuses(app.openapi()) == {"/": [402, 409, 413, 429, 500]}


def test_what_a_project_declares_itself_is_kept() -> None:
    answers = Documented.document["paths"]["/own"]["get"]["responses"]
    problem = {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
    }
    assert answers["402"] == {"description": "Pay first.", "content": problem}
    assert answers["409"] == {"$ref": "#/components/responses/Conflict"}
    assert answers["410"]["content"].keys() == {"application/json"}
    assert answers["451"] == {"description": "Ask a lawyer.", "content": problem}


def test_the_document_says_what_a_problem_looks_like() -> None:
    schemas = Documented.document["components"]["schemas"]
    assert schemas.keys() == {"Body_upload_upload_post", "FieldError", "ProblemDetails", "Secret"}
    assert schemas["ProblemDetails"]["required"] == ["title", "status", "detail"]
    assert schemas["ProblemDetails"]["properties"]["errors"]["type"] == "array"  # never null
    refused = Documented.document["paths"]["/rows/{row_id}"]["get"]["responses"]["422"]
    assert refused == {"$ref": "#/components/responses/UnprocessableContent"}
    components = Documented.document["components"]
    assert components["responses"]["UnprocessableContent"]["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
    }
    text = json.dumps(Documented.document)
    for kind, name in re.findall(r'"#/components/(\w+)/(\w+)"', text):
        assert name in components[kind]


def test_the_document_is_the_same_when_read_again() -> None:
    before = json.dumps(Documented.document)
    assert TestClient(Documented.app).get("/openapi.json").json() == json.loads(before)


def test_an_error_that_nobody_declared_is_found() -> None:
    """Every other test's client looks for it: tests/documented.py."""
    app = FastAPI()
    problems.install(app)

    @app.get("/teapot")
    async def teapot() -> None:
        raise Problem(418, "Short and stout.")

    answer = TestClient(app).get("/teapot")
    with pytest.raises(AssertionError, match="GET /teapot: 418 is not declared"):
        check(app, answer)
