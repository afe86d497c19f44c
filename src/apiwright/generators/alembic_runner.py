"""Alembic in somebody's project: writes the migration of a new table, and tries it.

`python -B alembic_runner.py JOB` in the project's own interpreter, with the Alembic and the env.py
that it has; the cage sees to it that the database is a throwaway one. The answer is written to the
file that the job names.
"""

from __future__ import annotations

import gc
import importlib
import json
import shutil
import sys
import uuid
from contextlib import suppress
from datetime import date, datetime, time, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Callable, Iterator  # noqa: UP035  # older interpreters

import alembic
from alembic import command
from alembic.autogenerate import produce_migrations, renderers
from alembic.config import Config
from alembic.operations import ops
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Enum, MetaData, Table, func, insert, inspect, literal, select
from sqlalchemy.engine import Engine

_VALUES: dict[type, Any] = {
    str: "x",
    int: 1,
    float: 1.0,
    bool: True,
    bytes: b"x",
    Decimal: Decimal(1),
    dict: {},
    list: [],
    date: date(2030, 1, 1),
    datetime: datetime(2030, 1, 1, tzinfo=timezone.utc),  # noqa: UP017  # older interpreters
    time: time(12),
    uuid.UUID: uuid.UUID("01900000-0000-7000-8000-000000000000"),
}


class Wrong(Exception):
    """What is said of the migration."""


class Project:
    def __init__(self, job: dict[str, Any]) -> None:
        self.config = Config(job["ini"]) if job["ini"] else Config()
        if not self.config.get_main_option("script_location"):
            self.config.set_main_option("script_location", job["location"])
        if self.config.file_config.has_section("post_write_hooks"):
            self.config.file_config.remove_section("post_write_hooks")
        self.tables: list[str] = job["tables"]
        self.file: str = job.get("file", "")
        self.note = ""

    def within(self, do: Callable[[Any], Any], **options: Any) -> Any:
        """What `do` says of the context in which env.py would have migrations run."""
        said: list[Any] = []

        def instead(revision: Any, context: Any) -> list[Any]:
            said.append(do(context))
            return []

        script = ScriptDirectory.from_config(self.config)
        with EnvironmentContext(self.config, script, fn=instead, **options):
            script.run_env()
        _forget_connections()
        if not said:
            raise Wrong("env.py runs no migrations")
        return said[0]

    def to(self, revision: str, up: bool) -> None:
        (command.upgrade if up else command.downgrade)(self.config, revision)
        _forget_connections()

    def there(self) -> list[str]:
        """Those of our tables that are in the database."""
        names = self.within(_table_names, dont_mutate=True)
        return [table for table in self.tables if table in names]

    def to_the_one_before(self) -> tuple[str, str]:
        """The database as it is before our migration; its revision, and ours."""
        script = ScriptDirectory.from_config(self.config)
        (ours,) = [one for one in script.walk_revisions() if one.path.endswith(self.file)]
        before = str(ours.down_revision or "base")
        try:
            if before != "base":
                self.to(before, up=True)
        except Exception as error:
            self.note = f"the migrations before it do not run on an empty database: {told(error)}"
            self.within(self.make_other_tables, dont_mutate=True)
            command.stamp(self.config, before, purge=True)
            _forget_connections()
        return before, ours.revision

    def make_other_tables(self, context: Any) -> None:
        with _transaction(context):
            known = MetaData()
            known.reflect(context.connection)
            known.drop_all(context.connection)
            for metadata in _metadata(context):
                others = [one for one in metadata.sorted_tables if one.name not in self.tables]
                metadata.create_all(context.connection, tables=others)


# writing it


class DropEnum(ops.MigrateOperation):
    """A type stays when the table that uses it goes."""

    def __init__(self, name: str) -> None:
        self.name = name


@renderers.dispatch_for(DropEnum)
def _drop_enum(context: Any, op: DropEnum) -> str:
    prefix = context.opts["sqlalchemy_module_prefix"]
    return f"{prefix}Enum(name={op.name!r}).drop(op.get_bind(), checkfirst=True)"


def revise(job: dict[str, Any]) -> dict[str, Any]:
    project = Project(job)
    project.config.set_main_option("revision_environment", "true")
    template = Path(ScriptDirectory.from_config(project.config).dir) / "script.py.mako"
    if not template.exists():  # in a copy: Alembic's own will do
        shutil.copy(Path(alembic.__file__).parent / "templates/generic/script.py.mako", template)
    models = [tuple(each) for each in job["models"]]
    names: list[str] = []

    def write(context: Any, revision: Any, directives: list[Any]) -> None:
        tables = list(_tables(context, models, project.tables))
        names[:] = [table.name for table in tables]
        (script,) = directives
        script.upgrade_ops.ops[:] = [op for table in tables for op in _up(table)]
        script.downgrade_ops.ops[:] = [op for table in tables[::-1] for op in _down(table)]
        script.imports |= {line for table in tables for line in _imports(table)}

    error = None
    for offline in (False, True):
        try:
            written: Any = command.revision(
                project.config,
                job["message"],
                sql=offline,
                rev_id=job["rev_id"],
                process_revision_directives=write,
            )
            break
        except Exception as caught:  # no database: what env.py does without one may do
            error = error or caught
    else:
        assert error is not None
        raise error
    path = Path(written.path)
    return {"path": str(path), "text": _with_imports(path.read_text("utf-8")), "tables": names}


def _tables(context: Any, models: list[tuple[str, str]], names: list[str]) -> Iterator[Table]:
    """Those that others refer to first."""
    for module, name in models:
        names = [*names, getattr(importlib.import_module(module), name).__table__.name]
    for metadata in _metadata(context):
        yield from (table for table in metadata.sorted_tables if table.name in names)


def _up(table: Table) -> Iterator[Any]:
    yield ops.CreateTableOp.from_table(table)
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    if indexes:
        made = [ops.CreateIndexOp.from_index(index) for index in indexes]
        yield ops.ModifyTableOps(table.name, made, schema=table.schema)


def _down(table: Table) -> Iterator[Any]:
    yield from (op.reverse() for op in list(_up(table))[::-1])
    yield from (DropEnum(name) for name in sorted(_enums(table)))


def _enums(table: Table) -> set[str]:
    """Types of the database that nothing else uses."""
    elsewhere = {
        column.type.name
        for other in table.metadata.tables.values()
        if other is not table
        for column in other.columns
        if isinstance(column.type, Enum)
    }
    return {
        column.type.name
        for column in table.columns
        if isinstance(column.type, Enum) and column.type.native_enum and column.type.name
    } - elsewhere


def _imports(table: Table) -> Iterator[str]:
    """Alembic writes the whole name of a type that is not SQLAlchemy's, and does not import it."""
    for column in table.columns:
        module = type(column.type).__module__
        if not module.startswith("sqlalchemy."):
            yield "import sqlmodel" if module.startswith("sqlmodel.") else f"import {module}"


def _with_imports(text: str) -> str:
    """Once each, where a template has its own."""
    seen: set[str] = set()
    lines = []
    for line in text.splitlines(keepends=True):
        if line.startswith("import "):
            if line.strip() in seen:
                continue
            seen.add(line.strip())
        lines.append(line)
    return "".join(lines)


# trying it


def on_empty(job: dict[str, Any]) -> dict[str, Any]:
    """Up, down and up again; what is there then is what the models say."""
    project = Project(job)
    before, ours = project.to_the_one_before()
    project.to(ours, up=True)
    missing = set(project.tables) - set(project.there())
    if missing:
        raise Wrong(f"the way up does not make {', '.join(sorted(missing))}")
    project.to(before, up=False)
    if left := project.there():
        raise Wrong(f"the way down leaves {', '.join(left)} behind")
    project.to(ours, up=True)
    drift = project.within(lambda context: _drift(context), dont_mutate=True)
    return {"note": project.note, "drift": drift}


def on_rows(job: dict[str, Any]) -> dict[str, Any]:
    """Up, down and up on a row in every table; those that were there before stay."""
    project = Project(job)
    before, ours = project.to_the_one_before()
    counted = project.within(fill, dont_mutate=True)
    project.to(ours, up=True)
    project.within(fill, dont_mutate=True)
    project.to(before, up=False)
    then = project.within(_count, dont_mutate=True)
    lost = [name for name, rows in counted.items() if then.get(name, 0) < rows]
    left = [name for name in then if name not in counted]
    if lost or left:
        what = f"loses rows of {', '.join(lost)}" if lost else f"leaves {', '.join(left)} behind"
        raise Wrong(f"the way down {what}")
    project.to(ours, up=True)
    empty = [name for name, rows in counted.items() if rows == 0]
    note = f"no row could be made for {', '.join(empty)}" if empty else ""
    return {"note": project.note or note, "rows": sum(counted.values())}


def upgrade(job: dict[str, Any]) -> dict[str, Any]:
    """To where the migrations lead."""
    Project(job).to("heads", up=True)
    return {}


def look(job: dict[str, Any]) -> dict[str, Any]:
    """Whether env.py can be run at all."""
    Project(job).within(_table_names, dont_mutate=True)
    return {}


def _drift(context: Any) -> list[list[str]]:
    """Tables in which the database and the models differ, and how."""
    found = []
    for metadata in _metadata(context):
        upgrades = produce_migrations(context, metadata).upgrade_ops
        for op in upgrades.ops if upgrades else ():
            name = getattr(op, "table_name", "")
            inner = getattr(op, "ops", [op])
            found.append([name, ", ".join(sorted({type(one).__name__ for one in inner}))])
    return found


def fill(context: Any) -> dict[str, int]:
    """A row in each table that has none, where one can be made; how many each has then."""
    rows: dict[str, Any] = {}
    declared = {
        name: table for metadata in _metadata(context) for name, table in metadata.tables.items()
    }
    with _transaction(context):
        for table in _reflected(context):
            values = dict(_values(table, declared.get(table.name), rows))
            # not where a rule of theirs forbids it: the migration is tried without that row
            with suppress(Exception), context.connection.begin_nested():
                if not context.connection.execute(select(table).limit(1)).first():
                    context.connection.execute(insert(table).values(values))
                row = context.connection.execute(select(table).limit(1)).mappings().one()
                rows[table.name] = dict(row)
    return _count(context)


def _values(table: Table, declared: Table | None, rows: dict[str, Any]) -> Iterator[Any]:
    referring = {
        element.parent.name: rows[element.column.table.name][element.column.name]
        for constraint in table.foreign_key_constraints
        for element in constraint.elements
        if element.column.table.name in rows
    }
    for column in table.columns:
        if column.name in referring:
            yield column.name, referring[column.name]
        elif column.nullable or column.server_default is not None or column is _serial(table):
            continue
        else:
            kind = column.type
            if declared is not None and column.name in declared.c:
                kind = declared.c[column.name].type
            yield column.name, literal(_value(kind), type_=kind)


def _serial(table: Table) -> Any:
    return table._autoincrement_column


def _value(kind: Any) -> Any:
    if isinstance(kind, Enum):
        return kind.enum_class(_first(kind.enum_class)) if kind.enum_class else kind.enums[0]
    known: list[Any] = [kind, getattr(kind, "impl", None)]
    for one in known:  # of a type that is made of another
        with suppress(KeyError, NotImplementedError, AttributeError):
            return _VALUES[one.python_type]
    return "x"


def _first(enum: Any) -> Any:
    return next(iter(enum)).value


def _count(context: Any) -> dict[str, int]:
    return {
        table.name: context.connection.execute(select(func.count()).select_from(table)).scalar()
        for table in _reflected(context)
    }


def _reflected(context: Any) -> list[Table]:
    """As the database has them, parents first."""
    metadata = MetaData()
    metadata.reflect(context.connection)
    version = context.opts.get("version_table") or "alembic_version"
    return [table for table in metadata.sorted_tables if table.name != version]


def _table_names(context: Any) -> list[str]:
    return list(inspect(context.connection).get_table_names())


def _metadata(context: Any) -> list[MetaData]:
    found = context.opts["target_metadata"]
    if found is None:
        raise Wrong("env.py does not say which tables there are: target_metadata is None")
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _transaction(context: Any) -> Any:
    """As Alembic does for each migration."""
    return context.begin_transaction(_per_migration=True)


def _forget_connections() -> None:
    """env.py may run an event loop each time, and a pool's connections belong to the last one."""
    for one in gc.get_objects():
        if isinstance(one, Engine):
            one.dispose(close=False)


def told(error: BaseException) -> str:
    words = " ".join(str(error).split())
    return words[:300] if isinstance(error, Wrong) else f"{type(error).__name__}: {words}"[:300]


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123
        job = json.load(file)
    answer: dict[str, Any] = {"error": None}
    try:
        answer.update(_DO[job["do"]](job))
    except BaseException as error:
        answer["error"] = told(error)
    with open(job["answer"], "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(answer, file)


_DO: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "revise": revise,
    "on_empty": on_empty,
    "on_rows": on_rows,
    "upgrade": upgrade,
    "look": look,
}

if __name__ == "__main__":
    main()
