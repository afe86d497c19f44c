"""The project's app is started for the probes: a copy, a throwaway database, dummy settings."""

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from apiwright.checks import database
from apiwright.checks.app import App, Process
from apiwright.checks.database import Database, Server
from apiwright.errors import ApiwrightError
from apiwright.project import dummies, running, server
from apiwright.project.code import Code
from apiwright.project.facts import Project, Ran, Versions

_ATTEMPTS = 4
_IMPORT_SECONDS = 30
_STARTUP_SECONDS = 15
_MIGRATION_SECONDS = 30
_CPU_SECONDS = 300
_SHOWN_TABLES = 5
_TODO = "Make the project importable without its settings and services, or use --static."


@dataclass(frozen=True)
class Started:
    app: App
    database: Database
    project: Project
    """With what the app says of its routes."""
    environment: dict[str, str]
    """The settings it runs with."""
    notes: tuple[str, ...]
    """What was done to make it run."""


@contextmanager
def running_app(code: Code, python: Path | None, seconds: float) -> Iterator[Started]:
    """`seconds`: how long it may be asked. Raises ApiwrightError when it does not start, with the
    reason."""
    project = code.project
    interpreter = running.find_interpreter(Path(project.folder), python)
    if interpreter is None:
        raise ApiwrightError(
            "No virtual environment was found.", "Say which Python: --python PATH."
        )
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="apiwright-", ignore_cleanup_errors=True)
        )
        scratch = Path(folder).resolve()
        running.copy_into(Path(project.folder), scratch / "project")
        for name in ("home", "databases"):
            (scratch / name).mkdir()
        postgres = None
        if database.speaks_of_postgres(code):
            postgres = stack.enter_context(database.postgres())
        start = _Start(project, interpreter, scratch, postgres, database.uses_kit(code))
        app = stack.enter_context(start.app())
        app.deadline = time.monotonic() + seconds
        yield Started(app, start.database, start.project(app), start.environment, start.notes(app))


class _Start:
    def __init__(
        self,
        project: Project,
        interpreter: Path,
        scratch: Path,
        postgres: Server | None,
        uses_kit: bool,
    ) -> None:
        self._project, self._interpreter, self._scratch = project, interpreter, scratch
        self._copy = scratch / "project"
        self.database = Database(scratch / "databases", self._copy, postgres)
        self.environment = dummies.of(project, None)
        if not uses_kit:  # whose defaults are no good
            for setting in project.settings.keys:
                if not setting.required:
                    self.environment.pop(setting.key, None)
        if "FASTAPI_ENV" in self.environment:
            self.environment["FASTAPI_ENV"] = "development"
            self.environment["RATE_LIMIT"] = "off"
        root = self._copy / project.app.import_root
        self._sys_path = [str(root), str(self._copy)]
        self._migrated: str | None = None

    @contextmanager
    def app(self) -> Iterator[App]:
        self.database.prepare()
        self._migrate()
        app = self._tried()
        try:
            if app.started["lacking"] and self._migrated == "":
                lacking = ", ".join(app.started["lacking"][:_SHOWN_TABLES])
                self._migrated = f"they leave out {lacking}"
                app.end()
                self.database.empty()
                app = self._tried()
            yield app
        finally:
            app.end()

    def _tried(self) -> App:
        """With settings that turned out to be missing."""
        for _ in range(_ATTEMPTS):
            app = App(self._process)
            told = app.started
            if told is None:
                app.end()
                raise ApiwrightError(f"Importing it ended the process.{self._last_words()}", _TODO)
            if told["ok"]:
                return app
            app.end()
            if not self._learned(told["missing"]) and not self._found_elsewhere(told["error"]):
                break
        raise ApiwrightError(told["error"], _TODO)

    def _found_elsewhere(self, error: str) -> bool:
        """A module of the project itself that is looked for in another of its folders."""
        match = re.search(r"([\w.]+) is not installed in this interpreter$", error)
        if match is None:
            return False
        top = match[1].partition(".")[0]
        for path in sorted(self._copy.rglob(top)) + sorted(self._copy.rglob(f"{top}.py")):
            if str(path.parent) not in self._sys_path:
                self._sys_path.append(str(path.parent))
                return True
        return False

    def project(self, app: App) -> Project:
        told = app.started
        ran = Ran(
            interpreter=str(self._interpreter),
            ok=True,
            error=None,
            versions=Versions(**told["versions"]),
            openapi=told.get("openapi"),
            environment=tuple(self.environment.items()),
            notes=tuple(told["notes"]),
        )
        return running.merged(replace(self._project, ran=ran), told, self._copy)

    def notes(self, app: App) -> tuple[str, ...]:
        told = app.started
        found = [f"It was led to a throwaway database ({self.database.kind})."]
        found += [f"The database: {note}." for note in told["database_notes"]]
        if self._migrated == "":
            found.append("Its migrations made the tables.")
        elif self._migrated:
            found.append(f"Its migrations were left out: {self._migrated}.")
        if told["tables"]:
            some = ", ".join(told["tables"][:_SHOWN_TABLES])
            more = " …" if len(told["tables"]) > _SHOWN_TABLES else ""
            found.append(f"Tables made from its metadata: {some}{more}.")
        if told["tables_error"]:
            found.append(f"Its tables could not be made: {told['tables_error']}.")
        if told["startup"]:
            found.append(f"Its startup failed, it was asked all the same: {told['startup']}.")
        found += [f"It or a library tried to {note}: refused." for note in told["notes"]]
        if self.environment:
            found.append("Settings with dummy values: " + ", ".join(sorted(self.environment)) + ".")
        return tuple(found)

    def _migrate(self) -> None:
        migrations = self._project.migrations
        if migrations is None or migrations.ini is None:
            return
        for _ in range(_ATTEMPTS):
            process = self._process(self._copy / migrations.ini)
            told = process.started
            process.end()
            if told is None:
                self._migrated = f"they ended the process or took too long.{self._last_words()}"
            else:
                self._migrated = "" if told["ok"] else told["error"]
            if not self._migrated:
                return
            self.database.empty()
            if told is None or not self._learned(told["missing"]):
                return

    def _learned(self, missing: Sequence[str]) -> bool:
        """Whether there are settings that were not given yet."""
        new = [name for name in missing if name.upper() not in self.environment]
        self.environment.update(dummies.missing(name, None) for name in new)
        return bool(new)

    def _process(self, ini: Path | None = None) -> Process:
        app = self._project.app
        root = self._copy / app.import_root
        job = {
            "module": app.module,
            "variable": app.variable,
            "factory": app.factory,
            "root": str(self._copy),
            "sys_path": self._sys_path,
            "scratch": str(self._scratch),
            "databases": str(self.database.folder),
            "postgres": self.database.server and self.database.server.socket_folder,
            "words": str(self._words),
            "memory": running.MEMORY,
            "seconds": _CPU_SECONDS,
            "startup_seconds": _STARTUP_SECONDS,
            "ini": str(ini) if ini else None,
        }
        path = self._scratch / "job.json"
        path.write_text(json.dumps(job))
        self._words.unlink(missing_ok=True)
        try:
            process = subprocess.Popen(
                [str(self._interpreter), "-I", "-B", server.__file__, str(path)],
                cwd=root,
                env=running.surroundings(self._scratch / "home") | self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise ApiwrightError(
                f"{self._interpreter} cannot be started: {error.strerror}.",
                "Say which Python: --python PATH.",
            ) from None
        return Process(process, _MIGRATION_SECONDS if ini else _IMPORT_SECONDS + _STARTUP_SECONDS)

    @property
    def _words(self) -> Path:
        return self._scratch / "words"

    def _last_words(self) -> str:
        if not self._words.exists():
            return ""
        said = self._words.read_bytes()[-2000:].decode(errors="replace").strip().splitlines()[-3:]
        return " Its last words: " + " / ".join(said) if said else ""
