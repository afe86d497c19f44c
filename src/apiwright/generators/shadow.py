"""A copy of a project, in which a plan is tried out: nothing of it reaches the project.

A project on the kit runs as it would in development, on a throwaway Postgres. Any other has dummies
as its environment, and is kept in the cage: generators/cage.py.
"""

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from apiwright.edit.files import FileChange
from apiwright.generators import cage
from apiwright.project import dummies, files, runner
from apiwright.project.facts import Project
from apiwright.project.running import find_interpreter

_CACHES = (".mypy_cache", ".ruff_cache")  # what makes the tools quick
_STAYS = re.compile(r"\.env(\.(?!example|sample|template).*)?")
"""Secrets, and the address of a database that holds something."""


@dataclass(frozen=True)
class Place:
    """Where a project is tried out: by which Python, on which server."""

    python: Path
    server: str
    """The URL of a Postgres that is thrown away."""
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Done:
    status: int | None
    """None: it took too long."""
    out: str
    err: str

    @property
    def last_words(self) -> str:
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return " / ".join(line.strip() for line in lines[-3:])[-400:]


class Shadow:
    """A copy, and the programs that run in it."""

    def __init__(self, folder: Path, place: Place, project: Project) -> None:
        self.folder, self.place = folder, place
        self.root = folder / project.app.import_root
        """What must be on sys.path."""
        self.scratch = folder.parent
        self._environment = _development(place) if on_kit(project) else self._caged(project)
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def stop(self) -> None:
        """End what runs, in whatever thread; nothing is started any more."""
        self._stopped = True
        for process in list(self._running):
            _end(process)

    def run(
        self, *arguments: str, seconds: int = 120, folder: Path | None = None, database: str = ""
    ) -> Done:
        """The project's Python with these arguments, in the copy or a folder of it; with a
        database that `database` made, if one is named."""
        if self._stopped:
            return Done(None, "", "it was interrupted")
        home = self.scratch / "home"
        home.mkdir(exist_ok=True)
        environment = {
            "PATH": f"{self.place.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._environment,
        }
        if database and "APIWRIGHT_CAGE" in environment:
            environment["APIWRIGHT_CAGE"] = self._job(database, all_files=True)
        with subprocess.Popen(
            [str(self.place.python), *arguments],
            cwd=folder or self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            self._running.add(process)
            try:
                out, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                return Done(None, "", f"it took longer than {seconds} seconds")
            finally:
                _end(process)
                self._running.discard(process)
        return Done(process.returncode, out, err)

    @contextmanager
    def database(self) -> Iterator[str]:
        """An empty one of the project's own kind, for what is run with its name."""
        name = f"apiwright_{secrets.token_hex(6)}"
        self._on_server(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self._on_server(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _on_server(self, statement: str) -> None:
        if self.place.server:
            asyncio.run(_execute(self.place.server, statement))

    def _caged(self, project: Project) -> dict[str, str]:
        told = dict(project.ran.environment) if project.ran else {}
        shim = self.scratch / "cage" / "sitecustomize.py"
        shim.parent.mkdir()
        shim.write_text(f"import runpy\nrunpy.run_path({cage.__file__!r})['install']()\n")
        paths = [str(shim.parent), str(self.root), str(self.folder)]
        return {
            **dict(self.place.environment),
            **told,
            "TMPDIR": str(self.scratch),
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
            "APIWRIGHT_CAGE": self._job("postgres", all_files=False),
        }

    def _job(self, database: str, *, all_files: bool) -> str:
        job = {
            "copy": str(self.folder),
            "folder": str(self.scratch / database),
            "server": _parts(self.place.server, database),
            "all_files": all_files,
            "runner": runner.__file__,
        }
        return json.dumps(job)

    def has(self, tool: str) -> bool:
        return self.run("-c", f"import {tool}").status == 0

    def write(self, changed: Sequence[FileChange]) -> None:
        for file in changed:
            target = self.folder / file.path
            if file.after is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.after)


def on_kit(project: Project) -> bool:
    """Whether it stands on the kit, as what `apiwright new` makes does."""
    return any(session.module.startswith("apiwright.kit.") for session in project.sessions)


def _development(place: Place) -> dict[str, str]:
    return {
        **dict(place.environment),
        "FASTAPI_ENV": "development",
        "DATABASE_URL": place.server,
    }


def _parts(server: str, database: str) -> dict[str, str] | None:
    if not server:
        return None
    url = urlsplit(server)
    host = parse_qs(url.query).get("host", [url.hostname or "127.0.0.1"])[0]
    return {"host": host, "user": url.username or "postgres", "database": database}


async def _execute(server: str, statement: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _end(process: "subprocess.Popen[str]") -> None:
    """With whatever it has started."""
    if process.poll() is None and sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def place(project: Project, server: str) -> Place:
    """The project's own Python, else the one that runs this."""
    found = find_interpreter(Path(project.folder), None) or Path(sys.executable)
    needed = dummies.of(project, None)
    return Place(found, server, tuple(needed.items()))


@contextmanager
def shadow(project: Project, place: Place) -> Iterator[Shadow]:
    with tempfile.TemporaryDirectory(prefix="apiwright-", ignore_cleanup_errors=True) as scratch:
        root = Path(project.folder)
        copy = Path(scratch).resolve() / root.name
        copy.mkdir()
        for path in files.paths(root):
            source = root / path
            if _STAYS.fullmatch(source.name) or not source.is_file():
                continue
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy / path)
        for cache in _CACHES:
            if (root / cache).is_dir():
                shutil.copytree(root / cache, copy / cache)
        yield Shadow(copy, place, project)
