"""How large the head of a request may be, and how slow: what uvicorn leaves open, and an app never
sees. And an answer's head is sent together with its body. `apiwright dev` and `run` serve with it,
and `uvicorn --http apiwright.kit.server:Protocol`.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from apiwright.kit.problems import Problem

_PIECE = 8192  # bytes, after which is counted


class _Joined:
    """A transport that sends what is written twice in a row at once: head and body of an answer,
    each of which would be a system call and a packet. What nothing follows is not held."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.original = transport
        self.is_closing = transport.is_closing
        self._loop = loop
        self._held: bytes | None = None
        self._timer: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        held, self._held = self._held, None
        if held is None:
            self._held = data
            self._timer = self._loop.call_soon(self._flush)
        else:
            self._stop()
            self.original.writelines([held, data])

    def close(self) -> None:
        self._stop()
        self._flush()
        self.original.close()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self.original.write(held)

    def __getattr__(self, name: str) -> Any:  # as the transport has it
        return getattr(self.original, name)


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, which ends a connection that keeps it waiting for a head."""

    largest_head = 65_536  # bytes, give or take a piece or two
    patience = 30.0  # seconds

    def __init__(self, *arguments: Any, **options: Any) -> None:  # as uvicorn calls it
        super().__init__(*arguments, **options)
        self._received = 0  # bytes since there was a head, or a part of a body
        self._waiting_since: float | None = None  # for a head; None: it is there
        self._timer: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        joined: Any = _Joined(transport, self.loop)
        super().connection_made(joined)
        self._waiting_since = self.loop.time()
        self._timer = self.loop.call_later(self.patience, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

    def handle_websocket_upgrade(self) -> None:
        self._stop()
        self.transport = self.transport.original  # type: ignore[attr-defined]  # it is ours
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            if self._refused:
                return
            self._received += len(piece)
            super().data_received(piece)
            if self._received > self.largest_head:  # also of trailers, or of a chunk's extension
                self._refuse(431, f"The head of a request may have {self.largest_head} bytes here.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._received = 0
        self._waiting_since = self.loop.time()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._received = 0
        self._waiting_since = None
        self.headers = [*self.headers]  # trailers, which come later, are not the app's headers

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._received = 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._waiting_since is None:
            self._waiting_since = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "This is not HTTP as it should be.")

    def _refuse(self, status: int, detail: str) -> None:
        self._refused, cycle = True, self.cycle
        if self._is_answering() and not cycle.more_body:
            cycle.keep_alive = False  # what was asked before is answered, and then it ends
            return
        if not (self._is_answering() and (cycle.response_started or self.pipeline)):
            response = Problem(status, detail).response()
            headers = [*response.raw_headers, (b"connection", b"close")]
            lines = b"".join([b"%s: %s\r\n" % header for header in headers])
            self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + bytes(response.body))
        self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _look(self) -> None:
        """One timer a connection, so that a request costs none."""
        now = self.loop.time()
        since = now if self._waiting_since is None or self._is_answering() else self._waiting_since
        if now - since >= self.patience:
            self.transport.close()
        else:
            self._timer = self.loop.call_at(since + self.patience, self._look)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
