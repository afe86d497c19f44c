"""Logs: one line a record, JSON outside development, secrets hidden, each with the id of the
request that it belongs to.

Records of structlog, of the standard library's logging, of uvicorn and Python's warnings go through
one chain (`_Line`) to stderr.
"""

import json
import logging
import os
import re
import sys
import threading
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from random import getrandbits
from time import perf_counter
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import unquote, urlsplit

import structlog
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import get_contextvars
from structlog.processors import format_exc_info
from structlog.stdlib import BoundLogger, LoggerFactory, ProcessorFormatter, filter_by_level
from structlog.types import EventDict

from apiwright.kit import telemetry
from apiwright.kit.headers import header
from apiwright.kit.redaction import hide, redacted, redacted_text
from apiwright.kit.settings import Settings

REQUEST_ID = "apiwright.request_id"
"""In the ASGI scope: the id of the request."""

logger = logging.getLogger("apiwright.logs")
access_logger = logging.getLogger("apiwright.access")

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_STARTS = ("http.response.start", "websocket.accept")
_GONE = 499  # nginx's: the client went away before the answer


def install(app: FastAPI, settings: Settings) -> None:
    """Configure the process's logging, and give each request its id: X-Request-ID, as it came or a
    new one, in the ASGI scope, in every record, in the response. Install it last: the middleware
    that is added last is the outermost."""
    configure(settings)
    telemetry.install()
    app.add_middleware(_Requests, access_log=_wants_access_log(settings))


def configure(settings: Settings) -> None:
    """Configure the process's logging alone, for what is no app: a job, a script. Again is no
    harm: the last settings hold, and the secrets of all of them stay hidden."""
    hide(_secrets_of(settings))
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, _Stderr) or type(handler) is logging.StreamHandler:  # basicConfig's
            root.removeHandler(handler)
    handler = _Stderr()
    handler.setFormatter(_Line(readable=settings.development))
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    structlog.configure(
        processors=[filter_by_level, ProcessorFormatter.wrap_for_formatter],
        logger_factory=LoggerFactory(),
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(True)
    _take_over_hooks()
    _take_over_uvicorn(_wants_access_log(settings))


def _wants_access_log(settings: Settings) -> bool:
    return settings.development if settings.access_log is None else settings.access_log


def _secrets_of(settings: Settings) -> set[str]:
    """What the settings keep secret; of a URL, the password."""
    found = set()
    for value in vars(settings).values():
        for secret in value if isinstance(value, list) else [value]:
            if isinstance(secret, SecretStr):
                text = secret.get_secret_value()
                password = _password_in(text)
                found |= {password, unquote(password)} if "://" in text else {text}
    return found


def _password_in(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def _take_over_uvicorn(access_log: bool) -> None:
    """Its records go where all go. Ours replace its access records, and those that were switched
    off stay off."""
    for name in ("uvicorn", "uvicorn.error"):
        taken = logging.getLogger(name)
        taken.handlers.clear()
        taken.propagate = True
    access = logging.getLogger("uvicorn.access")
    if access_log or access.handlers:
        access.handlers.clear()
        access.propagate = not access_log


def _take_over_hooks() -> None:
    """What Python itself writes of exceptions that nobody caught, unless somebody else does."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _uncaught_elsewhere
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _uncaught_elsewhere


def _uncaught(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), traceback)
    elif not issubclass(kind, SystemExit):
        logger.critical("nobody caught an exception", exc_info=(kind, error, traceback))


def _uncaught_elsewhere(what: Any) -> None:  # the arguments' types differ, their names do not
    _uncaught(what.exc_type, what.exc_value, what.exc_traceback)


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever sys.stderr is at the time."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # an attribute there
        return sys.stderr

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's
        """For a line that stderr does not take; logging's own way would show what it hides."""
        with suppress(Exception):
            sys.stderr.write("a record could not be written\n")


class _Line(logging.Formatter):
    """Makes a line of a record."""

    def __init__(self, *, readable: bool) -> None:
        super().__init__()
        self._as_line = _readable if readable else _json

    def format(self, record: logging.LogRecord) -> str:
        try:
            return self._as_line(record, redacted(_event_of(record)))
        except Exception as error:  # such as arguments that do not fit: the record is not lost
            event = {
                "event": "a record could not be written",
                "template": redacted_text(record.msg) if isinstance(record.msg, str) else None,
                "where": f"{record.filename}:{record.lineno}",
                "why": type(error).__name__,
            }
            return self._as_line(record, event)


_OF_EVERY_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"}


def _event_of(record: logging.LogRecord) -> EventDict:
    """What a record says: `event`, the request it belongs to, and whatever was given with it."""
    given: EventDict
    if isinstance(record.msg, dict) and hasattr(record, "_logger"):  # structlog's
        given = dict(record.msg)
        text = str(given.get("event", ""))
        if arguments := given.pop("positional_args", None):
            text = text % arguments
    else:
        given = {k: v for k, v in vars(record).items() if k not in _OF_EVERY_RECORD}
        text = record.getMessage()
        if record.exc_info:
            given["exc_info"] = record.exc_info
    if record.name.startswith("uvicorn"):
        text = re.sub(r"\?[^\s\"]*", "?…", text)  # what was asked for may be a secret
    event: EventDict = {"event": text.strip()}
    if request_id := _request_id.get():
        event["request_id"] = request_id
    return format_exc_info(
        None, "", {**event, **telemetry.ids(), **get_contextvars(), **given, **event}
    )


def _json(record: logging.LogRecord, event: dict[str, Any]) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    facts = {
        "time": moment.isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
    }
    # in ASCII, with every control character escaped: one line for every reader of lines
    return json.dumps(facts | event | facts)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_COLORS = {"WARNING": 33, "ERROR": 31, "CRITICAL": 31}


def _readable(record: logging.LogRecord, event: dict[str, Any]) -> str:
    """For a person at a terminal: one line, and below it, set in, the lines of a traceback."""
    event = dict(event)
    said, traceback = str(event.pop("event")), str(event.pop("exception", ""))
    time = f"{datetime.fromtimestamp(record.created):%H:%M:%S}"  # noqa: DTZ006  # as on the wall
    level = f"{record.levelname:<8}"
    what = _escaped(f"{record.name}: {said}")
    details = _escaped("".join(f" {key}={_shown(value)}" for key, value in event.items()))
    below = "".join(f"\n  | {_escaped(line)}" for line in traceback.split("\n") if traceback)
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        level = f"\x1b[{_COLORS.get(record.levelname, 32)}m{level}\x1b[0m"
        details = f"\x1b[2m{details}\x1b[0m"
    return f"{time} {level} {what}{details}{below}"


def _shown(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[^\s\"'=]+", value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class _Requests:
    def __init__(self, app: ASGIApp, access_log: bool) -> None:
        self._app = app
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":  # uvicorn configures its loggers after an app that it is handed
            _take_over_uvicorn(self._access_log)
        if kind == "lifespan" or REQUEST_ID in scope:  # of an app that this one is mounted in
            await self._app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID] = _given(scope) or f"{getrandbits(128):032x}"
        header = (b"x-request-id", request_id.encode())
        status = 0
        started = perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in _STARTS:
                status = message.get("status", 101)
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        before = _request_id.set(request_id)
        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            pass  # which is no error
        except BaseException:
            status = status or 500
            raise
        finally:
            if self._access_log and kind == "http":
                _log_access(scope, status or _GONE, perf_counter() - started)
        # after an exception it stays: the server logs that, and its record carries the id, too
        _request_id.reset(before)


def _given(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    return given.decode() if _SANE.fullmatch(given) else ""


def _log_access(scope: Scope, status: int, seconds: float) -> None:
    if not access_logger.isEnabledFor(logging.INFO):
        return
    facts = {"method": scope["method"], "path": scope["path"][:2000], "status": status}
    facts["ms"] = round(seconds * 1000, 1)
    claims = scope.get("apiwright.claims")  # known if a route asked `kit.logins`; nobody asks here
    if claims is not None:
        facts["user_id"] = claims.user_id
    access_logger.info("request", extra=facts)
