"""Rows are looked up by a column that has no index.

## What it finds

Foreign keys and owner columns of models with no index: not `index=True`, not unique, not the first
of a primary key, an `Index` or a unique constraint, and none that a migration makes. Silent with
MySQL, which makes one for every foreign key.

## Why it matters

"All orders of this user" reads the whole table, and so does every delete of a user, to see whether
a row still refers to him. With a thousand rows nobody sees it. `index=True`, and a migration.

## References

- https://docs.sqlalchemy.org/en/20/core/constraints.html#indexes
- https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
"""

import ast
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.reading import name_in
from apiwright.checks.rule import rule
from apiwright.project.code import Code
from apiwright.project.facts import Column, Model

_TABLES = """
from fastapi import FastAPI
from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

app = FastAPI()

class Base(DeclarativeBase): ...

class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
BAD = (
    f"""{_TABLES}
class Task(Base):
    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
""",
    """
from fastapi import FastAPI
from sqlmodel import Field, SQLModel

app = FastAPI()

class User(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="user.id")
""",
)
GOOD = (
    f"""{_TABLES}
class Task(Base):
    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)

class Note(Base):
    __tablename__ = "note"
    __table_args__ = (Index("ix_note_owner", "owner_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"))

class Tag(Base):
    __tablename__ = "tag"
    __table_args__ = (UniqueConstraint("owner_id", "name"),)
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    name: Mapped[str] = mapped_column(primary_key=True)
""",
    {
        "main.py": f"""{_TABLES}
class Task(Base):
    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
""",
        "migrations/versions/1_tasks.py": """
from alembic import op

revision = "1"
down_revision = None

def upgrade():
    op.create_index("ix_task_owner_id", "task", ["owner_id"])
""",
    },
)


@rule(severity="low")
def missing_index(code: Code) -> Iterator[Finding]:
    if any(b"mysql" in source.content.lower() for source in code.sources):
        return
    made = frozenset(_made(code))
    for model in code.project.models:
        for column in model.columns:
            if _needs_one(model, column) and not _has_one(code, model, column, made):
                assert column.at is not None
                yield missing_index.finding(
                    column.at,
                    f"`{model.name}.{column.attribute}` refers to"
                    f" {column.foreign_key or 'the owner'} and has no index: what belongs to one is"
                    " found by reading the whole table. Add index=True, and a migration.",
                )


def _needs_one(model: Model, column: Column) -> bool:
    return column.at is not None and (
        column.foreign_key is not None or column.attribute == model.owner_column
    )


def _has_one(code: Code, model: Model, column: Column, made: frozenset[tuple[str, str]]) -> bool:
    return (
        column.index
        or column.unique
        or column.primary_key
        or any(
            names[:1] in ((column.name,), (column.attribute,)) for names in model.unique_together
        )
        or (model.table or "", column.name) in made
        or column.attribute in _of_arguments(code, model)
        or column.name in _of_arguments(code, model)
    )


def _made(code: Code) -> Iterator[tuple[str, str]]:
    """(table, column) of op.create_index and of SQL in migrations."""
    for source in code.sources:
        if b"create_index" not in source.content:
            continue
        for call in source.all(ast.Call):
            if name_in(call.func) == "create_index" and len(call.args) >= 3:
                table, columns = call.args[1], call.args[2]
                if isinstance(table, ast.Constant) and isinstance(columns, ast.List):
                    for one in columns.elts[:2]:  # (owner, project) serves both
                        if isinstance(one, ast.Constant):
                            yield str(table.value), str(one.value)
        for call in source.all(ast.Call):  # with op.batch_alter_table("task") as batch
            if name_in(call.func) == "create_index" and len(call.args) == 2:
                columns = call.args[1]
                if isinstance(columns, ast.List) and isinstance(columns.elts[0], ast.Constant):
                    for batch in _batch_tables(source.tree):
                        yield batch, str(columns.elts[0].value)


def _batch_tables(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_in(node.func) == "batch_alter_table" and node.args:
            yield from (str(one.value) for one in node.args[:1] if isinstance(one, ast.Constant))


def _of_arguments(code: Code, model: Model) -> frozenset[str]:
    """First columns of Index(…) in the class or beside it."""
    found = set()
    for cls in code.evaluator.classes():
        if cls.node.name != model.name or cls.at != model.at:
            continue
        for call in cls.scope.source.all(ast.Call):
            if name_in(call.func) != "Index" or len(call.args) < 2:
                continue
            first = call.args[1]
            if isinstance(first, ast.Constant):
                inside = cls.node.lineno <= call.lineno <= (cls.node.end_lineno or 0)
                found |= {str(first.value)} if inside else set()
            elif isinstance(first, ast.Attribute) and name_in(first.value) in {model.name, "c"}:
                found.add(first.attr)
    return frozenset(found)
