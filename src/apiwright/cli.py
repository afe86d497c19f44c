"""The command line: reads options, calls one function, prints.

Whatever weighs something is imported inside the command that needs it, so that `--help` comes
at once.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from apiwright.errors import ApiwrightError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sqlalchemy import Connection

    from apiwright.edit.plan import Plan
    from apiwright.generators.fields import Resource
    from apiwright.kit.settings import Settings
    from apiwright.project.facts import Project


T = TypeVar("T")

_PATIENCE = 10.0  # seconds for the database's first answer
_PROXIES = os.environ.get("FORWARDED_ALLOW_IPS", "")
"""Whose X-Forwarded-For is believed: nobody's, until it is said. uvicorn would believe whatever
comes from this machine."""

_HTTP = "apiwright.kit.server:Protocol"
_STATUS = {"queued": "waiting", "picked": "under way", "failed": "failed for good"}
"""uvicorn's, with an end to large and slow heads."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the shell ignored it
    signal.signal(signal.SIGTERM, _stop)
    try:
        status: int = options.run(options)
    except ApiwrightError as error:
        print(f"apiwright: {error.happened}\n{error.todo}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130
    return status


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # so that every `finally` on the way out runs


class _Version(argparse.Action):
    """Looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(version("apiwright"))
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="apiwright", description="A backend engineer's job for FastAPI."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say which version this is")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    new = commands.add_parser("new", help="write a new backend")
    new.add_argument("name", metavar="NAME", help="of the project and its folder: shop, my-shop")
    new.add_argument("--bare", action="store_true", help="with accounts only")
    new.add_argument(
        "--with",
        dest="parts",
        type=lambda text: text.split(","),
        default=[],
        metavar="PARTS",
        help="knowledge (documents and search), agents (an assistant), or knowledge,agents",
    )
    new.set_defaults(run=_new)

    inspect = commands.add_parser(
        "inspect",
        help="say what a FastAPI project is made of",
        description="Any FastAPI project. Reads its files, then imports the app in the project's"
        " own Python, on a copy, without network. Changes nothing.",
    )
    inspect.add_argument("path", nargs="?", default=".", metavar="PATH", help="(default: .)")
    inspect.add_argument("--json", action="store_true", help="the same facts for programs")
    inspect.add_argument("--app", metavar="MODULE:NAME", help="which one, where there are several")
    inspect.add_argument("--python", metavar="PYTHON", help="(default: its virtual environment's)")
    inspect.add_argument("--static", action="store_true", help="read only, import nothing")
    inspect.set_defaults(run=_inspect)

    check = commands.add_parser(
        "check",
        help="find what is wrong with a FastAPI project",
        description="Any FastAPI project. Reads its files, then tries the app in the project's own"
        " Python, on a copy with a throwaway database, without network. Changes nothing.",
    )
    check.add_argument("path", nargs="?", default=".", metavar="PATH", help="(default: .)")
    check.add_argument("--app", metavar="MODULE:NAME", help="which one, where there are several")
    check.add_argument("--python", metavar="PYTHON", help="(default: its virtual environment's)")
    check.add_argument(
        "--format", choices=["text", "json", "sarif"], default="text", help="(default: text)"
    )
    check.add_argument("--output", metavar="FILE", help="write the report there")
    check.add_argument("--static", action="store_true", help="read only, run nothing")
    check.add_argument(
        "--only", action="append", default=[], metavar="RULE", help="this one; may be repeated"
    )
    check.add_argument(
        "--baseline",
        metavar="FILE",
        help="leave out what this file holds; where there is none, write it",
    )
    check.add_argument(
        "--fail-on",
        choices=["high", "medium", "low"],
        help="exit with 1 for what is as bad as this, or worse (default: high)",
    )
    check.set_defaults(run=_check)

    explain = commands.add_parser("explain", help="say what a rule of `check` finds, and why")
    explain.add_argument("rule", metavar="RULE", help="sql-injection")
    explain.set_defaults(run=_explain)

    add = commands.add_parser("add", help="add to this project")
    kinds = add.add_subparsers(metavar="WHAT", required=True)
    resource = kinds.add_parser(
        "resource",
        help="add a model, and all that serves it",
        description="Tries it in a copy of the project, shows what would change, asks, and only"
        " then writes. `apiwright undo` takes it back. A field is NAME:TYPE, and what is said of"
        " it: title:str:max=200, due:date:optional, status:enum:draft,sent:default=draft.",
    )
    resource.add_argument("name", nargs="?", metavar="NAME", help="a noun in the singular: Invoice")
    resource.add_argument("fields", nargs="*", metavar="FIELD", help="title:str:max=200:unique")
    resource.add_argument(
        "--from-model", metavar="MODULE:NAME", help="of a model that is there: app.models:Note"
    )
    resource.add_argument(
        "--from-table", metavar="TABLE", help="of a table that is there, in Postgres or SQLite"
    )
    resource.add_argument(
        "--url-env",
        metavar="VARIABLE",
        help="which environment variable holds the URL of the table's database (default: the"
        " project's own settings, or DATABASE_URL)",
    )
    resource.add_argument("--plural", metavar="WORD", help="where the usual one is not it: people")
    resource.add_argument(
        "--like", metavar="MODEL", help="the one to imitate, in a project of your own making"
    )
    resource.add_argument("--plan", action="store_true", help="only say what would change")
    resource.add_argument("--json", action="store_true", help="the same for programs")
    resource.add_argument("--yes", action="store_true", help="do not ask")
    resource.add_argument(
        "--unverified", action="store_true", help="also where something could not be verified"
    )
    resource.add_argument(
        "--allow-dirty", action="store_true", help="also into files with uncommitted edits"
    )
    resource.set_defaults(run=_add_resource)

    for name, what in (
        ("knowledge", "documents, and search in them"),
        ("agent", "an assistant that acts as the user, and a page to talk to it"),
    ):
        part = kinds.add_parser(name, help=f"add {what}")
        part.add_argument("--plan", action="store_true", help="only say what would change")
        part.add_argument("--json", action="store_true", help="the same for programs")
        part.add_argument("--yes", action="store_true", help="do not ask")
        part.add_argument(
            "--allow-dirty", action="store_true", help="also into files with uncommitted edits"
        )
        part.set_defaults(run=_add_part, part=name)

    knowledge = commands.add_parser("knowledge", help="see to the documents of this project")
    seen_to = knowledge.add_subparsers(metavar="WHAT", required=True)
    rebuild = seen_to.add_parser(
        "rebuild",
        help="have every document read and indexed anew",
        description="From what Postgres holds: after EMBEDDING_MODEL has changed, or when an index"
        " is in doubt. The worker does it; search goes on meanwhile.",
    )
    rebuild.set_defaults(run=_rebuild)

    undo = commands.add_parser(
        "undo",
        help="take back what a command wrote into this project",
        description="Only what Apiwright put there goes. What you have changed since stays, and is"
        " said.",
    )
    undo.add_argument("change_set", nargs="?", default="", metavar="ID", help="(default: the last)")
    undo.add_argument("--plan", action="store_true", help="say what would go, and change nothing")
    undo.add_argument("--json", action="store_true", help="the same for programs")
    undo.add_argument("--yes", action="store_true", help="do not ask")
    undo.set_defaults(run=_undo)

    status = commands.add_parser(
        "status", help="say what was written into this project, and what of it has changed since"
    )
    status.add_argument("--json", action="store_true", help="the same for programs")
    status.set_defaults(run=_status)

    dev = commands.add_parser(
        "dev",
        help="serve this project for development",
        description="Starts the embedded Postgres (unless DATABASE_URL is set), brings the"
        " database up to date, and serves with reload.",
    )
    _address(dev, host="127.0.0.1")
    dev.set_defaults(run=_dev)

    run = commands.add_parser(
        "run",
        help="serve this project for production",
        description="Needs DATABASE_URL and SECRET_KEY. Migrates nothing: `apiwright db upgrade`.",
    )
    _address(run, host="0.0.0.0")
    run.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    run.add_argument("--access-log", action="store_true", help="log a line per request")
    run.set_defaults(run=_run)

    worker = commands.add_parser(
        "worker",
        help="do the jobs of this project",
        description="What requests enqueued, and what is done by the clock. Run as many as it"
        " takes. `apiwright dev` does it, too. Ctrl-C or SIGTERM: ends after what is under way.",
    )
    worker.set_defaults(run=_worker)

    jobs = commands.add_parser("jobs", help="say which jobs wait, and which have failed for good")
    jobs.add_argument("--retry", nargs="+", metavar="ID", help="try these once more, or `all`")
    jobs.set_defaults(run=_jobs)

    db = commands.add_parser(
        "db",
        help="migrate this project's database",
        description="On DATABASE_URL; with FASTAPI_ENV=development and none, on the embedded"
        " Postgres.",
    )
    actions = db.add_subparsers(metavar="ACTION", required=True)
    upgrade = actions.add_parser("upgrade", help="bring the database up to a revision")
    upgrade.add_argument("revision", nargs="?", default="head", help="(default: head)")
    upgrade.set_defaults(run=_db, action="upgrade")
    downgrade = actions.add_parser("downgrade", help="take the database back to a revision")
    downgrade.add_argument("revision", help="-1: one back; base: before the first")
    downgrade.set_defaults(run=_db, action="downgrade")
    revision = actions.add_parser("revision", help="write a migration for what the models say")
    revision.add_argument("-m", "--message", required=True, help="what it does: 'add invoices'")
    revision.set_defaults(run=_db, action="revision")
    return parser


def _address(parser: argparse.ArgumentParser, host: str) -> None:
    parser.add_argument("--host", default=host, help=f"(default: {host})")
    parser.add_argument("--port", type=_port, default=8000, help="(default: 8000)")


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")
    return int(text)


def _new(options: argparse.Namespace) -> int:
    from apiwright.generators import new

    parts = _parts(options.parts) if options.parts else None
    made = new.write(options.name, Path.cwd(), bare=options.bare, parts=parts)
    print(f"{made.folder.name}/")
    for file in made.files:
        print(f"  {file}")
    if " @ " in made.requirement:
        print(f"\nIt depends on Apiwright from where this one was installed:\n  {made.requirement}")
    print(
        f"\nNext:\n  cd {made.folder.name}\n  apiwright dev"
        "\n\nIts README.md says how to test and to deploy it."
    )
    return 0


def _parts(wanted: Sequence[str]) -> "dict[str, Callable[[Path], Plan]]":
    """In the order in which they are put in: the assistant is given the documents to search."""
    with _tools():
        from apiwright.generators import agent, knowledge

    known = {"knowledge": knowledge.plan, "agents": agent.plan}
    if unknown := [part for part in wanted if part not in known]:
        raise ApiwrightError(
            f"There is no part {unknown[0]!r}.", f"There are {' and '.join(known)}."
        )
    return {part: plan for part, plan in known.items() if part in wanted}


def _inspect(options: argparse.Namespace) -> int:
    from apiwright.project import report, running
    from apiwright.project.load import load

    project = load(Path(options.path), options.app)
    if not options.static:
        project = running.run(project, Path(options.python) if options.python else None)
    _show(options, project, report.as_json, report.as_text)
    return 0


def _check(options: argparse.Namespace) -> int:
    from apiwright.checks.check import all_checks, check
    from apiwright.checks.reports.json import json
    from apiwright.checks.reports.sarif import sarif
    from apiwright.checks.reports.text import text

    with _progress() as say:
        checked = check(
            Path(options.path),
            options.app,
            python=Path(options.python) if options.python else None,
            static=options.static,
            only=options.only,
            baseline=Path(options.baseline) if options.baseline else None,
            fail_on=options.fail_on,
            say=say,
        )
    if options.format == "sarif":
        made = sarif(checked.report, all_checks())
    else:
        made = json(checked.report) if options.format == "json" else text(checked.report)
    if options.output is None:
        print(made, end="")
    else:
        _write(Path(options.output), made)
    return 1 if checked.fails else 0


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """One line that is written over, where somebody is looking."""
    if not sys.stderr.isatty():
        yield lambda doing: None
        return

    def say(doing: str) -> None:
        print(f"\r\x1b[K{doing} …", end="", file=sys.stderr, flush=True)

    try:
        yield say
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ApiwrightError(
            f"{path} cannot be written: {error.strerror}.", "Say another."
        ) from None


def _explain(options: argparse.Namespace) -> int:
    from apiwright.checks.check import named
    from apiwright.checks.reports.page import page

    print(page(named(options.rule)), end="")
    return 0


@contextmanager
def _tools() -> Iterator[None]:
    """Around the imports of what edits: the bare package has no libcst."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ApiwrightError(
            f"{error.name} is not installed, which editing code needs.",
            "Install it: pip install 'apiwright[tools]'",
        ) from None


def _add_resource(options: argparse.Namespace) -> int:
    with _tools():
        from apiwright.edit import preview
        from apiwright.edit.apply import apply, recover
        from apiwright.generators import fields, from_model, resource, shadow, verify
    from apiwright.project import running
    from apiwright.project.load import load

    _refuse_mixed_sources(options)
    said = None
    if options.name and not options.from_table:
        said = fields.parse(options.name, options.fields)
    if not options.plan and not options.yes:
        _refuse_without_terminal()
    recover(Path.cwd())
    project = load(Path.cwd())
    if said is None:
        resource.refuse_existing(project)
    if options.from_table:
        wanted = _of_a_table(options, project)
    else:
        wanted = said or from_model.resource(project, options.from_model)
    if options.plural:
        wanted = fields.with_plural(wanted, options.plural)
    resource.refuse_early(project, options.like, wanted.model)
    print("Trying it in a copy of the project …", file=sys.stderr)
    with _throwaway_server() as server:
        place = shadow.place(project, server)
        project = running.run(project, place.python)
        plan = resource.plan(project, wanted, place, options.like)
        if plan.files and not plan.blocked:
            plan = plan.with_checks(
                verify.verify(
                    project,
                    plan,
                    resource.wanted(project, wanted, options.like),
                    place,
                    lambda changed: resource.plan(changed, wanted, place, options.like),
                )
            )
    _show(options, plan, preview.as_json, preview.text)
    if plan.is_empty:
        return 0
    _refuse_unproven(plan, options.unverified)
    if options.plan:
        return 1
    if not options.yes and not _agreed("Write this?"):
        return 3
    apply(plan, Path.cwd(), allow_dirty=options.allow_dirty)
    if not options.json:
        served = "; `apiwright dev` migrates and serves it" if shadow.on_kit(project) else ""
        print(f"\nWritten. `apiwright undo` takes it back{served}.")
    return 0


def _add_part(options: argparse.Namespace) -> int:
    with _tools():
        from apiwright.edit import preview
        from apiwright.edit.apply import apply, recover
        from apiwright.generators import agent, knowledge

    if not options.plan and not options.yes:
        _refuse_without_terminal()
    recover(Path.cwd())
    plan = {"knowledge": knowledge, "agent": agent}[options.part].plan(Path.cwd())
    _show(options, plan, preview.as_json, preview.text)
    if plan.is_empty:
        return 0
    _refuse_unproven(plan, unverified=False)
    if options.plan:
        return 1
    if not options.yes and not _agreed("Write this?"):
        return 3
    apply(plan, Path.cwd(), allow_dirty=options.allow_dirty)
    if not options.json:
        print("\nWritten. `apiwright undo` takes it back; `apiwright dev` migrates and serves it.")
    return 0


def _rebuild(options: argparse.Namespace) -> int:
    import asyncio

    from apiwright.kit import database, knowledge

    settings = _settings_of_app()

    async def rebuild() -> int:
        async with database.opened(settings) as opened:
            return await knowledge.rebuild(opened)

    print(f"{asyncio.run(rebuild())} documents are read anew, by `apiwright worker`.")
    return 0


def _refuse_mixed_sources(options: argparse.Namespace) -> None:
    """Raises ApiwrightError unless one thing says what the resource is."""
    sources = (options.name and not options.from_table, options.from_model, options.from_table)
    if sum(map(bool, sources)) != 1 or (options.from_table and options.fields):
        raise ApiwrightError(
            "It takes a name and fields, or a model, or a table.",
            "apiwright add resource Note title:str:max=200; or --from-model app.models:Note;"
            " or --from-table notes.",
        )


def _of_a_table(options: argparse.Namespace, project: "Project") -> "Resource":
    from apiwright.generators import adoption, from_table, shadow

    def read(connection: "Connection") -> "Resource":
        name = options.name or ""
        wanted = from_table.resource(connection, project, options.from_table, name)
        if shadow.on_kit(project):
            return adoption.adopted(connection, project, wanted)
        return wanted

    with _database_url(options, shadow.on_kit(project)) as url:
        return _on_database(url, read)


@contextmanager
def _database_url(options: argparse.Namespace, on_kit: bool) -> Iterator[str]:
    """Never from the command line, which other users of the machine can read."""
    variable = options.url_env or "DATABASE_URL"
    if url := os.environ.get(variable):
        yield url
        return
    if options.url_env or not on_kit:
        raise ApiwrightError(
            f"{variable} is not set, which is to hold the URL of the table's database.",
            "Set it, or name another: --url-env VARIABLE.",
        )
    from apiwright.kit.database import url_of

    os.environ.setdefault("FASTAPI_ENV", "development")
    with url_of(_project()[1]) as url:
        yield url


def _on_database(url: str, do: "Callable[[Connection], T]") -> T:
    """Only reads: a SQLite file is opened so, and a transaction in Postgres is not committed."""
    import asyncio
    import sqlite3

    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError

    from apiwright.kit.postgres_url import engine_of

    async def on_postgres() -> T:
        engine = engine_of(url)
        async with engine.connect() as connection:
            await connection.execution_options(postgresql_readonly=True)
            done = await connection.run_sync(do)
        await engine.dispose()
        return done

    scheme, _, path = url.partition("://")
    try:
        if scheme.partition("+")[0] != "sqlite":
            _reach(url)
            return asyncio.run(on_postgres())
        file = Path(path.partition("?")[0].removeprefix("/"))
        opened = f"{file.resolve().as_uri()}?mode=ro"
        engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(opened, uri=True))
        with engine.connect() as connection:
            return do(connection)
    except DBAPIError as error:
        raise ApiwrightError(
            f"The database cannot be read: {error.orig}.", "Does this login see the table?"
        ) from None


def _refuse_unproven(plan: "Plan", unverified: bool) -> None:
    """Raises what makes the status 3 for what could not be made, or not be verified; 4 for what
    was verified to fail."""
    from apiwright.errors import Refused, Unproven

    if plan.blocked:
        raise Refused(
            f"{plan.blocked[0].path}: {plan.blocked[0].reason}. Nothing was changed.",
            "See above what to do by hand, or choose another name.",
        )
    if any(check.passed is False for check in plan.checks):
        raise Unproven(
            "It does not work in a copy of the project, so nothing was changed.",
            "See above which checks failed, and why.",
        )
    if any(check.passed is None for check in plan.checks) and not unverified:
        raise Refused(
            "Not all of it could be verified, and nothing was changed.",
            "See above why; mend that, or say --unverified.",
        )


@contextmanager
def _throwaway_server() -> Iterator[str]:
    import tempfile

    from apiwright.kit import embedded

    with tempfile.TemporaryDirectory(prefix="apiwright-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "postgres"
        try:
            with embedded.running(data) as url:
                yield url
        finally:
            embedded.remove(data)


def _undo(options: argparse.Namespace) -> int:
    with _tools():
        from apiwright.edit import preview
        from apiwright.edit.undo import undo, undoing

    proposed = undoing(Path.cwd(), options.change_set)
    _show(options, proposed, preview.undoing_as_json, preview.of_undoing)
    if proposed is None:
        return 0
    if options.plan:
        return 1
    if not options.yes and not _agreed("Take this back?"):
        return 3
    undo(proposed, Path.cwd())
    return 3 if proposed.kept else 0


def _status(options: argparse.Namespace) -> int:
    with _tools():
        from apiwright.edit import preview
        from apiwright.edit.status import status

    applied = status(Path.cwd())
    _show(options, applied, preview.status_as_json, preview.of_status)
    return 0


def _show(
    options: argparse.Namespace,
    what: T,
    as_json: Callable[[T], Any],
    as_text: Callable[[T], str],
) -> None:
    import json

    if options.json:
        print(json.dumps(as_json(what), indent=2))
    else:
        print(as_text(what), end="")


def _agreed(question: str) -> bool:
    """Raises ApiwrightError where there is nobody to ask."""
    _refuse_without_terminal()
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _refuse_without_terminal() -> None:
    if not sys.stdin.isatty():
        raise ApiwrightError(
            "There is no terminal to ask in, and nothing was changed.",
            "Say --yes to do it, or --plan to only see it.",
        )


def _dev(options: argparse.Namespace) -> int:
    os.environ.setdefault("FASTAPI_ENV", "development")
    _, settings = _project()
    from apiwright.kit import logs
    from apiwright.kit.database import url_of

    if settings.database_url is None:
        print("Starting Postgres in .data/postgres (the first time takes longer)", file=sys.stderr)
    logs.configure(settings)
    with url_of(settings) as url:
        _reach(url)
        os.environ["DATABASE_URL"] = url  # for the serving process, which starts anew on a change
        print(f"Docs: http://{options.host}:{options.port}/docs", file=sys.stderr)
        _serve(options, "apiwright.cli:migrated_app", factory=True, reload=True, reload_dirs=["."])
    return 0


def migrated_app() -> "FastAPI":
    """What the serving process of `apiwright dev` loads, at each change: the project's app, once
    its database is up to date."""
    from concurrent.futures import ThreadPoolExecutor

    from alembic import command
    from uvicorn.importer import import_from_string

    from apiwright.kit import migrations

    entrypoint, _ = _project()
    with ThreadPoolExecutor() as thread:  # this one runs the server's event loop
        config = migrations.config(os.environ["DATABASE_URL"])
        thread.submit(command.upgrade, config, "head").result()
    app: FastAPI = import_from_string(entrypoint)
    from apiwright.kit import jobs

    if jobs.registry.tasks or jobs.registry.schedules:
        _worker_module().install(app)
    return app


def _run(options: argparse.Namespace) -> int:
    if options.access_log:
        os.environ["ACCESS_LOG"] = "true"  # for the settings of each worker
    entrypoint, settings = _project()
    from apiwright.kit import logs

    logs.configure(settings)
    if settings.database_url is not None:
        _reach(settings.database_url.get_secret_value())
    _refuse_unservable(entrypoint)
    _serve(options, entrypoint, workers=options.workers)
    return 0


def _serve(options: argparse.Namespace, app: str, **more: Any) -> None:  # Any: uvicorn's options
    import uvicorn

    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        http=_HTTP,
        log_config=None,  # ours
        access_log=False,
        server_header=False,
        proxy_headers=_PROXIES != "",
        forwarded_allow_ips=_PROXIES,
        **more,
    )


def _worker(options: argparse.Namespace) -> int:
    import asyncio

    from apiwright.kit import database, logs

    settings = _settings_of_app()
    worker = _worker_module()
    logs.configure(settings)
    if settings.database_url is not None:
        _reach(settings.database_url.get_secret_value())

    async def work() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with database.opened(settings) as opened:
            await worker.work(opened, settings, stop)

    asyncio.run(work())
    return 0


def _jobs(options: argparse.Namespace) -> int:
    import asyncio

    from apiwright.kit.database import url_of

    settings = _settings_of_app()
    worker = _worker_module()

    async def show(url: str) -> None:
        async with worker.opened(url, settings) as queue:
            await queue.check()
            if options.retry:
                dead = [one.id for one in await queue.dead()]
                ids = dead if options.retry == ["all"] else [int(one) for one in options.retry]
                if missing := sorted(set(ids) - set(dead)):
                    raise ApiwrightError(
                        f"No job that failed for good has the number {missing[0]}.",
                        "See which do: `apiwright jobs`.",
                    )
                await queue.retry(ids)
            for count in await queue.counts():
                print(f"{count.jobs:8} {count.task} {_STATUS.get(count.status, count.status)}")
            for one in await queue.dead():
                owner = f" of {one.owner_id}" if one.owner_id else ""
                print(f"{one.id}: {one.task}{owner}, {one.created_at:%Y-%m-%d %H:%M}: {one.error}")

    with url_of(settings) as url:
        _reach(url)
        try:
            asyncio.run(show(url))
        except ValueError:
            raise ApiwrightError("A job is named by its number.", "Or write `all`.") from None
    return 0


def _settings_of_app() -> "Settings":
    """Those of the project's own class. With the app, its tasks are imported."""
    from uvicorn.importer import import_from_string

    entrypoint, _ = _project()
    app: FastAPI = import_from_string(entrypoint)
    settings: Settings | None = getattr(app.state, "settings", None)
    if settings is None:
        raise ApiwrightError(f"{entrypoint} has no settings.", "Call web.install(app, settings).")
    return settings


def _worker_module() -> ModuleType:
    try:
        from apiwright.kit import worker
    except ModuleNotFoundError as error:
        raise ApiwrightError(
            f"{error.name} is not installed, which does the jobs.",
            "Install it: pip install 'apiwright[jobs]'.",
        ) from None
    return worker


def _db(options: argparse.Namespace) -> int:
    if options.action == "revision":  # writes code, which is development
        os.environ.setdefault("FASTAPI_ENV", "development")
    _, settings = _project()
    from alembic import command
    from alembic.util import CommandError

    from apiwright.kit import migrations
    from apiwright.kit.database import url_of

    with url_of(settings) as url:
        _reach(url)
        config = migrations.config(url)
        try:
            if options.action == "upgrade":
                command.upgrade(config, options.revision)
            elif options.action == "downgrade":
                command.downgrade(config, options.revision)
            else:
                if settings.database_url is None:
                    command.upgrade(config, "head")  # the embedded one: ours to bring along
                _finish(migrations.revise(config, options.message))
        except CommandError as error:
            raise ApiwrightError(f"Alembic says: {error}.", "Nothing was changed.") from None
    return 0


def _finish(written: Path | None) -> None:
    """Format a migration as the project's formatter would, if it has one."""
    if written is None:
        print("The migrations already say what the models say: nothing was written.")
        return
    if ruff := shutil.which("ruff"):
        subprocess.run([ruff, "format", "--quiet", str(written)], check=False)
    # a running `apiwright dev` looks at files that it knows, and so sees the new one
    written.parents[1].joinpath("env.py").touch()


def _reach(url: str) -> None:
    """Raises ApiwrightError when the database cannot be reached."""
    import asyncio

    from asyncpg import PostgresError

    from apiwright.kit import postgres_url

    async def reach() -> None:
        async with asyncio.timeout(_PATIENCE):
            await (await postgres_url.connect(url)).close()

    try:
        asyncio.run(reach())
    except (OSError, PostgresError) as error:
        why = str(error) or f"no answer within {_PATIENCE:.0f} seconds"
        raise ApiwrightError(
            f"The database cannot be reached: {why}.", "Is DATABASE_URL right, and is it running?"
        ) from None


def _refuse_unservable(entrypoint: str) -> None:
    """Raises ApiwrightError, in words and once, for what each worker would refuse to start with."""
    import asyncio

    from uvicorn.importer import import_from_string

    from apiwright.kit import permissions
    from apiwright.kit.database import opened

    app: FastAPI = import_from_string(entrypoint)
    permissions.check(app)
    settings: Any = getattr(app.state, "settings", None)

    async def check() -> None:
        async with opened(settings):
            pass

    if settings is not None:  # `web.install` was not called otherwise
        asyncio.run(check())


def _project() -> tuple[str, "Settings"]:
    """The app to serve and the settings of the project in this folder, which can be imported
    from then on."""
    import tomllib

    from pydantic import ValidationError

    from apiwright.kit.settings import Settings

    try:
        pyproject = tomllib.loads(Path("pyproject.toml").read_text())
    except FileNotFoundError:
        raise ApiwrightError(
            f"There is no pyproject.toml in {Path.cwd()}.",
            "Change to a project's folder, or make a project with `apiwright new`.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ApiwrightError(f"pyproject.toml cannot be read: {error}.", "Correct it.") from None
    entrypoint = pyproject.get("tool", {}).get("fastapi", {}).get("entrypoint", "app.main:app")
    try:
        settings = Settings()
    except ValidationError as error:
        reasons = "\n".join(
            ".".join(map(str, e["loc"])).upper() + f" {e['msg']}".removeprefix(" Value error, ")
            for e in error.errors()
        )
        raise ApiwrightError("The settings are not complete.", reasons) from None
    sys.path.insert(0, str(Path.cwd()))
    return entrypoint, settings
