"""Serves somebody's app, in its own interpreter, to the one who started this.

`python -I -B server.py JOB`, with the standard library alone and in the cage of runner.py. The
app's engines are led to a throwaway database. Requests come as JSON lines on standard input and
go to the app without a network; answers leave on standard output. The app itself gets neither.
"""

# ruff: noqa: PTH100, PTH109, PTH118, PTH120, PTH123

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import importlib
import importlib.util
import inspect
import json
import os
import re
import sys
import threading
import time
import traceback
from typing import Any

_STREAM_SECONDS = 1.0  # after the first part
_LONGEST_TEXT = 20_000


def _beside(name: str) -> Any:
    """A file of this folder, which is not on the path: its names are the project's to use."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    spec = importlib.util.spec_from_file_location("_apiwright_" + name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


runner, engines, watching = map(_beside, ("runner", "engines", "watching"))


# requests


class Serving:
    def __init__(self, app: Any, job: dict[str, Any]) -> None:
        self.app, self.root = app, job["root"]
        self.state: dict[str, Any] = {}
        self.ticker = watching.Ticker(self.root)
        self.records = watching.Records()
        self.words = watching.Words(job["words"])
        self.leaving: asyncio.Event | None = None

    async def lifespan(self, seconds: float) -> str | None:
        """Starts the app. Why it could not, in words: requests may be answered all the same."""
        loop = asyncio.get_running_loop()
        started: asyncio.Future[str | None] = loop.create_future()
        leaving = self.leaving = asyncio.Event()
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "lifespan.startup"}
            await leaving.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"].startswith("lifespan.startup.") and not started.done():
                failed = message["type"].endswith("failed")
                started.set_result(_in_a_line(message.get("message", "")) if failed else None)

        scope = {"type": "lifespan", "asgi": _ASGI, "state": self.state}
        self.life = asyncio.ensure_future(self.app(scope, receive, send))
        await asyncio.wait({started, self.life}, timeout=seconds, return_when="FIRST_COMPLETED")
        if started.done():
            return started.result()
        if not self.life.done():
            return f"it took longer than {seconds:.0f} seconds"
        error = self.life.exception()
        return None if error is None else runner.told(error, self.root)[0]

    async def batch(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.words.new()
        self.records.found = []
        self.ticker.start()
        answers = await asyncio.gather(*(self.request(one) for one in requests))
        self.ticker.stop()
        said = {
            "stall": self.ticker.longest,
            "stalls": sorted(self.ticker.stalls, key=lambda one: -one["seconds"])[:5],
            "logs": self.records.found,
            "output": self.words.new(),
        }
        return [{**answer, **said} for answer in answers]

    async def request(self, one: dict[str, Any]) -> dict[str, Any]:
        body = base64.b64decode(one["body"])
        finished = asyncio.Event()
        answer: dict[str, Any] = {"status": None, "headers": [], "cut": False, "error": None}
        content = bytearray()
        streaming: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": body, "more_body": False}
            await finished.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                answer["headers"] = [
                    [bytes(name).decode("latin-1"), bytes(value).decode("latin-1")]
                    for name, value in message.get("headers", [])
                ]
            elif message["type"] == "http.response.body":
                content.extend(message.get("body", b"")[: one["most"] - len(content)])
                answer["cut"] = answer["cut"] or len(content) >= one["most"]
                if answer["cut"] or not message.get("more_body", False):
                    finished.set()
                elif not streaming.done():
                    streaming.set_result(None)

        began = time.perf_counter()
        task = asyncio.ensure_future(self.app(self.scope(one), receive, send))
        await asyncio.wait({task, streaming}, timeout=one["seconds"], return_when="FIRST_COMPLETED")
        if streaming.done():
            await asyncio.wait({task}, timeout=min(one["seconds"], _STREAM_SECONDS))
        streaming.cancel()
        if not task.done():
            answer["cut"] = True
            finished.set()
            task.cancel()
            await asyncio.wait({task}, timeout=1)
        elif not task.cancelled() and task.exception() is not None:
            answer["error"] = self.error(task.exception())
        answer["seconds"] = time.perf_counter() - began
        return {**answer, **_encoded(bytes(content))}

    def scope(self, one: dict[str, Any]) -> dict[str, Any]:
        raw, _, query = one["target"].partition("?")
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": "1.1",
            "method": one["method"],
            "scheme": "http",
            "path": _unquoted(raw),
            "raw_path": raw.encode("latin-1", "replace"),
            "query_string": query.encode("latin-1", "replace"),
            "root_path": "",
            "headers": [
                (name.lower().encode("latin-1", "replace"), value.encode("utf-8"))
                for name, value in one["headers"]
            ],
            "client": (one["client"], 50000),
            "server": ("127.0.0.1", 8000),
            "state": dict(self.state),
            "extensions": {},
        }

    def error(self, error: BaseException | None) -> dict[str, Any]:
        assert error is not None
        while getattr(error, "exceptions", None):  # a group's
            error = error.exceptions[0]  # type: ignore[union-attr, attr-defined]
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename.startswith(self.root + os.sep)
        ]
        return {
            "type": f"{type(error).__module__}.{type(error).__qualname__}".replace("builtins.", ""),
            "message": str(error)[:_LONGEST_TEXT],
            "file": os.path.relpath(frames[-1].filename, self.root) if frames else None,
            "line": frames[-1].lineno if frames else None,
        }


def _in_a_line(trace: str) -> str:
    lines = [line for line in trace.splitlines() if line.strip()] or ["it failed"]
    told = [line for line in lines if re.match(r"[\w.]+(: |$)", line)]
    return (told or lines)[-1]


_ASGI = {"version": "3.0", "spec_version": "2.3"}


def _unquoted(path: str) -> str:
    from urllib.parse import unquote

    return unquote(path)


def _encoded(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


# the whole


class Line:
    """Commands in, answers out: a line of JSON each."""

    def __init__(self, words: str) -> None:
        self.commands, self.answers = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        said = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for target, source in ((0, null), (1, said), (2, said)):
            os.dup2(source, target)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper

    def send(self, answer: Any) -> None:
        content = json.dumps(answer, default=str).encode() + b"\n"
        while content:
            content = content[os.write(self.answers, content) :]

    def read(self, loop: asyncio.AbstractEventLoop, arrived: asyncio.Queue[Any]) -> None:
        with os.fdopen(self.commands, "rb") as lines:
            for line in lines:
                loop.call_soon_threadsafe(arrived.put_nowait, json.loads(line))
        loop.call_soon_threadsafe(arrived.put_nowait, None)


def whole_document(app: Any) -> Any:
    """The OpenAPI document, with the routes that the app leaves out of its own."""
    from fastapi.openapi.utils import get_openapi

    routes: list[Any] = list(app.routes)
    with contextlib.suppress(ImportError):
        from fastapi.routing import iter_route_contexts

        seen: list[Any] = list(iter_route_contexts(app.routes))
        routes = [getattr(one, "_effective_route", one) for one in seen]
    hidden = [one for one in routes if getattr(one, "include_in_schema", None) is False]
    hidden = [one for one in hidden if hasattr(one, "dependant")]
    for one in hidden:
        one.include_in_schema = True
    try:
        return get_openapi(title="app", version="0", routes=app.routes)
    finally:
        for one in hidden:
            one.include_in_schema = False


async def asked(command: dict[str, Any], databases: Any, root: str) -> dict[str, Any]:
    """Of the project's own code: what a function returns, or a row of a model, made."""
    try:
        found: Any = importlib.import_module(command["module"])
        for name in command["name"].split("."):
            found = getattr(found, name)
        if "row" in command:
            return {"value": await databases.insert(found, command["row"])}
        options = {
            name: datetime.timedelta(minutes=command["minutes"]) if value is None else value
            for name, value in command["options"].items()
        }
        value = found(*command["arguments"], **options)
        return {"value": str(await value if inspect.isawaitable(value) else value)}
    except BaseException as error:
        return {"error": runner.told(error, root)[0]}


async def serve(
    app: Any, answer: dict[str, Any], job: dict[str, Any], line: Line, databases: Any
) -> None:
    serving = Serving(app, job)
    answer["startup"] = await serving.lifespan(job["startup_seconds"])
    answer["notes"] = list(dict.fromkeys([*answer["notes"], *job["cage"].notes]))
    line.send(answer)
    arrived: asyncio.Queue[Any] = asyncio.Queue()
    threading.Thread(
        target=line.read, args=(asyncio.get_running_loop(), arrived), daemon=True
    ).start()
    ticking = asyncio.ensure_future(serving.ticker.tick())
    while (command := await arrived.get()) is not None:
        if "requests" in command:
            line.send(await serving.batch(command["requests"]))
        else:
            line.send(await asked(command, databases, job["root"]))
    ticking.cancel()


def migrate(job: dict[str, Any]) -> dict[str, Any]:
    """`alembic upgrade head`, as its command line would."""
    try:
        from alembic import command
        from alembic.config import Config

        os.chdir(os.path.dirname(job["ini"]))
        sys.path.insert(0, os.getcwd())
        command.upgrade(Config(job["ini"]), "heads")
    except BaseException as error:
        words, missing = runner.told(error, job["root"])
        return {"ok": False, "error": words, "missing": missing}
    return {"ok": True, "error": None, "missing": []}


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    line = Line(job["words"])
    sys.path[:0] = job["sys_path"]
    runner.limit(job["memory"], job["seconds"])
    runner.leave_network()
    runner.leave_root(job["scratch"])
    cage = job["cage"] = runner.Cage(job["scratch"])
    if job["postgres"]:
        cage.socket = f"{job['postgres']}/.s.PGSQL.5432"
    sys.addaudithook(cage)
    runner.no_processes(cage)
    runner.end_with_parent()
    databases = engines.Databases(job)
    databases.lead()
    engines.do_not_wait_for_redis()
    if job["ini"]:
        line.send(migrate(job))
        os._exit(0)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app, answer = runner.imported(job, cage)
    answer["startup"] = answer["tables_error"] = None
    answer["tables"] = answer["lacking"] = []
    answer["whole"] = None
    if app is not None:
        with contextlib.suppress(Exception):
            answer["whole"] = whole_document(runner.inmost(app))
        try:
            answer["tables"], answer["lacking"] = loop.run_until_complete(databases.create_tables())
        except Exception as error:
            answer["tables_error"] = runner.told(error, job["root"])[0]
    answer["engines"] = [str(engine.url) for engine in databases.engines]
    answer["database_notes"] = databases.notes
    if app is None:
        line.send(answer)
    else:
        loop.run_until_complete(serve(app, answer, job, line, databases))
    os._exit(0)  # whatever threads it has started


if __name__ == "__main__":
    main()
