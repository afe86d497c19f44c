"""One app of somebody's, asked in many ways: what comes back, and what is measured meanwhile."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiwright.checks.app import App, Request
from apiwright.checks.starting import Started, running_app
from apiwright.checks.users import Credential, User
from apiwright.errors import ApiwrightError
from apiwright.project.load import read
from tests.project.projects import write

MAIN = """
import asyncio
import logging
import os
import time

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response, StreamingResponse

logger = logging.getLogger("shop")
logger.propagate = False
ready = []

async def lifespan(app):
    ready.append("started")
    yield {"color": "green"}

from contextlib import asynccontextmanager

app = FastAPI(lifespan=asynccontextmanager(lifespan))
waiting = asyncio.Event()

@app.post("/echo")
async def echo(request: Request):
    body = await request.body()
    told = {name: value for name, value in request.headers.items()}
    return {"body": body.decode(), "headers": told, "query": str(request.query_params)}

@app.get("/ready")
def get_ready(request: Request):
    return {"ready": ready, "color": request.state.color}

@app.get("/bytes")
def get_bytes():
    return Response(b"\\xff\\x00", media_type="application/octet-stream")

@app.get("/says")
def says():
    print("printed")
    logger.warning("the password is %s", "hunter2")
    return {}

def deep():
    raise LookupError("nothing there")

@app.get("/fails")
def fails():
    deep()

def stands_still():
    time.sleep(0.2)

@app.get("/still")
async def still():
    stands_still()

@app.get("/moves")
async def moves():
    await asyncio.sleep(0.2)

@app.get("/thread")
def thread():
    time.sleep(0.2)

@app.get("/endless")
async def endless():
    async def parts():
        while True:
            yield b"part"
            await asyncio.sleep(0.01)
    return StreamingResponse(parts())

@app.get("/never")
async def never():
    await asyncio.sleep(60)

@app.get("/meet")
async def meet():
    if waiting.is_set():
        waiting.clear()
        return "second"
    waiting.set()
    while waiting.is_set():
        await asyncio.sleep(0.001)
    return "first"

@app.get("/ends")
def ends():
    os._exit(3)

@app.get("/limited")
def limited(request: Request):
    if request.client.host == ready[-1]:
        raise HTTPException(429)
    ready.append(request.client.host)

@app.get("/reaches")
def reaches():
    import socket
    socket.create_connection(("192.0.2.1", 80), timeout=1)
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    folder = write(tmp_path_factory.mktemp("app"), {"main.py": MAIN})
    with running_app(read(folder), Path(sys.executable), 60) as started:
        yield started


@pytest.fixture(scope="module")
def app(started: Started) -> App:
    return started.app


def test_a_request_reaches_the_app_as_it_was_made(app: App) -> None:
    answer = app.request("POST", "/echo?a=1&b=2", json={"x": 1}, headers={"X-Kind": "new"})
    assert answer.status == 200
    assert answer.json["body"] == '{"x": 1}'
    assert answer.json["query"] == "a=1&b=2"
    assert answer.json["headers"]["x-kind"] == "new"
    assert answer.json["headers"]["content-type"] == "application/json"
    assert str(answer).startswith("POST /echo?a=1&b=2 -> 200 {")


def test_a_form_is_sent_as_one(app: App) -> None:
    answer = app.request("POST", "/echo", form={"name": "a b"})
    assert answer.json["body"] == "name=a+b"
    assert answer.json["headers"]["content-type"] == "application/x-www-form-urlencoded"


def test_the_lifespan_ran_and_its_state_is_there(app: App) -> None:
    assert app.request("GET", "/ready").json["color"] == "green"


def test_bytes_that_are_no_text_come_back_as_they_are(app: App) -> None:
    assert app.request("GET", "/bytes").body == b"\xff\x00"


def test_what_the_app_says_while_it_answers_is_told_with_the_answer(app: App) -> None:
    answer = app.request("GET", "/says")
    assert "printed" in answer.output
    assert [(log.level, log.text) for log in answer.logs if log.logger == "shop"] == [
        ("WARNING", "the password is hunter2")
    ]
    assert "printed" not in app.request("GET", "/ready").output


def test_an_exception_is_told_with_the_projects_own_line(app: App) -> None:
    answer = app.request("GET", "/fails")
    assert answer.status == 500
    assert answer.error is not None
    assert (answer.error.type, answer.error.message) == ("LookupError", "nothing there")
    assert answer.error.file == "main.py"
    assert MAIN.splitlines()[(answer.error.line or 0) - 1].strip() == (
        'raise LookupError("nothing there")'
    )


def test_a_loop_that_stands_still_is_seen_with_its_line(app: App) -> None:
    answer = app.request("GET", "/still")
    assert answer.stall > 0.15
    file, line, function = answer.stalls[0].frames[0]
    assert (file, function) == ("main.py", "stands_still")
    assert MAIN.splitlines()[line - 1].strip() == "time.sleep(0.2)"


@pytest.mark.parametrize("path", ["/moves", "/thread"])
def test_waiting_that_lets_others_go_on_is_no_stall(app: App, path: str) -> None:
    answer = app.request("GET", path)
    assert answer.seconds > 0.15
    assert [stall for stall in answer.stalls if stall.frames] == []


def test_an_endless_answer_is_cut(app: App) -> None:
    answer = app.request("GET", "/endless")
    assert answer.cut
    assert answer.body.startswith(b"partpart")


def test_a_request_that_takes_too_long_is_given_up(app: App) -> None:
    answer = app.request("GET", "/never", seconds=0.3)
    assert (answer.status, answer.cut) == (None, True)


def test_requests_together_are_answered_at_the_same_time(app: App) -> None:
    one = Request.of("GET", "/meet")
    assert {answer.json for answer in app.together([one, one])} == {"first", "second"}


def test_where_a_rate_limit_answers_it_is_asked_from_another_address(app: App) -> None:
    assert [app.request("GET", "/limited").status for _ in range(3)] == [200, 200, 200]
    assert app.notes == ["A rate limit answered (429): asked again, from another address."]


def test_the_network_is_not_there(app: App) -> None:
    answer = app.request("GET", "/reaches")
    assert answer.error is not None
    assert "reach the network" in answer.error.message


def test_an_app_that_a_request_ends_is_started_again(app: App) -> None:
    answer = app.request("GET", "/ends")
    assert answer.status is None
    assert answer.error is not None
    assert answer.error.message == "it ended the process (exit status 3)"
    assert app.request("GET", "/ready").ok


def test_after_its_time_nothing_is_sent(started: Started) -> None:
    app = started.app
    kept, app.deadline = app.deadline, time.monotonic() - 1
    with pytest.raises(ApiwrightError, match="no time left"):
        app.request("GET", "/ready")
    app.deadline = kept


def test_a_curl_line_shows_a_name_for_a_users_token_and_a_forged_one_itself() -> None:
    user = User("B", Credential("authorization", "Bearer {}", "secret"))
    request = Request.of("POST", "/tasks", json={"title": "it's"}, user=user)
    assert request.curl == (
        "curl -i -X POST http://127.0.0.1:8000/tasks -H 'content-type: application/json'"
        """ -H "authorization: Bearer $TOKEN_B" -d '{"title": "it'"'"'s"}'"""
    )
    forged = Request.of("GET", "/tasks", user=user.with_token("forged"))
    assert forged.curl.endswith("-H 'authorization: Bearer forged'")
