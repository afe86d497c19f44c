import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from apiwright.kit import redaction
from apiwright.kit.redaction import HIDDEN, hide, redacted, redacted_text
from tests.postgres import execute

PLANTED = "hunter2"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_known", set())
    hide([])
    yield
    monkeypatch.undo()
    hide([])


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2&x=1",
        "password : hunter2",
        "new_password='correct hunter2 battery'",
        r"password='it\'s hunter2'",
        '{"password": "with spaces hunter2", "x": 1}',
        r'{"body": "{\"password\": \"in JSON hunter2\"}"}',
        "User(id=1, password_hash='hunter2 x', email='ada@example.com')",
        "host=db password=hunter2 user=ada",
        "passwords: ['a', 'hunter2']",
        "tokens={'a': 'hunter2'}",
        "aws_secret_access_key = hunter2",
        "X-Api-Key: hunter2",
        "?token=hunter2",
        "csrf_token=hunter2; x",
        "Bearer hunter2",
        "token: Bearer hunter2",
        "Authorization: Digest username=ada, response=hunter2",
        "Cookie: theme=dark; sid=hunter2; x=hunter2",
        "{'authorization': 'Bearer hunter2', 'cookie': 'a=b; c=hunter2'}",
        "[(b'cookie', b'a=hunter2; d=hunter2'), (b'host', b'example.com')]",
        "postgresql://ada:hunter2@db/shop",
        "postgresql://ada:hunt@er2/hunter2@db:5432/shop",
        "redis://:hunter2@cache/0",
        'HTTP Request: GET https://maps.example/api?key=hunter2 "HTTP/1.1 200 OK"',
        "https://bucket.example/x?X-Amz-Signature=hunter2&Expires=1",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.hunter2",
        r"\nBearer hunter2 \neyJhbGciOiJIUzI1NiJ9.hunter2",
        r"\nsid=hunter2 \nsk-hunter2hunter2hunter2",
        "$2b$12$hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunt",
        "user_otp=hunter2",
        "x-auth: hunter2",
        "redis://ada:hunter'2'hunter2@cache",
        "$argon2id$v=19$m=65536,t=3,p=4$hunter2$hunter2",
        "sk-proj-hunter2hunter2hunter2",
        "-----BEGIN PRIVATE KEY-----\nhunter2\nhunter2",
        "duplicate key\nDETAIL:  Key (email)=(hunter2\nand hunter2) already exists.\nHINT:  none",
        "invalid input for query argument $1: 'hunter2' (expected str, got int)",
        'invalid input syntax for type uuid: "hunter2"',
        "[SQL: INSERT INTO x]\n[parameters: ('a', 'hunter2')]",
        "{'type': 'int_type', 'loc': ('response', 'kept'), 'input': {'kept': 'hunter2'}}",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    shown = redacted_text(text)
    assert PLANTED not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/tasks/0191 200",
        "loaded 3 tasks for ada@example.com in 5 ms: ok",
        "serving on http://127.0.0.1:8000/docs",
        "see http://host:8080/path, ada@example.com",
        "max_tokens=100, total_tokens: 5",
        'SELECT u.password_hash FROM "user" u WHERE u.password_hash = $1::VARCHAR AND x',
        "UPDATE u SET password=$1, token=$2 WHERE id = $3",
        "wrong password for ada",
        'the index "user_email_key" has a key',
    ],
)
def test_what_looks_like_none_stays(text: str) -> None:
    assert redacted_text(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    text = "a password=hunter2 b\nDETAIL: x\nHINT:  c\n[parameters: (1)]\nd"
    shown = redacted_text(text).replace(HIDDEN, "?")
    assert shown == "a password=? b\nDETAIL: ?\nHINT:  c\n[parameters: ?]\nd"


def test_names_of_secrets_hide_what_they_name_at_any_depth() -> None:
    assert redacted(
        {
            "user": {"name": "ada", "Password": PLANTED, "pins": [{"api_key": 12345}]},
            "headers": [("Set-Cookie", PLANTED), (b"authorization", PLANTED), ("host", "x")],
            "token": None,
            "has_password": True,
            "max_tokens": 100,
            b"note": b"password=hunter2",
            "password=hunter2": 1,
        }
    ) == {
        "user": {"name": "ada", "Password": HIDDEN, "pins": [{"api_key": HIDDEN}]},
        "headers": [["Set-Cookie", HIDDEN], ["authorization", HIDDEN], ["host", "x"]],
        "token": None,
        "has_password": True,
        "max_tokens": 100,
        "note": f"password={HIDDEN}",
        f"password={HIDDEN}": HIDDEN,
    }


def test_known_secrets_are_hidden_wherever_they_are() -> None:
    hide(["correct-horse", "eightlet", "short"])
    assert redacted_text("xcorrect-horsex eightlet short") == f"x{HIDDEN}x {HIDDEN} short"
    assert redacted_text("the eightletters stay") == "the eightletters stay"
    assert redacted({"correct-horse": 1}) == {HIDDEN: 1}


class Unwilling:
    def __str__(self) -> str:
        raise RuntimeError(PLANTED)


class Model(BaseModel):
    password: SecretStr
    kept: int


def test_whatever_a_value_is_it_becomes_json_and_ends() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    assert redacted(Unwilling()) == "<Unwilling that cannot be shown>"
    assert "…" in str(redacted(endless))
    assert len(redacted(list(range(1000)))) == 201
    assert len(redacted(dict.fromkeys(range(1000)))) == 201
    assert redacted(float("nan")) == "nan"
    assert redacted(SecretStr(PLANTED)) == "**********"
    assert len(redacted_text("word " * 50_000)) < 60_000


def test_a_cut_text_ends_before_a_secret_not_in_it() -> None:
    text = "x " * 24_990 + "postgresql://ada:" + PLANTED * 10_000 + "@db/shop"
    assert PLANTED not in redacted_text(text)


async def fails(url: str, statement: str, *values: object) -> str:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement, *values)
    except Exception as error:
        return str(error)
    finally:
        await connection.close()
    raise AssertionError


@pytest.mark.anyio
async def test_values_in_the_words_of_postgres_are_hidden(url: str) -> None:
    await execute(url, "CREATE TABLE note (id uuid UNIQUE, t text UNIQUE CHECK (t <> ''), n int)")
    insert = "INSERT INTO note (t) VALUES ($1)"
    await execute(url, f"INSERT INTO note (t) VALUES ('{PLANTED}')")
    said = [
        await fails(url, insert, PLANTED),
        await fails(url, insert, {"a": PLANTED}),
        await fails(url, f"INSERT INTO note (id) VALUES ('{PLANTED}')"),
        await fails(
            url,
            "ALTER TABLE note ALTER n SET NOT NULL; "
            + f"INSERT INTO note (t) VALUES ('{PLANTED}x')",
        ),
    ]
    assert all(HIDDEN in redacted_text(text) or PLANTED not in text for text in said)
    assert all(PLANTED not in redacted_text(text) for text in said)
    assert "note_t_key" in redacted_text(said[0])


def test_values_in_the_words_of_pydantic_are_hidden() -> None:
    with pytest.raises(ValidationError) as raised:
        Model.model_validate({"password": "x", "kept": {"deep": PLANTED}})
    assert PLANTED in str(raised.value)
    assert PLANTED not in redacted_text(str(raised.value))


@pytest.mark.parametrize(
    "piece",
    ["://a:", "password", "password='", "password=[", r"password\'", "eyJa", "DETAIL:", "\nDETAIL:",
     "input_value=", "'input': ", "invalid input syntax for ", "for query argument $1: (",
     "-----BEGIN PRIVATE KEY-----", "x://a?", "bearer ", "\\", "auth-", "$argon2", "sk-"],
)  # fmt: skip
def test_its_time_grows_no_faster_than_the_text(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_LONGEST", 200_000)
    text = (piece * 150_000)[:150_000] + ":"
    started = time.process_time()
    redacted_text(text)
    assert time.process_time() - started < 3  # linear 0.1, quadratic 8
