import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlmodel import col, select
from starlette.types import Message, Receive, Scope, Send

from apiwright.kit import logins, logs, problems
from apiwright.kit.database import Database
from apiwright.kit.identifiers import uuid7
from apiwright.kit.logins import claims_of
from tests.kit.conftest import Settings, TwoUsers
from tests.kit.models import Task

DATABASE_PASSWORD = "pa55-of-the-database"
FORMATS = pytest.mark.parametrize("environment", ["production", "development"])
UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")
logger = logging.getLogger("shop.orders")


def settings_for(environment: str, **more: Any) -> Settings:
    return Settings(
        fastapi_env=environment,
        database_url=SecretStr(f"postgresql://ada:{DATABASE_PASSWORD}@127.0.0.1:1/shop"),
        secret_key=SecretStr("the-key-that-signs-the-tokens-of-the-shop"),
        **more,
    )


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `logs` configures belongs to the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    kept = {name: vars(logging.getLogger(name)).copy() for name in UVICORN}
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    root.handlers, root.level = handlers, level
    for name, state in kept.items():
        vars(logging.getLogger(name)).update(state)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> "Said":
    return Said(capsys)


class Said:
    """What was written to stderr since the last question."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def text(self) -> str:
        return self._capsys.readouterr().err

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


def test_a_record_is_one_line_of_json(said: Said) -> None:
    logs.configure(settings_for("production"))
    logger.warning("sold %d", 3, extra={"order": {"id": 7}, "level": "mine"})
    structlog.get_logger("shop.orders").info("bought %d", 3, name="tea", args=[1])
    standard, of_structlog = said.records()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}\+00:00", standard.pop("time"))
    assert standard == {
        "level": "warning",
        "logger": "shop.orders",
        "event": "sold 3",
        "order": {"id": 7},
    }
    del of_structlog["time"]
    assert of_structlog == {
        "level": "info",
        "logger": "shop.orders",
        "event": "bought 3",
        "name": "tea",
        "args": [1],
    }


def test_in_development_it_is_a_line_for_people(said: Said) -> None:
    logs.configure(settings_for("development"))
    logger.warning("sold", extra={"order": 7, "to": "Ada Lovelace"})
    line = said.text()
    assert re.fullmatch(
        r'\d\d:\d\d:\d\d WARNING  shop\.orders: sold order=7 to="Ada Lovelace"\n', line
    )


@FORMATS
def test_configured_again_a_record_is_still_written_once(environment: str, said: Said) -> None:
    logging.getLogger().addHandler(logging.StreamHandler())  # as basicConfig does
    for _ in range(3):
        logs.install(FastAPI(), settings_for(environment))
    logger.warning("sold")
    structlog.get_logger("shop").warning("bought")
    lines = said.text().splitlines()
    assert [("sold" in line, "bought" in line) for line in lines] == [(True, False), (False, True)]


def test_below_its_level_nothing_is_made_of_a_record(said: Said) -> None:
    class Unasked:
        def __str__(self) -> str:
            raise AssertionError

    logs.configure(settings_for("production", log_level="WARNING"))
    logger.info("%s", Unasked())
    structlog.get_logger("shop").info(Unasked())
    assert said.text() == ""


def test_warnings_are_records(said: Said) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure(settings_for("production"))
        warnings.warn("password=hunter2", stacklevel=1)
    (record,) = said.records()
    assert record["logger"] == "py.warnings"
    assert "UserWarning: password=[hidden]" in record["event"]


def test_a_line_that_stderr_does_not_take_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logging.getLogger().handlers.clear()
    logs.configure(settings_for("development"))
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stderr", ascii_only)
    logger.warning("ä password=hunter2")
    ascii_only.seek(0)
    assert ascii_only.read() == "a record could not be written\n"


class Unwilling:
    def __str__(self) -> str:
        raise RuntimeError("no")


@FORMATS
def test_a_record_that_cannot_be_written_is_not_lost(environment: str, said: Said) -> None:
    logging.getLogger().handlers.clear()  # pytest's would raise
    logs.configure(settings_for(environment))
    logger.info("%d password=hunter2", "hunter2")
    logger.info("unwilling", extra={"x": Unwilling()})
    logger.info(Unwilling())
    logger.info("huge", extra={"x": 10**5000})
    structlog.get_logger("shop").info("%d", "hunter2")
    text = said.text()
    assert len(text.splitlines()) == 5
    assert text.count("a record could not be written") == 4
    assert text.count("test_logs.py:") >= 3
    assert "unwilling" in text
    assert "hunter2" not in text


FORGED = (
    '\n{"level": "critical", "event": "forged"}\r\n12:00:00 CRITICAL x: forged\u2028\x1b[2J\x85'
)


@FORMATS
def test_a_value_cannot_begin_a_line(environment: str, said: Said) -> None:
    app = FastAPI()
    logs.install(app, settings_for(environment, access_log=True))
    said.text()
    logger.info("message %s", FORGED, extra={"value": FORGED, FORGED: [FORGED]})
    structlog.get_logger(FORGED).info(FORGED, **{FORGED: {FORGED: FORGED}})
    assert len(said.text().splitlines()) == 2
    TestClient(app).get("/" + "".join(f"%{byte:02x}" for byte in FORGED.encode()))
    client, access = said.text().splitlines()
    assert "HTTP Request" in client  # httpx's own
    assert "forged" in access
    assert "\x1b" not in access


@FORMATS
def test_an_exception_cannot_begin_a_line_either(environment: str, said: Said) -> None:
    logs.configure(settings_for(environment))
    try:
        raise ValueError(FORGED)
    except ValueError:
        logger.exception("failed")
    first, *others = said.text().rstrip("\n").split("\n")
    assert "failed" in first
    assert all(line.startswith("  | ") for line in others)
    assert (others == []) == (environment == "production")
    assert not {"\r", "\x1b", "\u2028"} & set("".join(others))


def test_a_request_has_its_id_in_every_record_and_in_the_answer(said: Said) -> None:
    app = FastAPI()

    @app.get("/async")
    async def on_the_loop(request: Request) -> str:
        logger.info("first")
        structlog.contextvars.bind_contextvars(order=7)
        structlog.get_logger("shop").info("second")
        return str(request.scope["apiwright.request_id"])

    @app.get("/sync")
    def in_a_thread() -> None:
        logger.info("third")

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        logger.info("fourth")
        await websocket.close()

    logs.install(app, settings_for("production"))
    client = TestClient(app)
    answer = client.get("/async", headers={"X-Request-ID": "Abc-1.2_3"})
    assert answer.headers["X-Request-ID"] == answer.json() == "Abc-1.2_3"
    ids = [client.get("/sync").headers["X-Request-ID"] for _ in range(2)]
    with client.websocket_connect("/socket", headers={"X-Request-ID": "ws"}) as connection:
        assert dict(connection.extra_headers or []) == {b"x-request-id": b"ws"}
    logger.info("outside")
    records = [record for record in said.records() if record["logger"].startswith("shop")]
    assert [(r["event"], r.get("request_id")) for r in records] == [
        ("first", "Abc-1.2_3"),
        ("second", "Abc-1.2_3"),
        ("third", ids[0]),
        ("third", ids[1]),
        ("fourth", "ws"),
        ("outside", None),
    ]
    assert records[1]["order"] == 7
    assert len({*ids}) == 2


@pytest.mark.anyio
async def test_after_a_request_in_the_same_task_its_id_is_gone(said: Said) -> None:
    app = FastAPI()
    logs.install(app, settings_for("production"))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.get("/")
    said.text()
    logger.warning("outside")
    assert "request_id" not in said.text()


@pytest.mark.anyio
async def test_a_client_that_went_away_is_not_answered_and_no_error(said: Said) -> None:
    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def unused(message: Message) -> None:
        raise AssertionError

    app = FastAPI()
    app.mount("/", reads)
    logs.install(app, settings_for("production", access_log=True))
    await app({"type": "http", "method": "POST", "path": "/", "headers": []}, gone, unused)
    (record,) = said.records()
    assert (record["level"], record["status"]) == ("info", 499)


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "ä", 'a"', "a=b", "a;b", "a/b"])
def test_an_id_that_is_not_sane_is_replaced(given: str) -> None:
    app = FastAPI()
    logs.install(app, settings_for("production"))
    answer = TestClient(app).get("/", headers={b"X-Request-ID": given.encode("latin-1")})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_a_500_carries_the_id_of_its_record(said: Said) -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    async def fails() -> None:
        raise RuntimeError("broken")

    logs.install(app, settings_for("production"))
    answer = TestClient(app, raise_server_exceptions=False).get("/")
    (record,) = [record for record in said.records() if "broken" in record.get("exception", "")]
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == record["request_id"]


def test_an_app_in_an_app_keeps_the_request_its_id(said: Said) -> None:
    inner, outer = FastAPI(), FastAPI()
    for app in (inner, outer):
        logs.install(app, settings_for("production", access_log=True))
    outer.mount("/inner", inner)
    answer = TestClient(outer).get("/inner/docs")
    assert len(answer.headers.get_list("X-Request-ID")) == 1
    (access,) = [record for record in said.records() if record["logger"] == "apiwright.access"]
    assert access["request_id"] == answer.headers["X-Request-ID"]


def test_an_access_record_says_what_was_asked_without_its_values(said: Said) -> None:
    app = FastAPI()
    logs.install(app, settings_for("production", access_log=True))
    TestClient(app).post("/nowhere?q=private")
    (record,) = [record for record in said.records() if record["logger"] == "apiwright.access"]
    assert record.pop("ms") >= 0
    assert len(record.pop("request_id")) == 32
    assert record.pop("time")
    assert record == {
        "level": "info",
        "logger": "apiwright.access",
        "event": "request",
        "method": "POST",
        "path": "/nowhere",
        "status": 404,
    }


def test_an_access_record_says_who_asked_where_that_is_known(said: Said) -> None:
    app, settings = FastAPI(), settings_for("production", access_log=True)
    logins.install(app, settings)

    @app.get("/asks")
    async def asks(request: Request) -> bool:
        return claims_of(request.scope) is not None

    logs.install(app, settings)
    user_id = uuid7()
    headers = {"Authorization": f"Bearer {app.state.tokens.issue(user_id).access_token}"}
    for path in ("/asks", "/else"):
        TestClient(app).get(path, headers=headers)
    records = [record for record in said.records() if record["logger"] == "apiwright.access"]
    assert [record.get("user_id") for record in records] == [str(user_id), None]


@pytest.mark.parametrize(
    ("environment", "asked", "written"),
    [
        ("development", None, True),
        ("development", False, False),
        ("production", None, False),
        ("production", True, True),
    ],
)
def test_access_records_are_for_development_or_on_demand(
    environment: str, asked: bool | None, written: bool, said: Said
) -> None:
    app = FastAPI()
    logs.install(app, settings_for(environment, access_log=asked))
    TestClient(app).get("/nowhere")
    assert ("apiwright.access" in said.text()) == written


@pytest.mark.anyio
async def test_a_slow_statement_is_logged_without_its_values(
    configured: Settings, url: str, users: TwoUsers, caplog: pytest.LogCaptureFixture
) -> None:
    configured.slow_statement_ms = 0
    database = Database(url, configured)
    async with database.session(users.ada) as session:
        await session.exec(select(Task).where(col(Task.title) == "private"))
        await session.unscoped(reason="a test").add(Task(title="private", owner_id=users.ada))
    await database.close()
    slow = [record for record in caplog.records if record.message == "slow statement"]
    assert [vars(record)["statement"].split()[0] for record in slow] == ["SELECT", "INSERT"]
    assert "task.title = $1" in vars(slow[0])["statement"]
    assert isinstance(vars(slow[0])["ms"], int)
    assert all("private" not in str(vars(record)) for record in slow)


@pytest.mark.anyio
async def test_a_quick_statement_is_not_logged(
    database: Database, users: TwoUsers, caplog: pytest.LogCaptureFixture
) -> None:
    async with database.session(users.ada) as session:
        await session.exec(select(Task))
    assert "slow" not in caplog.text


# a real server, and everything it writes

SECRETS = {
    # where it is planted by each route of the app below: the form in which it looks like a secret
    "named": "password={}",
    "bearer": "Authorization: Bearer {}",
    "url": "postgresql://ada:{}@db.example/shop",
    "query": "https://example.com/cb?code={}",
    "json": '{{"api_key": "{}"}}',
    "cookie": "{{'cookie': 'sid={}; theme=dark'}}",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{}",
    "detail": "duplicate key\nDETAIL:  Key (email)=({}) already exists.",
    "argument": "invalid input for query argument $1: '{}' (expected str, got int)",
}
APP = """
import json, logging, os, threading, warnings
from typing import ClassVar
import structlog
from fastapi import FastAPI, Request, WebSocket
from pydantic import BaseModel
from apiwright.kit import logs, problems, settings

class Settings(settings.Settings):
    app_name: ClassVar[str] = "planted"

configured = Settings()
planted = json.loads(os.environ["PLANTED"])
planted["known"] = "it is " + configured.database_url.get_secret_value()[17:37]  # the password
logger, other = logging.getLogger("shop"), structlog.get_logger("shop")

class Kept(BaseModel):
    kept: int

def fail(text: str) -> None:
    try:
        raise KeyError(text, {"deep": [text]})
    except KeyError as error:
        error.add_note(text)
        raise ExceptionGroup(text, [RuntimeError(text), ValueError(text, text)]) from error

def everywhere(text: str, value: str) -> None:
    logger.info("message " + text)
    logger.info("arguments %s %r", text, {"x": text})
    logger.info("extra", extra={"x": text, "deep": [{"y": (text,)}], "password": value, text: 1})
    headers = [("Authorization", value), (b"cookie", value.encode())]
    logger.info("headers", extra={"headers": headers})
    other.info("structlog " + text, x=text, deep={"api_key": {"y": value}}, error=ValueError(text))
    other.bind(y=text).warning("bound %s", text)
    warnings.warn("warned " + text)
    logger.info("said twice " + json.dumps({"body": json.dumps({"password": value})}))
    try:
        fail(text)
    except ExceptionGroup as error:
        logger.exception("caught %s", error)
        other.exception("caught", error=error)
    thread = threading.Thread(target=fail, args=[text])
    thread.start()
    thread.join()

app = FastAPI()
problems.install(app)

@app.get("/everywhere")
async def log_everywhere() -> int:
    for name, text in planted.items():
        everywhere(text, os.environ["VALUE"])
    return len(planted)

@app.get("/fails/{name}")
async def fails(name: str) -> None:
    fail(planted[name])

@app.get("/request")
async def request(request: Request) -> None:
    logger.info("asked %s", request.scope["headers"], extra={"headers": request.headers})
    logger.info("%s %s", request.url, request.scope, extra={"url": request.url})

@app.post("/login")
async def login(data: dict[str, str]) -> None:
    logger.info("body", extra={"data": data})
    logger.info("body %s", data)

@app.get("/wrong", response_model=Kept)
async def wrong() -> dict[str, dict[str, str]]:
    return {"kept": {"anything": os.environ["VALUE"]}}

@app.post("/reads")
async def reads(request: Request) -> None:
    logger.info("waiting")
    await request.body()

@app.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    raise RuntimeError(planted["named"])

@app.get("/lost")
async def lost() -> None:
    logger.info("%d" , os.environ["VALUE"])

logs.install(app, configured)
"""
VALUE = "pl4nted-everywhere"


class Server:
    def __init__(self, folder: Path, process: "subprocess.Popen[str]") -> None:
        self.socket = folder / "s"
        self._process = process
        self._written = folder / "written"

    def client(self) -> httpx2.Client:
        return httpx2.Client(
            transport=httpx2.HTTPTransport(uds=str(self.socket)), base_url="http://shop.example"
        )

    def end(self) -> str:
        """Everything that the process wrote."""
        self._process.terminate()
        self._process.wait(timeout=20)
        return self._written.read_text()


def environment_of(name: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "FASTAPI_ENV": name,
        "DATABASE_URL": f"postgresql://ada:{DATABASE_PASSWORD}@127.0.0.1:1/shop",
        "SECRET_KEY": "the-key-that-signs-the-tokens-of-the-shop",
        "PLANTED": json.dumps({name: form.format(VALUE) for name, form in SECRETS.items()}),
        "VALUE": VALUE,
    }


@contextmanager
def serving(
    folder: Path,
    environment: str,
    *options: str,
    command: Sequence[str] = ("-m", "uvicorn", "planted_app:app", "--uds", "s"),
    **variables: str,
) -> Iterator[Server]:
    (folder / "planted_app.py").write_text(APP)
    written = folder / "written"
    with written.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *command, *options],
            cwd=folder,
            env=environment_of(environment) | variables,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        wait_for(written, "Application startup complete")
        yield Server(folder, process)
    finally:
        process.kill()
        process.wait()


def wait_for(written: Path, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in written.read_text():
        assert time.monotonic() < deadline, written.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize("access_log", ["true", "false"])  # false: uvicorn's own
@FORMATS
def test_planted_secrets_never_appear_in_what_the_process_writes(
    environment: str, access_log: str, tmp_path: Path
) -> None:
    with serving(tmp_path, environment, ACCESS_LOG=access_log) as server, server.client() as client:
        headers = {"Authorization": f"Bearer {VALUE}", "Cookie": f"a=b; c={VALUE}"}
        client.headers.update({**headers, "X-Api-Key": VALUE})
        count = client.get("/everywhere", params={"token": VALUE, "code": VALUE}).json()
        for name in (*SECRETS, "known"):
            assert client.get(f"/fails/{name}?token={VALUE}").status_code == 500
        client.get("/request", params={"access_token": VALUE, "code": VALUE})
        client.post("/login", json={"email": "ada@example.com", "password": VALUE})
        client.get("/wrong")
        client.get("/lost")
        client.get(f"/nowhere/eyJhbGciOiJIUzI1NiJ9.{VALUE}.{VALUE}")
        open_socket(server.socket, f"/socket?ticket={VALUE}")
        text = server.end()
    for secret in (VALUE, DATABASE_PASSWORD, "the-key-that-signs"):
        assert re.findall(f".{{0,200}}{secret}.{{0,50}}", text) == []
    assert count == len(SECRETS) + 1
    for place in ("message", "arguments", "extra", "headers", "structlog", "bound", "warned"):
        assert text.count(place) >= count
    assert text.count("nobody caught an exception") == count
    assert text.count("/fails/") >= count
    assert "a record could not be written" in text
    assert "ada@example.com" in text
    if environment == "production":
        ours = text.split('"Started server process')[0].count(
            "\n"
        )  # uvicorn's, before it has an app
        assert all(json.loads(line) for line in text.splitlines()[ours:])


def open_socket(path: Path, target: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(
            f"GET {target} HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        connection.recv(1000)


def test_an_unhandled_exception_is_logged_once_with_the_requests_id(tmp_path: Path) -> None:
    with serving(tmp_path, "production") as server, server.client() as client:
        answer = client.get("/fails/named", headers={"X-Request-ID": "the-one"})
        text = server.end()
    assert answer.headers["X-Request-ID"] == "the-one"
    (line,) = [line for line in text.splitlines() if "Traceback" in line]
    record = json.loads(line)
    assert (record["level"], record["request_id"]) == ("error", "the-one")
    assert 'planted_app.py", line' in record["exception"]
    assert "RuntimeError: password=[hidden]" in record["exception"]


def test_a_client_that_goes_away_is_no_error(tmp_path: Path) -> None:
    with serving(tmp_path, "production", ACCESS_LOG="true") as server:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(server.socket))
            connection.sendall(
                b"POST /reads HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
            )
            wait_for(tmp_path / "written", "waiting")
        wait_for(tmp_path / "written", '"status": 499')
        text = server.end()
    assert not re.search('"level": "(error|critical|warning)"', text)


@pytest.mark.parametrize(
    ("variables", "options", "lines"),
    [
        ({"ACCESS_LOG": "true"}, [], 1),
        ({"ACCESS_LOG": "false"}, [], 1),  # uvicorn's own, which is on when nobody says otherwise
        ({"ACCESS_LOG": "false"}, ["--no-access-log"], 0),
        ({"ACCESS_LOG": "true"}, ["--no-access-log"], 1),
    ],
)
def test_a_request_has_one_access_record_at_most(
    variables: dict[str, str], options: list[str], lines: int, tmp_path: Path
) -> None:
    with serving(tmp_path, "production", *options, **variables) as server:
        with server.client() as client:
            client.get("/docs", headers={"X-Request-ID": "the-one"})
        text = server.end()
    records = [json.loads(line) for line in text.splitlines() if "/docs" in line]
    assert [record["request_id"] for record in records] == ["the-one"] * lines


def test_uvicorn_with_an_app_that_it_is_handed_writes_the_same(tmp_path: Path) -> None:
    run = "import uvicorn, planted_app; uvicorn.run(planted_app.app, uds='s')"
    with serving(tmp_path, "production", command=["-c", run]) as server:
        text = server.end()
    (ended,) = [line for line in text.splitlines() if "shutdown complete" in line]
    assert json.loads(ended)["logger"] == "uvicorn.error"


def test_what_nobody_caught_is_a_record(tmp_path: Path) -> None:
    code = (
        "import gc, planted_app\n"
        "class Dies:\n"
        "    def __del__(self): planted_app.fail(planted_app.planted['named'])\n"
        "Dies(); gc.collect(); planted_app.fail(planted_app.planted['named'])"
    )
    (tmp_path / "planted_app.py").write_text(APP)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment_of("production"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert [record["event"] for record in records] == ["nobody caught an exception"] * 2
    assert VALUE not in done.stderr


def test_a_response_that_is_sent_again_gets_the_new_id_alone() -> None:
    app = FastAPI()
    kept = JSONResponse({})
    app.add_api_route("/", lambda: kept)
    logs.install(app, settings_for("production"))
    client = TestClient(app)
    for given in ("first", "second"):
        answer = client.get("/", headers={"X-Request-ID": given})
        assert answer.headers.get_list("X-Request-ID") == [given]
