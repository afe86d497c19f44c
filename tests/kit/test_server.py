"""Through sockets: what a client may send before there is a request, and how slowly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse
from uvicorn import Config, Server

from apiwright.kit.server import Protocol, _Joined

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nhost: x\r\n"


class Quick(Protocol):
    patience = 0.3


app = FastAPI()


@app.get("/")
async def index() -> str:
    return "here"


@app.post("/")
async def received(request: Request) -> list[int]:
    return [len(await request.body()), len(request.headers)]


@app.get("/slow")
async def slow() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(8):
            await asyncio.sleep(0.1)
            yield b"."

    return StreamingResponse(parts())


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = Server(Config(app, http=Quick, port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # it has no event
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def said(port: int, *parts: bytes) -> bytes:
    """What comes back until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with suppress(ConnectionError):  # it does not listen to the rest
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(10):
            while part := await reader.read(100_000):
                answer += part
    writer.close()
    return answer


HEADERS = b"".join(b"x-%d: y\r\n" % number for number in range(20_000))

TOO_LARGE = {
    "headers": [GET, HEADERS, b"\r\n"],
    "one header": [GET, b"x: " + b"y" * 1_000_000],
    "one header in pieces": [GET, b"x: ", *[b"y" * 1000] * 1000],
    "target": [b"GET /?" + b"y" * 1_000_000],
    "trailers": [b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", HEADERS],
    "extension of a chunk": [
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"y" * 1_000_000
    ],
}


@pytest.mark.parametrize("parts", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_an_endless_head_is_refused(port: int, parts: list[bytes]) -> None:
    answer = await said(port, *parts)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))


async def test_the_refusal_is_a_problem(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    await asyncio.sleep(0.05)  # a part by itself
    writer.write(b"x: " + b"y" * 65_540)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"content-type: application/problem+json" in answer
    assert b'"title": "Request Header Fields Too Large"' in answer
    answer = await said(port, b"what?\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in answer


async def test_a_large_head_and_a_body_much_larger_pass(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: " + b"y" * 60_000
    answer = await said(port, head + b"\r\ncontent-length: 3000000\r\n\r\n", b"y" * 3_000_000)
    assert answer.endswith(b"[3000000,4]")


async def test_many_requests_in_one_piece_are_answered_in_order(port: int) -> None:
    last = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    answer = await said(port, (GET + b"\r\n") * 1000 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 1001
    assert answer.endswith(b"[0,3]")


async def test_trailers_are_no_headers(port: int) -> None:
    chunked = (
        b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    answer = await said(port, chunked, b"1\r\ny\r\n0\r\nauthorization: x\r\n\r\n")
    assert answer.endswith(b"[1,3]")


SLOW = {"nothing": b"", "a part of the head": GET, "line ends": b"\r\n"}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
async def test_who_sends_no_head_is_left(port: int, sent: bytes) -> None:
    assert await said(port, sent) == b""


async def test_a_byte_now_and_then_does_not_help(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET + b"\r\n")
    await reader.readuntil(b'"here"')

    async def drip() -> None:
        while True:
            writer.write(b"\r\n")
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            assert await reader.read() == b""
    dripping.cancel()
    writer.close()


async def test_a_slow_answer_is_waited_for(port: int) -> None:
    close = b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    assert (await said(port, close)).count(b"\r\n.\r\n") == 8


class Pieces:
    """A transport that only notes what would be sent at once."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed_after: int | None = None

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def writelines(self, parts: list[bytes]) -> None:
        self.sent.append(b"".join(parts))

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.closed_after = len(self.sent)


def joined(pieces: Any) -> _Joined:
    return _Joined(pieces, asyncio.get_running_loop())


async def test_head_and_body_are_sent_at_once() -> None:
    pieces = Pieces()
    transport = joined(pieces)
    for part in (b"head", b"body", b"next head", b"next body"):
        transport.write(part)
    await asyncio.sleep(0)
    assert pieces.sent == [b"headbody", b"next headnext body"]


async def test_what_nothing_follows_is_sent_without_delay() -> None:
    pieces = Pieces()
    transport = joined(pieces)
    transport.write(b"head")
    await asyncio.sleep(0)
    assert pieces.sent == [b"head"]


async def test_what_was_written_is_sent_before_the_connection_closes() -> None:
    pieces = Pieces()
    transport = joined(pieces)
    transport.write(b"head")
    transport.close()
    assert (pieces.sent, pieces.closed_after) == ([b"head"], 1)
