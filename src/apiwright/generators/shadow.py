"""A copy of a project, in which a plan is tried out: nothing of it reaches the project."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apiwright.edit.files import FileChange
from apiwright.project import dummies, files
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

    def __init__(self, folder: Path, place: Place) -> None:
        self.folder, self.place = folder, place
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def stop(self) -> None:
        """End what runs, in whatever thread; nothing is started any more."""
        self._stopped = True
        for process in list(self._running):
            _end(process)

    def run(self, *arguments: str, seconds: int = 120) -> Done:
        """The project's Python with these arguments, in the copy."""
        if self._stopped:
            return Done(None, "", "it was interrupted")
        home = self.folder.parent / "home"
        home.mkdir(exist_ok=True)
        environment = {
            "PATH": f"{self.place.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            **dict(self.place.environment),
            "FASTAPI_ENV": "development",
            "DATABASE_URL": self.place.server,
        }
        with subprocess.Popen(
            [str(self.place.python), *arguments],
            cwd=self.folder,
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

    def has(self, tool: str) -> bool:
        return self.run("-c", f"import {tool}").status == 0

    def write(self, changed: Sequence[FileChange]) -> None:
        for file in changed:
            target = self.folder / file.path
            if file.after is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.after)


def _end(process: "subprocess.Popen[str]") -> None:
    """With whatever it has started."""
    if process.poll() is None and sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def place(project: Project, server: str) -> Place:
    """The project's own Python, else the one that runs this: Apiwright is in both."""
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
        yield Shadow(copy, place)
