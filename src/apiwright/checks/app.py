"""The project's app, running in its own interpreter: requests go in, answers come out.

No network is between. The app works on a copy of the project, in the cage that `inspect` uses,
with a throwaway database; it is started again when a request has ended its process.
"""

import base64
import json as jsons
import math
import queue
import re
import shlex
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urlencode

from apiwright.errors import ApiwrightError
from apiwright.project import running

SECONDS = 5.0  # for a request
_SHORT = 1.0
_MOST = 1_000_000  # bytes of a body
_GRACE = 10.0  # a loop that stands still does not keep its limits
_MOST_DEATHS = 3
_MINUTES = 60
_SHOWN = 300
_TODO = "See which request ends it, or use --static."
_ADDRESS = "http://127.0.0.1:8000"


class Caller(Protocol):
    """Who sends a request."""

    @property
    def name(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def is_forged(self) -> bool: ...


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """With its query."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    hidden: tuple[str, ...] = ()
    """Names of headers that hold a user's credential."""
    user: str | None = None

    @classmethod
    def of(
        cls,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,  # what JSON can say
        form: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        user: Caller | None = None,
    ) -> "Request":
        sent = {"host": "127.0.0.1:8000", "accept": "application/json"}
        content = body or b""
        if json is not None:
            content, sent["content-type"] = jsons.dumps(json).encode(), "application/json"
        elif form is not None:
            content = urlencode(form, doseq=True).encode()
            sent["content-type"] = "application/x-www-form-urlencoded"
        credential = {name.lower(): value for name, value in user.headers.items()} if user else {}
        sent |= credential
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        if content or method in {"POST", "PUT", "PATCH"}:
            sent["content-length"] = str(len(content))
        hidden = tuple(name for name in credential if sent[name] == credential[name])
        if user and user.is_forged:
            hidden = ()
        return cls(method, path, tuple(sent.items()), content, hidden, user.name if user else None)

    @property
    def curl(self) -> str:
        """A user's credential is shown as $TOKEN_A."""
        words = ["curl", "-i"]
        if self.method != "GET":
            words += ["-X", self.method]
        words.append(shlex.quote(_ADDRESS + self.path))
        for name, value in self.headers:
            if name in self.hidden:
                scheme, space, _ = value.partition(" ")
                start = scheme + space if space else ""
                words += ["-H", f'"{name}: {start}$TOKEN_{(self.user or "").upper()}"']
            elif name not in {"host", "accept", "content-length"}:
                words += ["-H", shlex.quote(f"{name}: {value}")]
        if self.body:
            words += ["-d", shlex.quote(self.body.decode(errors="replace"))]
        return " ".join(words)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Error:
    """An exception that nobody caught, or the end of the process."""

    type: str
    message: str
    file: str | None
    """The innermost of the project's own lines."""
    line: int | None


@dataclass(frozen=True)
class Stall:
    """A time in which the event loop answered nobody."""

    seconds: float
    frames: tuple[tuple[str, int, str], ...]
    """Where it stood: file, line and function of the project, the innermost first."""
    inmost: str
    """The innermost of all."""


@dataclass(frozen=True)
class Log:
    logger: str
    level: str
    text: str


@dataclass(frozen=True)
class Answer:
    request: Request
    status: int | None
    """None: there was none."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    cut: bool = False
    """It was too long, or did not end in time."""
    seconds: float = 0.0
    stall: float = 0.0
    """The longest that the loop stood still meanwhile, in seconds."""
    stalls: tuple[Stall, ...] = ()
    logs: tuple[Log, ...] = ()
    """As `output`, of all requests that were sent together."""
    output: str = ""
    error: Error | None = None

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @cached_property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @cached_property
    def json(self) -> Any:  # what JSON can say
        """None where it is not JSON."""
        try:
            return jsons.loads(self.body)
        except ValueError:
            return None

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def __str__(self) -> str:
        """The request, the status and the start of the body: evidence."""
        said = " ".join(self.text.split())
        said = said if len(said) <= _SHOWN else said[: _SHOWN - 1] + "…"
        return f"{self.request} -> {self.status or 'no answer'} {said}".rstrip()


class Process:
    """One life of the app's interpreter, and what it said when it was started."""

    def __init__(self, process: "subprocess.Popen[bytes]", seconds: float) -> None:
        self._process = process
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.started = self.receive(seconds)
        except BaseException:  # Ctrl-C
            self.end()
            raise

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def receive(self, seconds: float) -> Any:
        """None: it has ended, or does not answer in time, and is ended."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            line = None
        if line is None:
            self.end()
            return None
        return jsons.loads(line)

    def send(self, command: Mapping[str, Any], seconds: float) -> Any:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(jsons.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return None
        return self.receive(seconds)

    def end(self) -> None:
        running.end(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def how(self) -> str:
        status = self._process.poll()
        if status is None:
            return "it did not answer in time"
        return f"it ended the process ({'signal' if status < 0 else 'exit status'} {abs(status)})"


class App:
    """Holds the process, and starts another when it has ended."""

    def __init__(self, start: Callable[[], Process]) -> None:
        self._start = start
        self._process: Process | None = start()
        self._deaths = 0
        self._client = 1
        self._slow: Counter[str] = Counter()
        self.deadline = math.inf
        """When nothing is sent any more: of time.monotonic()."""
        self.heard: list[Answer] = []
        """Every answer so far."""
        self.count = 0
        """Of requests that were sent."""
        self.notes: list[str] = []

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,  # what JSON can say
        form: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        user: Caller | None = None,
        seconds: float = SECONDS,
    ) -> Answer:
        """Where a rate limit answers, it is asked again once, from another address.

        Raises ApiwrightError when the app cannot be asked any more, or there is no time left.
        """
        one = Request.of(method, path, headers=headers, json=json, form=form, body=body, user=user)
        return self.send(one, seconds=seconds)

    def send(self, request: Request, seconds: float = SECONDS) -> Answer:
        """A route that was slow before gets less time."""
        route = request.method + re.sub(r"/[^/]*\d[^/]*", "/", request.path.partition("?")[0])
        if self._slow[route]:
            seconds = min(seconds, _SHORT)
        answer = self.together([request], seconds=seconds)[0]
        self._slow[route] += answer.seconds > seconds * 0.9
        if answer.status == 429:
            self._client += 1
            self._note("A rate limit answered (429): asked again, from another address.")
            answer = self.together([request], seconds=seconds)[0]
        return answer

    def together(self, requests: Sequence[Request], seconds: float = SECONDS) -> list[Answer]:
        """All at the same time."""
        if time.monotonic() > self.deadline:
            raise ApiwrightError("There was no time left for more requests.", "Use --only RULE.")
        if self._process is None:
            self._process = self._again()
        self.count += len(requests)
        sent = [
            {
                "method": one.method,
                "target": one.path,
                "headers": one.headers,
                "body": base64.b64encode(one.body).decode(),
                "seconds": seconds,
                "most": _MOST,
                "client": f"127.0.0.{self._client % 254 + 1}",
            }
            for one in requests
        ]
        told = self._process.send({"requests": sent}, seconds + _GRACE)
        if told is None:
            how, self._process = self._process.how, None
            error = Error("process", how, None, None)
            return [Answer(one, None, seconds=seconds, error=error) for one in requests]
        answers = [_answer(one, answer) for one, answer in zip(requests, told, strict=True)]
        self.heard += answers
        return answers

    def call(
        self, module: str, name: str, arguments: Sequence[Any] = (), **options: Any
    ) -> str | None:
        """What a function of the project returns, as text; None when it fails. An option that is
        None is how long something lasts: a timedelta."""
        command = {
            "module": module,
            "name": name,
            "arguments": arguments,
            "options": options,
            "minutes": _MINUTES,
        }
        return self._asked(command)  # type: ignore[no-any-return]  # JSON

    def insert(self, module: str, model: str, values: Mapping[str, Any]) -> Any:
        """A row of a model, as a dict; what it needs besides the values is filled in."""
        return self._asked({"module": module, "name": model, "row": values})

    def _asked(self, command: Mapping[str, Any]) -> Any:
        if self._process is None:
            self._process = self._again()
        told = self._process.send(command, _GRACE)
        if told is None:
            self._process = None
            return None
        if "error" in told:
            self._note(f"{command['module']}.{command['name']} failed: {told['error']}")
        return told.get("value")

    def end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None
        self._deaths = _MOST_DEATHS

    @property
    def started(self) -> Any:  # JSON
        """What the process said when it was started; None: it ended before."""
        return self._process.started if self._process else None

    def _again(self) -> Process:
        self._deaths += 1
        if self._deaths > _MOST_DEATHS:
            raise ApiwrightError("The app's process ended again and again.", _TODO)
        process = self._start()
        if process.started is None or not process.started["ok"]:
            raise ApiwrightError("The app's process ended, and does not start again.", _TODO)
        return process

    def _note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)


def _answer(request: Request, told: Mapping[str, Any]) -> Answer:
    return Answer(
        request=request,
        status=told["status"],
        headers=tuple((name, value) for name, value in told["headers"]),
        body=told["text"].encode() if "text" in told else base64.b64decode(told["base64"]),
        cut=told["cut"],
        seconds=told["seconds"],
        stall=told["stall"],
        stalls=tuple(
            Stall(one["seconds"], tuple(map(tuple, one["frames"])), one["inmost"])
            for one in told["stalls"]
        ),
        logs=tuple(Log(**one) for one in told["logs"]),
        output=told["output"],
        error=Error(**told["error"]) if told["error"] else None,
    )


def shown(answers: Iterable[Answer]) -> str:
    """Several, as evidence: a line each."""
    return "\n".join(map(str, answers))


def without(request: Request, *names: str) -> Request:
    """The same without some headers."""
    kept = tuple(one for one in request.headers if one[0] not in names)
    return replace(request, headers=kept)
