import json
import re
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import pytest
from fastapi import Depends, FastAPI, Form, Header, HTTPException, Request, UploadFile
from fastapi.security import OAuth2PasswordBearer
from fastapi.testclient import TestClient
from pydantic import AnyUrl, BaseModel, EmailStr, Field, SecretStr, field_validator

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
)

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


app = FastAPI(docs_url=None, redoc_url=None)
problems.install(app)


@app.post("/everything")
async def everything(data: Everything) -> None: ...


@app.post("/many")
async def many(data: list[Secret]) -> None: ...


@app.post("/counts")
async def counts(data: dict[str, int]) -> None: ...


@app.post("/small", max_body_size=50)
async def small(data: list[str]) -> None: ...


@app.post("/form")
async def form(number: Annotated[int, Form()], file: UploadFile | None = None) -> None: ...


@app.get("/places/{place_id}")
async def places(place_id: int, limit: int = 1, x_depth: Annotated[int, Header()] = 1) -> None: ...


@app.get("/raise/{status}")
async def raise_http(status: int, request: Request) -> None:
    detail: Any = request.query_params.get("detail")
    raise HTTPException(status, detail, headers={"X-Kept": "yes"})


@app.get("/raise-dict")
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


client = TestClient(app, raise_server_exceptions=False)


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


def test_what_nobody_handled_still_reaches_the_server_and_its_log() -> None:
    with pytest.raises(RuntimeError, match="does not exist"):
        TestClient(app).get("/unhandled")


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


class Documented:
    """The OpenAPI document of an app with one route of each kind."""

    app = FastAPI()
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

    document: ClassVar[dict[str, Any]] = app.openapi()


def test_the_document_says_which_problems_a_route_has() -> None:
    answers = {
        path: {status for operation in operations.values() for status in operation["responses"]}
        for path, operations in Documented.document["paths"].items()
    }
    assert answers == {
        "/open": {"200"},
        "/rows/{row_id}": {"200", "404", "422"},
        "/signed-in": {"200", "401", "422"},
    }


def test_the_document_says_what_a_problem_looks_like() -> None:
    schemas = Documented.document["components"]["schemas"]
    assert schemas.keys() == {"FieldError", "ProblemDetails", "Secret"}
    assert schemas["ProblemDetails"]["required"] == ["title", "status", "detail"]
    refused = Documented.document["paths"]["/rows/{row_id}"]["get"]["responses"]["422"]
    assert refused["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
    }
    text = json.dumps(Documented.document)
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in schemas


def test_the_document_is_the_same_when_read_again() -> None:
    before = json.dumps(Documented.document)
    assert TestClient(Documented.app).get("/openapi.json").json() == json.loads(before)


def test_every_problem_fits_what_the_document_says() -> None:
    for answer in (client.get("/nowhere"), client.post("/many"), client.get("/unhandled")):
        ProblemDetails.model_validate(answer.json(), extra="forbid")
