"""What each part of `kit.web` costs a read of one row (W1): `.venv/bin/python -m benchmarks.parts`.

The new project is called in this process, without a server, with one part left out at a time.
The variants take turns, some requests each, and each turn is compared with the whole app's of the
same round: a slow moment of the machine is everybody's.
"""

import asyncio
import importlib
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import uvloop
from starlette.types import ASGIApp, Message, Scope

from apiwright.kit import conditional, idempotency, limits, logs, problems, safety
from benchmarks import contestants, data, load
from benchmarks.contestants import Stage
from benchmarks.gate import Signer
from benchmarks.run import postgres_server, say, scratch_folder

_PARTS = {
    "logs": [logs],
    "safety": [safety],
    "problems": [problems],
    "limits": [limits],
    "idempotency": [idempotency],
    "conditional": [conditional],
    "all of these": [logs, safety, problems, limits, idempotency, conditional],
}
_WHOLE = "W1"
_AT_ONCE = 8  # requests under way; and connections of each variant
_REQUESTS = 64  # of one variant in one round
_WARM_UP = 2000
_KEY = "k" * 64


def main() -> None:
    rounds = int(os.environ.get("ROUNDS") or 300)
    with scratch_folder() as scratch, postgres_server(scratch) as (url, _):
        project = contestants.apiwright(Stage(scratch, url, _KEY))
        os.environ |= project.environment | {"POOL_SIZE": str(_AT_ONCE)}
        os.chdir(project.folder)
        sys.path.insert(0, str(project.folder))
        apps = {_WHOLE: _app([])} | {name: _app(parts) for name, parts in _PARTS.items()}
        say(f"{len(apps)} variants in turn, {rounds} rounds of {_REQUESTS} requests each")
        times = uvloop.run(_measured(apps, list(_scopes(scratch / "requests.txt")), rounds))
    print(_table(times))


def _app(without: Sequence[ModuleType]) -> ASGIApp:
    """The app of the project's own main.py, some parts left out."""
    with ExitStack() as stack:
        for part in without:
            stack.enter_context(patch.object(part, "install", lambda *_: None))
        app: ASGIApp = importlib.reload(importlib.import_module("app.main")).app
        return app


def _scopes(file: Path) -> Iterator[Scope]:
    signer = Signer(_KEY, contestants.APP_NAME)
    tokens = [signer.token(user) for user in range(1, data.OWNERS + 1)]
    load.write_requests(_WHOLE, tokens, file)
    for line in file.read_text().splitlines():
        method, path, token = line.split()
        yield {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "root_path": "",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [
                (b"host", b"127.0.0.1:8000"),
                (b"authorization", f"Bearer {token}".encode()),
                (b"accept", b"application/json"),
            ],
        }


async def _measured(
    apps: dict[str, ASGIApp], scopes: Sequence[Scope], rounds: int
) -> dict[str, list[float]]:
    """CPU microseconds of a request, by variant and round."""
    times: dict[str, list[float]] = {name: [] for name in apps}
    async with AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(_serving(app))
            await _send(app, scopes, _WARM_UP)
        for number in range(rounds):
            for name in list(apps)[:: 1 if number % 2 == 0 else -1]:
                began = time.process_time()
                await _send(apps[name], scopes, _REQUESTS)
                times[name].append((time.process_time() - began) / _REQUESTS * 1e6)
    return times


async def _send(app: ASGIApp, scopes: Sequence[Scope], count: int) -> None:
    async def client(number: int) -> None:
        for at in range(number, count, _AT_ONCE):
            await app(dict(scopes[at % len(scopes)]), _receive, _answered)

    await asyncio.gather(*(client(number) for number in range(_AT_ONCE)))


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _answered(message: Message) -> None:
    if message.get("status", 200) != 200:
        raise RuntimeError(f"The app answered {message['status']}.")


@asynccontextmanager
async def _serving(app: ASGIApp) -> AsyncIterator[None]:
    """The app, started and stopped as a server would."""
    asked: asyncio.Queue[Message] = asyncio.Queue()
    said: asyncio.Queue[Message] = asyncio.Queue()

    async def run() -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        await app(scope, asked.get, said.put)

    running = asyncio.create_task(run())
    for event in ("startup", "shutdown"):
        await asked.put({"type": f"lifespan.{event}"})
        answer = await said.get()
        if answer["type"] != f"lifespan.{event}.complete":
            raise RuntimeError(answer.get("message"))
        if event == "startup":
            yield
    await running


def _table(times: dict[str, list[float]]) -> str:
    whole = times.pop(_WHOLE)
    total = statistics.median(whole)
    lines = ["| part | µs | of W1 |", "|---|---|---|"]
    for name, without in times.items():
        cost = statistics.median(a - b for a, b in zip(whole, without, strict=True))
        lines.append(f"| {name} | {cost:.0f} | {cost / total:.1%} |")
    return "\n".join([*lines, "", f"W1, without a server and its client: {total:.0f} µs"])


if __name__ == "__main__":
    main()
