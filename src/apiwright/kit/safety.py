"""Web safety: trusted hosts, HTTPS, security headers, CORS, and how large and how slow a body may
be. `install(app, settings)` works on any FastAPI app.
"""

from asyncio import timeout
from time import perf_counter

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apiwright.kit.headers import header
from apiwright.kit.problems import Problem, may_answer
from apiwright.kit.settings import Settings

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_HSTS = (b"strict-transport-security", b"max-age=31536000")  # a year
_NOT_STORED = (b"cache-control", b"no-store")
_ASKED_AGAIN = (b"cache-control", b"private, no-cache")

_HEALTH = ("/health/live", "/health/ready")  # asked by address, and without TLS

_PATIENCE = 30.0  # seconds without a byte of the body
_SLOWEST = 1000  # bytes a second, once that patience has passed

_SIZE = "starlette._body_limit_responder"
"""In the ASGI scope, where Starlette keeps what counts the body: a route's `max_body_size` changes
the limit of the one that it finds. Private; under another name the smaller limit would hold."""


def install(app: FastAPI, settings: Settings) -> None:
    """Install it after whatever else answers, and before the logs: the middleware that is added
    last is the outermost."""
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["*"],
        )
    app.add_middleware(_Safety, settings)


@may_answer(408, 413)
class _Safety:
    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._https = settings.https_only and not settings.development
        self._max_body_bytes = settings.max_body_bytes
        hosts = [host.lower().encode() for host in settings.trusted_hosts]
        self._any_host = b"*" in hosts
        self._hosts = frozenset(hosts)
        self._domains = tuple(host[1:] for host in hosts if host.startswith(b"*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            exchange = _Exchange(scope, receive, send, self._max_body_bytes)
            receive, send = exchange.receive, exchange.send
            if self._https:
                came_by = header(scope, b"x-forwarded-proto").split(b",")[0].strip()
                exchange.secure = scope["scheme"] == "https" or came_by == b"https"
                if came_by == b"http" and not exchange.secure and not _is_health(scope):
                    await _redirect(scope)(scope, receive, send)
                    return
        if kind != "lifespan" and not (self._any_host or self._is_trusted(scope)):
            if kind == "http":
                await Problem(400, "This host is not served here.").response()(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _is_trusted(self, scope: Scope) -> bool:
        host = header(scope, b"host").lower()
        name = host[: host.find(b"]") + 1] if host[:1] == b"[" else host.partition(b":")[0]
        return name in self._hosts or name.endswith(self._domains) or _is_health(scope)


class _Size:
    """Of a body. By itself, because it is in the scope: what is there and holds the scope, or what
    receives and sends, closes a circle, and all of the request stays until that is collected."""

    __slots__ = ("max_body_size", "total_size")

    def __init__(self, max_body_size: int) -> None:
        self.max_body_size = max_body_size
        self.total_size = 0


class _Exchange:
    """One request and its response."""

    __slots__ = (
        "_begun",
        "_complete",
        "_receive",
        "_scope",
        "_send",
        "_size",
        "_waited",
        "secure",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_body_size: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._size = _Size(max_body_size)
        self.secure = False
        self._waited = 0.0  # for the body, in seconds
        self._complete = self._begun = False
        scope.setdefault(_SIZE, self._size)  # one is there already when an outer app limits, too

    async def receive(self) -> Message:
        if self._complete:  # only whether the client leaves: that may take long
            return await self._receive()
        size = self._size
        if not size.total_size:
            length = header(self._scope, b"content-length")
            self._refuse_above(int(length[:20]) if length.isdigit() else 0)
        message = await self._chunk()
        if message["type"] == "http.request":
            size.total_size += len(message.get("body", b""))
            self._refuse_above(size.total_size)
        self._complete = not message.get("more_body", False)
        return message

    def _refuse_above(self, size: int) -> None:
        most = self._size.max_body_size
        if size > most:
            raise Problem(413, f"A body may have {most} bytes here.")

    async def _chunk(self) -> Message:
        late = max(0.0, self._waited - self._size.total_size / _SLOWEST)
        asked = perf_counter()
        try:
            async with timeout(_PATIENCE - late):
                return await self._receive()
        except TimeoutError:
            if self._begun:  # an answer that does not wait for the body
                return await self._receive()
            close = {"Connection": "close"} if self._scope["http_version"] < "2" else None
            raise Problem(408, "The body did not arrive in time.", headers=close) from None
        finally:
            self._waited += perf_counter() - asked

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            headers = list(message.get("headers", ()))
            given = dict(headers)
            headers += [header for header in _HEADERS if header[0] not in given]
            if _POLICY[0] not in given and not _is_html(given):
                headers.append(_POLICY)
            if b"cache-control" not in given:
                headers.append(_ASKED_AGAIN if b"etag" in given else _NOT_STORED)
            if self.secure:
                headers.append(_HSTS)
            message["headers"] = headers
        await self._send(message)


def _is_html(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"").startswith(b"text/html")


def _is_health(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.endswith(_HEALTH)


def _redirect(scope: Scope) -> RedirectResponse:
    host = header(scope, b"host").decode("latin-1").removesuffix(":80")
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"]
    target = path + b"?" + query if query else path
    return RedirectResponse(f"https://{host}{target.decode('latin-1')}")
