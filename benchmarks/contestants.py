"""Who takes part: how each is set up, and the command that serves it."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks import data

APP_NAME = "bench"
"""Of the new project; the tokens carry it, and the peers expect it too."""

_ROOT = Path(__file__).parent.parent
_PEERS = Path(__file__).parent / "peers"
_APIWRIGHT = [sys.executable, "-m", "apiwright"]


class LeftOut(Exception):
    """Why a contestant cannot take part on this machine, as a sentence."""


class NotSetUp(Exception):
    def __init__(self, command: list[str], said: str) -> None:
        super().__init__(f"`{' '.join(command)}` failed.")
        self.said = said


@dataclass(frozen=True)
class Contestant:
    command: list[str]
    """`{port}` stands for the port."""
    folder: Path
    database: str
    environment: dict[str, str]
    logs_in: bool = False
    """Whether it has a login route."""


class Stage:
    """What the contestants share: a scratch folder, a Postgres server, a key for the tokens."""

    def __init__(self, scratch: Path, server: str, key: str) -> None:
        self.scratch = scratch
        self.server = server
        self.key = key

    @cached_property
    def peers_database(self) -> str:
        schema = (_PEERS / "schema.sql").read_text()
        url = asyncio.run(data.create_database(self.server, "peers", schema))
        asyncio.run(data.fill(url))
        return url

    def environment(self, database: str) -> dict[str, str]:
        production = {"FASTAPI_ENV": "production", "NODE_ENV": "production"}
        given = {"DATABASE_URL": database, "SECRET_KEY": self.key, "APP_NAME": APP_NAME}
        return os.environ | production | given


def apiwright(stage: Stage) -> Contestant:
    """What `apiwright new` writes, as it is. Requests are counted, but none is one too many."""
    _run([*_APIWRIGHT, "new", APP_NAME], stage.scratch, dict(os.environ))
    project = stage.scratch / APP_NAME
    database = asyncio.run(data.create_database(stage.server, "apiwright"))
    environment = stage.environment(database) | {"RATE_LIMIT": "100000/minute"}
    _run([*_APIWRIGHT, "db", "upgrade"], project, environment)
    asyncio.run(data.fill(database))
    serve = [*_APIWRIGHT, "run", "--host", "127.0.0.1", "--port", "{port}"]
    return Contestant(serve, project, database, environment, logs_in=True)


def async_orm(stage: Stage) -> Contestant:
    serve = [sys.executable, "-m", "uvicorn", "benchmarks.peers.async_orm:app"]
    serve += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--port", "{port}"]
    database = stage.peers_database
    return Contestant(serve, _ROOT, database, stage.environment(database))


def fastify(stage: Stage) -> Contestant:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise LeftOut(f"There is no `{program}` on this machine.")
    installed = _PEERS / "node_modules" / "for-package.json"
    wanted = (_PEERS / "package.json").read_text()
    if not installed.exists() or installed.read_text() != wanted:
        print("Installing what the Fastify peer needs, with npm", file=sys.stderr)
        options = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        try:
            _run(["npm", "install", *options], _PEERS, dict(os.environ))
        except NotSetUp:
            raise LeftOut("npm could not install what it needs.") from None
        installed.write_text(wanted)
    database = stage.peers_database
    serve = ["node", "fastify.mjs", "{port}"]
    return Contestant(serve, _PEERS, database, stage.environment(database))


def fastify_versions() -> dict[str, str]:
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    libraries: dict[str, str] = json.loads((_PEERS / "package.json").read_text())["dependencies"]
    return libraries | {"node": node.stdout.strip().removeprefix("v")}


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotSetUp([Path(command[0]).name, *command[1:]], done.stdout + done.stderr)


ALL: dict[str, Callable[[Stage], Contestant]] = {
    "apiwright": apiwright,
    "b-async-orm": async_orm,
    "f-fastify-user": fastify,
}
