"""A statement is built of what the client sends.

## What it finds

Texts given to the database (`text()`, `execute()`, `exec_driver_sql()`, a driver's cursor or
connection, `literal_column()`) that are put together with an f-string, `%`, `+` or `format` and
hold something from the path, the query, a header, a cookie, a form or the body; also through
variables and functions of the project. Silent where the value is a number, a UUID or an enum, or
is looked up in a fixed list first.

## Why it matters

The client does not send a value but a piece of SQL: he reads other tables, changes them, or deletes
them. Bind values: `text("… WHERE title = :title")` with parameters. What cannot be bound, such as
the column to sort by, is chosen from a dictionary of your own.

## References

- https://cwe.mitre.org/data/definitions/89.html
- https://docs.sqlalchemy.org/en/20/core/sqlelement.html#sqlalchemy.sql.expression.text
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.rule import rule
from apiwright.checks.taint import NOTHING, Reached, Taint, told
from apiwright.project.code import Code

BAD = (
    """
from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

app = FastAPI()
engine = create_engine("sqlite://")

def session():
    with Session(engine) as opened:
        yield opened

@app.get("/tasks")
def tasks(title: str, db: Session = Depends(session)) -> list[str]:
    return list(db.scalars(text(f"SELECT title FROM task WHERE title = '{title}'")))
""",
    {
        "app/repository.py": """
from sqlalchemy import text

class Tasks:
    def __init__(self, db):
        self.db = db

    def sorted_by(self, column):
        statement = "SELECT title FROM task"
        statement += " ORDER BY %s" % column
        return self.db.execute(text(statement)).all()
""",
        "app/main.py": """
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker

from app.repository import Tasks

app = FastAPI()
Maker = sessionmaker(create_engine("sqlite://"))

class Wish(BaseModel):
    sort: str = "title"

def get_db():
    with Maker() as db:
        yield db

@app.post("/search")
def search(wish: Wish, db: Session = Depends(get_db)):
    return Tasks(db).sorted_by(wish.sort)
""",
    },
    """
import sqlite3
from fastapi import FastAPI, Request

app = FastAPI()

@app.get("/tasks")
async def tasks(request: Request):
    name = request.query_params.get("name", "")
    connection = sqlite3.connect("tasks.db")
    return connection.execute("SELECT * FROM task WHERE name = '" + name + "'").fetchall()
""",
)
GOOD = (
    """
from uuid import UUID
from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

app = FastAPI()
engine = create_engine("sqlite://")
COLUMNS = {"title": "title", "age": "created_at"}
TABLE = "task"

def session():
    with Session(engine) as opened:
        yield opened

@app.get("/tasks")
def tasks(title: str, sort: str = "title", db: Session = Depends(session)) -> list[str]:
    statement = f"SELECT title FROM {TABLE} WHERE title = :title ORDER BY {COLUMNS[sort]}"
    return list(db.scalars(text(statement), {"title": title}))

@app.get("/tasks/{task_id}")
def task(task_id: UUID, limit: int, order: str, db: Session = Depends(session)) -> list[str]:
    if order not in ("asc", "desc"):
        order = "asc"
    by_id = f"SELECT 1 FROM task WHERE id = '{task_id}'"
    return list(db.scalars(text(f"{by_id} ORDER BY 1 {order} LIMIT {limit}")))
""",
    """
import sqlite3
from fastapi import FastAPI
from sqlalchemy import select, column, table

app = FastAPI()

@app.get("/tasks")
def tasks(name: str):
    connection = sqlite3.connect("tasks.db")
    return connection.execute("SELECT * FROM task WHERE name = ?", (name,)).fetchall()
""",
)
_BUILDS = {
    "sqlalchemy.text", "sqlalchemy.literal_column", "sqlalchemy.sql.text", "sqlalchemy.DDL",
    "sqlalchemy.sql.expression.text", "tortoise.expressions.RawSQL", "psycopg.sql.SQL",
}  # fmt: skip
_RUNS = re.compile(
    r".*\.(execute|executemany|executescript|exec_driver_sql|fetch|fetchrow|fetchval|fetch_all"
    r"|fetch_one|fetch_val|iterate|execute_query|execute_query_dict|raw|prepare|mogrify|copy_from_query)$"
)
_DRIVERS = (
    "sqlite3.", "psycopg", "asyncpg.", "aiosqlite.", "pymysql.", "MySQLdb.", "mysql.", "aiomysql.",
    "databases.", "sqlalchemy.", "sqlmodel.", "tortoise.", "duckdb.", "oracledb.", "cx_Oracle.",
    "pyodbc.", "clickhouse_driver.", "snowflake.", "asyncmy.", "psycopg2.", "peewee.",
)  # fmt: skip
_SQL = re.compile(
    r"\s*(select|insert|update|delete|with|create|drop|alter|pragma)\s", re.IGNORECASE
)
_ENOUGH = {"member", "equal", "form", "function"}


@rule(severity="high")
def sql_injection(code: Code) -> Iterator[Finding]:
    for one in told(code, _statement):
        if one.checks & _ENOUGH:
            continue
        yield sql_injection.finding(
            one.at,
            f"The statement holds {one.sent}, which the client sends: he can send SQL. Bind the"
            " value as a parameter; choose names of columns from a list of your own.",
            route=one.route,
            related=one.routes,
        )


def _statement(call: Reached) -> Taint:
    if call.name in _BUILDS:
        return call.taint(0, "text")[1]
    if not _is_run(call):
        return NOTHING
    statement, taint = call.taint(0, "sql", "query", "statement", "operation")
    if statement is None or _is_built_by_text(statement):
        return NOTHING  # said at text() itself
    return taint


def _is_run(call: Reached) -> bool:
    node = call.site.node
    if not isinstance(node.func, ast.Attribute):
        return False
    if call.name:
        return bool(_RUNS.match(call.name)) and call.name.startswith(_DRIVERS)
    named = bool(_RUNS.match(f".{node.func.attr}")) and call.site.target is None
    return named and bool(node.args) and _says_sql(node.args[0], call)


def _says_sql(statement: ast.expr, call: Reached) -> bool:
    """Whether it begins like SQL, for a cursor of which nothing is known."""
    if isinstance(statement, ast.Name):
        for node in ast.walk(call.frame.function.node):
            if isinstance(node, ast.Assign) and any(
                isinstance(one, ast.Name) and one.id == statement.id for one in node.targets
            ):
                return _says_sql(node.value, call) if node.value is not statement else False
        return False
    texts = [
        one.value
        for one in ast.walk(statement)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    ]
    return bool(texts) and bool(_SQL.match(texts[0]))


def _is_built_by_text(statement: ast.expr) -> bool:
    return isinstance(statement, ast.Call)
