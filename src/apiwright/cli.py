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
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from apiwright.errors import ApiwrightError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from apiwright.edit.plan import Plan
    from apiwright.kit.settings import Settings


T = TypeVar("T")

_PATIENCE = 10.0  # seconds for the database's first answer
_PROXIES = os.environ.get("FORWARDED_ALLOW_IPS", "")
"""Whose X-Forwarded-For is believed: nobody's, until it is said. uvicorn would believe whatever
comes from this machine."""

_HTTP = "apiwright.kit.server:Protocol"
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

    add = commands.add_parser("add", help="add to this project")
    kinds = add.add_subparsers(metavar="WHAT", required=True)
    resource = kinds.add_parser(
        "resource",
        help="add a model, and all that serves it",
        description="Tries it in a copy of the project, shows what would change, asks, and only"
        " then writes. `apiwright undo` takes it back. A field is NAME:TYPE, and what is said of"
        " it: title:str:max=200, due:date:optional, status:enum:draft,sent:default=draft.",
    )
    resource.add_argument("name", metavar="NAME", help="a noun in the singular: Invoice")
    resource.add_argument("fields", nargs="*", metavar="FIELD", help="title:str:max=200:unique")
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

    made = new.write(options.name, Path.cwd(), bare=options.bare)
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


def _inspect(options: argparse.Namespace) -> int:
    from apiwright.project import report, running
    from apiwright.project.load import load

    project = load(Path(options.path), options.app)
    if not options.static:
        project = running.run(project, Path(options.python) if options.python else None)
    _show(options, project, report.as_json, report.as_text)
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
        from apiwright.generators import fields, resource, shadow, verify
    from apiwright.project import running
    from apiwright.project.load import load

    wanted = fields.parse(options.name, options.fields)
    if not options.plan and not options.yes:
        _refuse_without_terminal()
    recover(Path.cwd())
    project = load(Path.cwd())
    resource.refuse_other_layouts(project)
    print("Trying it in a copy of the project …", file=sys.stderr)
    with _throwaway_server() as server:
        place = shadow.place(project, server)
        project = running.run(project, place.python)
        plan = resource.plan(project, wanted, place)
        if plan.files and not plan.blocked:
            plan = plan.with_checks(
                verify.verify(
                    project,
                    plan,
                    resource.wanted(project, wanted),
                    place,
                    lambda changed: resource.plan(changed, wanted, place),
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
        print("\nWritten. `apiwright undo` takes it back; `apiwright dev` migrates and serves it.")
    return 0


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
    return app


def _run(options: argparse.Namespace) -> int:
    if options.access_log:
        os.environ["ACCESS_LOG"] = "true"  # for the settings of each worker
    entrypoint, settings = _project()
    from apiwright.kit import logs

    logs.configure(settings)
    if settings.database_url is not None:
        _reach(settings.database_url.get_secret_value())
    _check(entrypoint)
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
        forwarded_allow_ips=_PROXIES,
        **more,
    )


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


def _check(entrypoint: str) -> None:
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
