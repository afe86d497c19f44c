import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, ClassVar
from weakref import ref

import pytest
import uvicorn
from fastapi import Depends, FastAPI, Request, Response, UploadFile, WebSocket
from fastapi.responses import HTMLResponse, StreamingResponse
from fastapi.security import OAuth2PasswordBearer
from fastapi.testclient import TestClient
from httpx2 import ASGITransport, AsyncClient
from pydantic import SecretStr, ValidationError
from starlette.types import Message, Scope
from starlette.websockets import WebSocketDisconnect

from apiwright.kit import docs, health, problems, safety, settings, static
from apiwright.kit.problems import TooMany, may_answer
from tests.documented import DocumentedClient

pytestmark = pytest.mark.anyio

FRONT = "https://app.example.com"


class Settings(settings.Settings):
    app_name: ClassVar[str] = "safety_tests"


def configured(**given: Any) -> Settings:
    return Settings(
        database_url=SecretStr("postgresql://unused"), secret_key=SecretStr("k" * 32), **given
    )


def make(**given: Any) -> FastAPI:
    """An app with a route of each kind, in production unless said otherwise."""
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.get("/")
    async def root() -> str:
        return "here"

    @app.post("/echo")
    async def echo(data: list[str]) -> list[str]:
        return data

    @app.post("/upload", max_body_size=5000)
    async def upload(file: UploadFile) -> int | None:
        return file.size

    @app.post("/tiny", max_body_size=10)
    async def tiny(data: list[str]) -> None: ...

    @app.post("/raw")
    @may_answer(408, 413)
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.get("/signed-in")
    async def signed_in(token: Annotated[str, Depends(OAuth2PasswordBearer("t"))]) -> None: ...

    @app.get("/limited")
    @may_answer(429)
    async def limited() -> None:
        raise TooMany()

    @app.get("/unhandled")
    async def unhandled() -> None:
        raise RuntimeError

    @app.get("/page", response_class=HTMLResponse)
    async def page() -> str:
        return "<p>Hello"

    @app.get("/own")
    async def own() -> Response:
        headers = {
            "Cache-Control": "public, max-age=60",
            "Content-Security-Policy": "sandbox",
            "X-Frame-Options": "SAMEORIGIN",
        }
        return Response(headers=headers)

    @app.get("/tagged")
    async def tagged(response: Response) -> None:
        response.headers["ETag"] = '"1"'

    @app.post("/stream")
    async def stream() -> StreamingResponse:
        async def content() -> AsyncIterator[str]:
            for part in "abc":
                yield part
                await asyncio.sleep(0.1)

        return StreamingResponse(content())

    @app.websocket("/socket")
    async def websocket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    app.include_router(health.router)
    docs.install(app)
    problems.install(app)
    safety.install(app, configured(**given))
    return app


def client_of(**given: Any) -> DocumentedClient:
    return DocumentedClient(make(**given), raise_server_exceptions=False, follow_redirects=False)


# headers


@pytest.mark.parametrize("path", ["/", "/nowhere", "/unhandled", "/signed-in", "/docs"])
def test_every_answer_says_what_a_browser_may_not_do_with_it(path: str) -> None:
    headers = client_of().get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Strict-Transport-Security" not in headers  # this was not HTTPS
    assert headers.get_list("Content-Security-Policy") == [
        static.POLICY if path == "/docs" else "default-src 'none'; frame-ancestors 'none'"
    ]


def test_a_page_of_html_brings_its_own_policy() -> None:
    headers = client_of().get("/page").headers
    assert "Content-Security-Policy" not in headers
    assert headers["X-Frame-Options"] == "DENY"


def test_what_a_route_says_itself_is_kept() -> None:
    headers = client_of().get("/own").headers
    assert headers.get_list("Cache-Control") == ["public, max-age=60"]
    assert headers.get_list("Content-Security-Policy") == ["sandbox"]
    assert headers.get_list("X-Frame-Options") == ["SAMEORIGIN"]


def test_nothing_is_kept_by_caches_unless_its_route_says_so() -> None:
    client = client_of()
    for path in ("/", "/nowhere", "/unhandled", "/signed-in"):
        assert client.get(path).headers["Cache-Control"] == "no-store"
    assert client.get("/tagged").headers["Cache-Control"] == "private, no-cache"


# HTTPS


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_came_to_the_proxy_without_tls_is_sent_to_https(method: str) -> None:
    answer = client_of().request(
        method, "http://shop.example/a%2Fb?c=d%20e", headers={"X-Forwarded-Proto": "http"}
    )
    assert answer.status_code == 307
    assert answer.headers["Location"] == "https://shop.example/a%2Fb?c=d%20e"


@pytest.mark.parametrize(
    ("scheme", "forwarded"),
    [
        ("http", "https"),  # a proxy that the server does not trust
        ("https", "https"),  # one that it does
        ("https", None),  # TLS ends here
        ("https", "http"),
        ("http", "https, http"),  # two proxies
    ],
)
def test_who_came_with_tls_stays_and_is_told_to_go_on_so(
    scheme: str, forwarded: str | None
) -> None:
    headers = {"X-Forwarded-Proto": forwarded} if forwarded else {}
    answer = client_of().get(f"{scheme}://shop.example/", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_behind_a_proxy_that_says_nothing_there_is_no_loop() -> None:
    answer = client_of().get("http://shop.example/")
    assert answer.status_code == 200
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("given", [{"https_only": False}, {"fastapi_env": "development"}])
def test_https_can_be_left_alone(given: dict[str, Any]) -> None:
    for scheme in ("http", "https"):
        answer = client_of(**given).get("/", headers={"X-Forwarded-Proto": scheme})
        assert answer.status_code == 200
        assert "Strict-Transport-Security" not in answer.headers


def test_health_is_asked_without_tls_and_by_address() -> None:
    client = client_of(trusted_hosts=["shop.example"])
    answer = client.get("http://10.0.0.7:8000/health/live", headers={"X-Forwarded-Proto": "http"})
    assert answer.status_code == 200


# hosts


@pytest.mark.parametrize(
    "host",
    [
        "shop.example",
        "SHOP.example",
        "shop.example:8000",
        "a.shop.test",
        "a.b.shop.test",
        "[::1]:80",
    ],
)
def test_a_trusted_host_is_served(host: str) -> None:
    client = client_of(trusted_hosts=["shop.example", "*.shop.test", "[::1]"])
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "shop.test",
        "shop.example.evil.test",
        "evil-shop.example",
        "eshop.test",
        "[::2]",
        "[",
        "x@",
    ],
)
def test_another_host_is_refused(host: str) -> None:
    client = client_of(trusted_hosts=["shop.example", "*.shop.test", "[::1]"])
    answer = client.get("/nowhere", headers={"Host": host})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "This host is not served here."
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/socket", headers={"Host": host}),
    ):
        pass


def test_the_host_that_a_proxy_forwards_is_not_believed() -> None:
    headers = {"Host": "evil.test", "X-Forwarded-Host": "shop.example"}
    assert (
        client_of(trusted_hosts=["shop.example"]).get("/nowhere", headers=headers).status_code
        == 400
    )


def test_websockets_are_let_through() -> None:
    with client_of().websocket_connect("/socket") as connection, pytest.raises(WebSocketDisconnect):
        connection.receive_text()


# CORS


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/nowhere", 404), ("/signed-in", 401), ("/limited", 429), ("/unhandled", 500)],
)
def test_an_allowed_origin_may_read_every_answer(path: str, status: int) -> None:
    answer = client_of(cors_origins=[FRONT]).get(path, headers={"Origin": FRONT})
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == FRONT
    assert answer.headers["Access-Control-Expose-Headers"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


def test_an_allowed_origin_may_read_why_its_body_was_refused() -> None:
    client = client_of(cors_origins=[FRONT], max_body_bytes=100)
    for path in ("/echo", "/raw"):
        answer = client.post(path, content=b"x" * 101, headers={"Origin": FRONT})
        assert answer.status_code == 413
        assert answer.headers["Access-Control-Allow-Origin"] == FRONT


def test_a_preflight_of_an_allowed_origin_is_answered() -> None:
    headers = {
        "Origin": FRONT,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, if-match",
    }
    answer = client_of(cors_origins=[FRONT]).options("/signed-in", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == FRONT
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, if-match"


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://app.example.com",
        "https://app.example.com.evil.test",
        "https://evil.app.example.com",
        "https://app.example.com:8443",
        "https://appxexample.com",
        "https://APP.example.com",
        f"{FRONT} ",
        f"{FRONT}, https://evil.test",
    ],
)
def test_no_other_origin_may_read_anything(origin: str) -> None:
    for origins in ([FRONT], []):
        client = TestClient(make(cors_origins=origins))
        assert (
            "Access-Control-Allow-Origin" not in client.get("/", headers={"Origin": origin}).headers
        )
        preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        assert "Access-Control-Allow-Origin" not in client.options("/", headers=preflight).headers


def test_every_origin_may_be_allowed_and_still_sends_no_cookies() -> None:
    headers = client_of(cors_origins=["*"]).get("/", headers={"Origin": "null"}).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in headers


# settings


@pytest.mark.parametrize(
    "written",
    ["https://a.test,http://localhost:5173", ' ["https://a.test", "http://localhost:5173"]'],
)
def test_lists_are_written_with_commas_or_as_json(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", written.strip())
    monkeypatch.setenv("TRUSTED_HOSTS", "a.test , *.b.test")
    given = configured()
    assert given.cors_origins == ["https://a.test", "http://localhost:5173"]
    assert given.trusted_hosts == ["a.test", "*.b.test"]


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "app.example.com",
        f"{FRONT}/",
        f"{FRONT}/x",
        "https://*.example.com",
        "",
        "https://A.test",
    ],
)
def test_what_is_no_origin_is_refused_in_words(origin: str) -> None:
    with pytest.raises(ValidationError, match="is no origin"):
        configured(cors_origins=[origin])


@pytest.mark.parametrize("host", ["https://a.test", "a.test:80", "a.*", "*a.test", "", "a/b"])
def test_what_is_no_host_is_refused_in_words(host: str) -> None:
    with pytest.raises(ValidationError, match="is no host"):
        configured(trusted_hosts=[host])


# bodies


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size):
        yield b"x"


def in_process(app: FastAPI) -> AsyncClient:
    return AsyncClient(transport=ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(100, 200), (101, 413)])
async def test_a_body_may_be_as_large_as_the_setting_says(
    size: int, status: int, chunked: bool
) -> None:
    async with in_process(make(max_body_bytes=100)) as client:
        answer = await client.post("/raw", content=chunks(size) if chunked else b"x" * size)
    assert answer.status_code == status
    if status == 413:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"] == "A body may have 100 bytes here."


def test_a_route_may_allow_more_or_less() -> None:
    client = client_of(max_body_bytes=100)
    file = {"file": b"x" * 1000}
    assert client.post("/upload", files=file).json() == 1000
    refused = client.post("/upload", files={"file": b"x" * 5000})
    assert refused.json()["detail"] == "A body may have 5000 bytes here."
    assert client.post("/tiny", json=["x"]).status_code == 200
    assert client.post("/tiny", json=["x" * 20]).status_code == 413


def test_the_size_is_that_of_all_of_a_form() -> None:
    fields = {f"f{number}": b"x" * 900 for number in range(10)}
    assert client_of(max_body_bytes=100).post("/upload", files=fields).status_code == 413


def test_a_length_that_is_no_number_is_not_believed() -> None:
    client = client_of(max_body_bytes=100)
    for length in ("-1", "x", "1e3", "\N{SUPERSCRIPT TWO}", "9" * 5000):
        answer = client.post("/raw", content=b"x", headers=[(b"Content-Length", length.encode())])
        assert answer.status_code == (413 if length.startswith("9") else 200)


def test_the_document_declares_what_may_happen_to_a_body() -> None:
    paths = make().openapi()["paths"]
    assert {"400", "408", "413"} <= paths["/echo"]["post"]["responses"].keys()
    assert not {"400", "408", "413"} & paths["/"]["get"]["responses"].keys()


# with a real server


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, lifespan="off", log_config=None, http="httptools", ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve([listening]))
        try:
            yield listening.getsockname()
        finally:
            server.should_exit = True
            await task


HEAD = b"""POST %s HTTP/1.1\r
Host: test\r
Content-Type: application/json\r
Content-Length: 1000\r
\r
"""


async def answer_to(address: tuple[str, int], path: bytes, part: bytes, times: int) -> bytes:
    """What a client reads first who sends a part of the body every 50 ms."""
    reader, writer = await asyncio.open_connection(*address)

    async def send() -> None:
        writer.write(HEAD % path)
        for _ in range(times):
            writer.write(part)
            await asyncio.sleep(0.05)

    sending = asyncio.create_task(send())
    try:
        return await asyncio.wait_for(reader.read(10_000), 10)
    finally:
        sending.cancel()
        writer.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "_PATIENCE", 0.2)
    monkeypatch.setattr(safety, "_SLOWEST", 500)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", [b"/raw", b"/echo"])
@pytest.mark.parametrize("times", [0, 1000], ids=["nothing", "byte by byte"])
async def test_a_body_that_does_not_arrive_is_given_up(path: bytes, times: int) -> None:
    async with serving(make()) as address:
        got = await answer_to(address, path, b"[", times)
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert b"\r\nconnection: close" in head.lower()
    assert json.loads(body)["detail"] == "The body did not arrive in time."


@pytest.mark.usefixtures("impatient")
async def test_a_body_that_arrives_slowly_but_fast_enough_is_read() -> None:
    async with serving(make()) as address:
        got = await answer_to(address, b"/raw", b"x" * 100, 10)
    assert got.startswith(b"HTTP/1.1 200")


@pytest.mark.usefixtures("impatient")
async def test_an_answer_that_takes_long_is_not_given_up() -> None:
    """A streaming response listens for the client that leaves, as if for a body."""
    async with serving(make()) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(HEAD % b"/stream")  # and no body
        got = await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 10)
        writer.close()
    assert got.endswith(b"\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")


async def test_a_client_reads_that_its_body_is_too_large_over_a_real_connection() -> None:
    async with serving(make()) as address, AsyncClient() as client:
        for _ in range(2):
            answer = await client.post(
                f"http://127.0.0.1:{address[1]}/echo", content=b"x" * 20_000_000
            )
            assert answer.status_code == 413


async def test_a_request_that_is_cancelled_is_cancelled() -> None:
    """The server's own cancelling is not mistaken for a body that is late."""
    waits = asyncio.Event()

    async def receive() -> Any:
        waits.set()
        await asyncio.sleep(60)

    async def send(message: Any) -> None: ...

    scope = {"type": "http", "method": "POST", "path": "/raw", "query_string": b"", "headers": []}
    request = asyncio.create_task(make()({**scope, "scheme": "http"}, receive, send))
    await waits.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request


class Exchange:
    """What a server has of a request. Like uvicorn's it holds the scope, receives and sends."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.status: int | None = None

    async def receive(self) -> Message:
        return {"type": "http.request", "body": b""}

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)


async def test_a_request_that_is_over_leaves_nothing_to_be_collected() -> None:
    app = make()
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    exchange = Exchange(scope | {"http_version": "1.1", "scheme": "https"})
    kept = ref(exchange)
    gc.disable()
    try:
        await app(exchange.scope, exchange.receive, exchange.send)
        assert exchange.status == 200
        del exchange
        assert kept() is None
    finally:
        gc.enable()
