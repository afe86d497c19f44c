"""What the project's own interpreter says: runner.py runs there, on a copy; answers are merged."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from apiwright.errors import ApiwrightError
from apiwright.project import dummies, files, runner
from apiwright.project.dependencies import by_name, highest
from apiwright.project.facts import (
    Dependency,
    NotSeen,
    Place,
    Project,
    Ran,
    Route,
    Versions,
)

SECONDS = 20
MEMORY = 4 * 1024**3  # of address space, of which libraries reserve much and use little
_DATABASES = (".db", ".sqlite", ".sqlite3", ".db-wal", ".db-shm")
_LARGEST_FILE = 5_000_000
_LARGEST_COPY = 200_000_000
_ATTEMPTS = 4
_DATABASE_IS_AWAY = re.compile(
    r"OperationalError|reach the network|refused|unreachable|ConnectionError"
    r"|(psycopg2?|asyncpg|pymysql|MySQLdb|aiomysql) is not installed"
)
_EXECUTABLES = ("bin/python", "Scripts/python.exe")
_FOLDERS = (".venv", "venv", "env", ".env")


def run(project: Project, python: Path | None = None, seconds: int = SECONDS) -> Project:
    """The project with what its app says when it is imported by its own interpreter: `python`, or
    the one of its virtual environment. Where that cannot be done, the project says why in `ran`.

    Raises ApiwrightError when `python` is not there.
    """
    interpreter = find_interpreter(Path(project.folder), python)
    if interpreter is None:
        why = "No virtual environment was found. Say which Python: --python PATH."
        return replace(project, ran=Ran("", False, why, None, None, ()))
    with tempfile.TemporaryDirectory(prefix="apiwright-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder).resolve()
        left_out = copy_into(Path(project.folder), scratch / "project")
        answer = _answer(project, interpreter, scratch, seconds)
        notes = tuple(
            f"While it was imported, it or a library tried to {note}: refused."
            for note in answer["notes"]
        )
        if left_out:
            notes += (f"{left_out} large files were not there when it ran.",)
        told = answer.get("versions")
        ran = Ran(
            interpreter=str(interpreter),
            ok=answer["ok"],
            error=answer["error"],
            versions=Versions(**told) if told else None,
            openapi=answer.get("openapi"),
            notes=notes,
            environment=tuple(answer["environment"].items()),
        )
        if not ran.ok:
            return replace(project, ran=ran)
        return merged(replace(project, ran=ran), answer, scratch / "project")


def find_interpreter(folder: Path, python: Path | None) -> Path | None:
    """Links are left as they are: a virtual environment is known by where its python stands."""
    if python is not None:
        found = _executable(python) if python.is_dir() else python
        if found is None or not found.exists():
            raise ApiwrightError(f"There is no Python at {python}.", "Say which: --python PATH.")
        return Path(os.path.abspath(found))  # noqa: PTH100  # resolve() would follow links
    above = [folder, *folder.parents][: _levels(folder)]
    for place in above:
        for name in _FOLDERS:
            if (found := _executable(place / name)) is not None:
                return found
    active = os.environ.get("VIRTUAL_ENV")
    found = _executable(Path(active)) if active else None
    return found or _of_poetry(folder)


def _levels(folder: Path) -> int:
    """Up to the repository's folder."""
    for number, place in enumerate([folder, *folder.parents], 1):
        if (place / ".git").exists():
            return number
    return 2


def _executable(folder: Path) -> Path | None:
    found = (folder / name for name in _EXECUTABLES)
    return next((path for path in found if path.exists()), None)


def _of_poetry(folder: Path) -> Path | None:
    poetry = shutil.which("poetry")
    if poetry is None or not (folder / "poetry.lock").exists():
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [poetry, "env", "info", "--executable"],
            cwd=folder, capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
        path = Path(done.stdout.strip())
        return path if path.is_absolute() and path.exists() else None
    return None


def copy_into(folder: Path, target: Path) -> int:
    """What the app may need to be imported. Settings stay behind, and of a database in a file what
    is in its tables. Returns how many files were too large."""
    total, left_out = 0, 0
    target.mkdir()
    for path in files.paths(folder):
        source = folder / path
        if re.fullmatch(r"\.env([._-].*)?|.*\.env", source.name) and "example" not in source.name:
            continue
        if source.suffix in _DATABASES:
            with contextlib.suppress(OSError, sqlite3.Error):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                _copy_tables(source, target / path)
            continue
        with contextlib.suppress(OSError):
            status = source.stat()
            if not stat.S_ISREG(status.st_mode):
                continue
            if status.st_size > _LARGEST_FILE or total + status.st_size > _LARGEST_COPY:
                left_out += 1
                continue
            total += status.st_size
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / path)
    return left_out


def _copy_tables(source: Path, target: Path) -> None:
    """Of SQLite, without the rows: they are somebody's."""
    opened = f"{source.resolve().as_uri()}?mode=ro&immutable=1"
    with (
        contextlib.closing(sqlite3.connect(opened, uri=True)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        made = old.execute("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").fetchall()
        for (statement,) in made:
            if statement:
                new.execute(statement)
        new.commit()


def _answer(project: Project, interpreter: Path, scratch: Path, seconds: int) -> dict[str, Any]:
    """Tried again with settings that turned out to be missing, and with a database of its own
    when the app wants one at import."""
    database = None
    extra: list[str] = []
    answer: dict[str, Any] = {}
    for attempt in range(_ATTEMPTS):
        environment = dummies.of(project, database)
        environment.update(dummies.missing(name, database) for name in extra)
        answer = _once(project, interpreter, scratch, seconds, environment)
        answer["environment"] = environment
        new = [name for name in answer["missing"] if name.upper() not in environment]
        if answer["ok"] or answer.get("final"):
            break
        if new:
            extra += new
        elif database is None and attempt < _ATTEMPTS - 1 and _wants_database(answer):
            driver = "+aiosqlite" if project.session and project.session.is_async else ""
            database = f"sqlite{driver}:///{scratch}/scratch.db"
        else:
            break
    return answer


def _wants_database(answer: Mapping[str, Any]) -> bool:
    return bool(_DATABASE_IS_AWAY.search(answer["error"] or ""))


def _once(
    project: Project,
    interpreter: Path,
    scratch: Path,
    seconds: int,
    environment: dict[str, str],
) -> dict[str, Any]:
    copy, home = scratch / "project", scratch / "home"
    home.mkdir(exist_ok=True)
    root = copy / project.app.import_root
    job = {
        "module": project.app.module,
        "variable": project.app.variable,
        "factory": project.app.factory,
        "root": str(copy),
        "sys_path": [str(root), str(copy)],
        "scratch": str(scratch),
        "answer": str(scratch / "answer.json"),
        "memory": MEMORY,
        "seconds": seconds,
    }
    (scratch / "job.json").write_text(json.dumps(job))
    (scratch / "answer.json").unlink(missing_ok=True)
    words = scratch / "words"
    with words.open("wb") as stderr:
        try:
            process = subprocess.Popen(
                [str(interpreter), "-I", "-B", runner.__file__, str(scratch / "job.json")],
                cwd=root,
                env=surroundings(home) | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            return _failed(f"{interpreter} cannot be started: {error.strerror}")
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return _failed(f"importing it took longer than {seconds} seconds")
        finally:
            end(process)
    try:
        answer: dict[str, Any] = json.loads((scratch / "answer.json").read_text())
    except (OSError, ValueError):
        last = words.read_bytes()[-2000:].decode(errors="replace").strip().splitlines()[-3:]
        said = " Its last words: " + " / ".join(last) if last else ""
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return _failed(f"importing it ended the process ({how}).{said}")
    return answer


def _failed(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error, "missing": [], "notes": [], "final": True}


def end(process: "subprocess.Popen[bytes]") -> None:
    """With whatever it has started."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()


def surroundings(home: Path) -> dict[str, str]:
    """Nothing of the user's own environment, which holds secrets."""
    kept = {
        name: os.environ[name] for name in ("SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ
    }
    return kept | {
        "PATH": os.defpath,
        "HOME": str(home),
        "USERPROFILE": str(home),
        "TMPDIR": str(home),
        "TEMP": str(home),
        "XDG_CONFIG_HOME": str(home),
        "XDG_CACHE_HOME": str(home),
        "XDG_DATA_HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


# both answers together


@dataclass(frozen=True)
class _Live:
    route: dict[str, Any]
    copy: Path

    @property
    def key(self) -> tuple[str, str]:
        return self.route["method"], self.route["path"]

    @property
    def has_scheme(self) -> bool:
        return any(one["login"] for one in self.route["dependencies"])

    def place(self, told: list[Any] | None) -> Place | None:
        if told is None or not Path(told[0]).is_relative_to(self.copy):
            return None
        return Place(Path(told[0]).relative_to(self.copy).as_posix(), told[1])

    def dependencies(self) -> tuple[Dependency, ...]:
        return tuple(
            Dependency(
                one["name"],
                one["module"],
                "parameter",
                "login" if one["login"] else by_name(f"{one['module']}.{one['name']}"),
                self.place(one["place"]),
            )
            for one in self.route["dependencies"]
        )


def merged(project: Project, answer: Mapping[str, Any], copy: Path) -> Project:
    """The app has the last word on its routes; what reading knows besides is kept."""
    read = {(route.method, route.path): route for route in reversed(project.routes)}
    routes, not_seen = [], list(project.not_seen)
    for told in answer["routes"]:
        live = _Live(told, copy)
        routes.append(_route(live, read.pop(live.key, None)))
    if answer["complete"]:
        not_seen = [one for one in not_seen if not one.what.startswith("routes ")]
        not_seen += [
            NotSeen(
                f"{route.method} {route.path} ({route.at})",
                "it is written, but the app as imported does not serve it",
            )
            for route in project.routes
            if (route.method, route.path) in read
        ]
    else:
        routes += list(read.values())
        not_seen.append(
            NotSeen(
                "some routes",
                "this version of FastAPI does not tell of included routers; 0.137.2 does",
            )
        )
    return replace(project, routes=tuple(routes), not_seen=tuple(not_seen))


def _route(live: _Live, read: Route | None) -> Route:
    told = live.route
    if read is not None and (read.name, read.module) == (told["name"], told["module"]):
        protection = read.protection
        if protection in {"none", "unknown"} and live.has_scheme:
            protection = "login"
        return replace(
            read,
            protection=protection,
            response_model=read.response_model if told["response_model"] else None,
            status=told["status"],
            in_schema=told["in_schema"],
            seen="both",
        )
    dependencies = live.dependencies()
    return Route(
        method=told["method"],
        path=told["path"],
        name=told["name"],
        module=told["module"],
        at=live.place(told["place"]),
        protection=highest([one.protects for one in dependencies]),
        dependencies=dependencies,
        response_model=told["response_model"],
        status=told["status"],
        is_async=told["is_async"],
        in_schema=told["in_schema"],
        router=None,
        seen="ran",
    )
