"""What is read from a table that is there, and what becomes of it and of its rows."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, create_engine

from apiwright.edit.apply import apply
from apiwright.errors import ApiwrightError, Refused
from apiwright.generators import adoption, from_table, resource, verify
from apiwright.generators.fields import Resource, spelled
from apiwright.generators.shadow import Place
from apiwright.kit.postgres_url import engine_of
from apiwright.project.facts import Project
from apiwright.project.load import load
from tests.generators.conftest import PYTHON, read
from tests.postgres import new_database

T = TypeVar("T")
ADA, BOB = (f"0197a000-0000-7000-8000-00000000000{number}" for number in (1, 2))

COLUMNS = {
    "title varchar(80) NOT NULL UNIQUE": "title:str:unique:max=80",
    "body text": "body:text:optional",
    "code char(3) NOT NULL": "code:str:min=3:max=3",
    '"Due Date" date': "due_date:date:optional",
    '"class" varchar(10)': "class_value:str:optional:max=10",
    '"9 lives" int': "value_9_lives:int:optional",
    "metadata jsonb": "metadata_value:json:optional",
    "model_fields int": "model_fields_value:int:optional",
    "model_year smallint DEFAULT 2020": ("model_year:int:optional:ge=-32768:le=32767:default=2020"),
    "relationship text NOT NULL DEFAULT 'it''s: b'": "relationship:text:default=it's: b",
    '"select" int': "select:int:optional",
    "text int": "text_value:int:optional",
    "mood mood NOT NULL DEFAULT 'good'": "mood:enum:good,not-so-good:default=good",
    "status varchar(20) NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'sent'))": (
        "status:enum:draft,sent:default=draft"
    ),
    "stars int NOT NULL CHECK (stars >= 1 AND stars <= 5)": "stars:int:ge=1:le=5",
    "price numeric(10,2) CHECK (price >= 0)": "price:decimal:optional:ge=0:digits=10.2",
    "big bigint": "big:int:optional:index",
    "rate real": "rate:float:optional",
    "ok boolean NOT NULL DEFAULT false": "ok:bool:default=false",
    "at timestamptz NOT NULL": "at:datetime",
    "clock time": "clock:time:optional",
    "slot uuid": "slot:uuid:optional",
    "labels text[]": "labels:list:str:optional",
    "loud text GENERATED ALWAYS AS (upper(title)) STORED": "loud:text:optional:readonly",
    "no int GENERATED ALWAYS AS IDENTITY": "no:int:readonly:optional",
    "seen_at timestamptz NOT NULL DEFAULT now()": "seen_at:datetime:readonly:optional",
    "pin_hash varchar(60) NOT NULL": "pin_hash:str:writeonly:max=60",
    "project_id uuid": "project_id:ref:Project:optional:on-delete=cascade",
    "parent_id int REFERENCES notes": "parent_id:ref:Note:optional:on-delete=restrict",
}
HIDDEN = {
    "naive timestamp": "naive is of a type that is not known: TIMESTAMP",
    "ip inet": "ip is of a type that is not known: INET",
    "api_token text": "api_token looks like a secret: it is neither taken nor shown",
    "secret_at timestamptz DEFAULT now()": "secret_at looks like a secret",
    'helper_id uuid REFERENCES "user" ON DELETE SET NULL': "helper_id says whose a row is",
}
TABLE = f"""\
CREATE TYPE mood AS ENUM ('good', 'not-so-good');
CREATE TABLE notes (
    id serial PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES "user",
    {", ".join([*COLUMNS, *HIDDEN])},
    CHECK (title <> body), UNIQUE (stars, at),
    FOREIGN KEY (user_id, project_id) REFERENCES project (owner_id, id) ON DELETE CASCADE
);
CREATE INDEX ON notes (big);
CREATE INDEX ON notes (stars, ok)"""
USERS = """\
CREATE TABLE "user" (id uuid PRIMARY KEY);
CREATE TABLE project (owner_id uuid REFERENCES "user", id uuid, PRIMARY KEY (owner_id, id))"""


def on(url: str, do: Callable[[Connection], T]) -> T:
    async def done() -> T:
        engine = engine_of(url)
        async with engine.begin() as connection:
            result = await connection.run_sync(do)
        await engine.dispose()
        return result

    return asyncio.run(done())


def execute(url: str, *scripts: str) -> None:
    def run(connection: Connection) -> None:
        for statement in ";\n".join(scripts).split(";\n"):
            connection.exec_driver_sql(statement)

    on(url, run)


@pytest.fixture(scope="module")
def project(_shops: dict[bool, Path]) -> Project:
    return load(_shops[False])


@pytest.fixture
def database(server: str) -> Iterator[str]:
    with new_database(server) as url:
        yield url


def adopted(url: str, project: Project) -> Resource:
    def do(connection: Connection) -> Resource:
        wanted = from_table.resource(connection, project, "notes")
        return adoption.adopted(connection, project, wanted)

    return on(url, do)


def test_columns_are_what_the_command_line_would_say(database: str, project: Project) -> None:
    execute(database, USERS, TABLE)
    wanted = on(database, lambda connection: from_table.resource(connection, project, "notes"))
    said = {spelled(field) for field in wanted.fields if not field.is_hidden}
    assert said == set(COLUMNS.values())
    there = wanted.existing
    assert there is not None
    assert (wanted.model, there.table, there.id_type, there.owner) == (
        *("Note", "notes", "int", "user_id"),
    )
    assert (there.together, there.indexes) == ((("stars", "at"),), (("stars", "ok"),))
    notes = "\n".join(there.notes)
    for told in (
        *HIDDEN.values(),
        "user_id says whose a row is",
        "Due Date is called due_date in the model",
        "pin_hash looks like a secret: it is taken, and in no answer",
        "loud is filled: it is only shown",
        "do not know of a check of the table: title::text <> body",
    ):
        assert told in notes


def test_a_table_of_sqlite_is_read_as_well(project: Project) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE box (id INTEGER PRIMARY KEY, name VARCHAR(9) NOT NULL UNIQUE,"
            " made_at DATETIME DEFAULT CURRENT_TIMESTAMP, done BOOLEAN NOT NULL DEFAULT 0,"
            " kind TEXT NOT NULL DEFAULT 'a' CHECK (kind IN ('a', 'b')), price NUMERIC(8, 2),"
            " size INTEGER CHECK (size > 0), api_key TEXT, raw BLOB, day DATE NOT NULL)"
        )
        wanted = from_table.resource(connection, project, "box")
    engine.dispose()
    assert [spelled(field) for field in wanted.fields if not field.is_hidden] == [
        *("name:str:unique:max=9", "made_at:datetime:optional:readonly"),
        *("done:bool:default=false", "kind:enum:a,b:default=a"),
        *("price:decimal:optional:digits=8.2", "size:int:optional:gt=0", "day:date"),
    ]


def test_a_table_of_sqlite_is_made_anew_in_a_project_on_the_kit(project: Project) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE box (id INTEGER PRIMARY KEY, name VARCHAR(9))")
        wanted = from_table.resource(connection, project, "box")
        with pytest.raises(Refused, match="keeps its data in Postgres") as refused:
            adoption.adopted(connection, project, wanted)
    engine.dispose()
    assert "apiwright add resource Box name:str:optional:max=9" in refused.value.todo


OWNED = 'id int PRIMARY KEY, owner_id uuid NOT NULL REFERENCES "user", name text'
REFUSED = {
    "notes (name text)": "notes has no primary key",
    "notes (a int, b int, name text, PRIMARY KEY (a, b))": "is (a, b), and not one `id`",
    "notes (note_id int PRIMARY KEY, name text)": "is (note_id), and not one `id`",
    "notes (id text PRIMARY KEY, name text)": "neither a UUID nor an integer, but TEXT",
    "notes (id int PRIMARY KEY, name text)": "nothing says whose its rows are",
    "notes (id int PRIMARY KEY, owner_id uuid, name text)": "nothing says whose its rows are",
    f"notes ({OWNED}, b bytea NOT NULL)": "b of notes is of a type that is not known: BYTEA",
    f"notes ({OWNED}, c xml)": "c of notes is of a type that a model cannot say",
    f"notes ({OWNED}, flag bool UNIQUE)": "flag is unique, and a BOOLEAN cannot be",
    f"notes ({OWNED}, up int NOT NULL REFERENCES notes)": "nobody could make the first",
    f"notes ({OWNED}, UNIQUE (name)); CREATE INDEX i ON notes (name) WHERE name <> ''": (
        "The index i of notes is no plain one"
    ),
    f"notes ({OWNED}); CREATE INDEX i ON notes (lower(name))": "The index i of notes is no plain",
    f"notes ({OWNED}); ALTER TABLE notes ENABLE ROW LEVEL SECURITY": "security of its own",
    f"notes ({OWNED}); CREATE TABLE line (n int REFERENCES notes)": "line refers to notes by its",
    f"notes ({OWNED}, k int REFERENCES kind)": "refers to kind, of which there is no model",
    f"notes ({OWNED.replace('NOT NULL ', '')}); "
    "INSERT INTO notes VALUES (1, NULL, 'x')": "1 rows of notes have no owner_id",
    f"notes ({OWNED}, up int REFERENCES notes); "
    f"INSERT INTO notes VALUES (1, '{ADA}', 'x', NULL), (2, '{BOB}', 'x', 1)": (
        "1 rows of notes refer to a row of somebody else, by up"
    ),
    "notes (id serial PRIMARY KEY, owner_id uuid NOT NULL REFERENCES \"user\", name text); "
    "ALTER SEQUENCE notes_id_seq RENAME TO other": "come from the sequence public.other",
    'notes (id int PRIMARY KEY, a uuid REFERENCES "user", b uuid REFERENCES "user", name text)': (
        "a, b of notes refer to the accounts"
    ),
}  # fmt: skip


def test_what_cannot_safely_become_an_owned_table_is_refused_with_the_reason(
    database: str, project: Project
) -> None:
    users = f"{USERS};\nINSERT INTO \"user\" VALUES ('{ADA}'), ('{BOB}')"
    execute(database, users, "CREATE TABLE kind (id int PRIMARY KEY)")
    for table, complaint in REFUSED.items():
        execute(database, *f"CREATE TABLE {table}".split("; "))
        with pytest.raises(Refused) as refused:
            adopted(database, project)
        assert complaint in refused.value.happened
        assert refused.value.todo
        execute(database, "DROP TABLE IF EXISTS line", "DROP TABLE notes CASCADE")


def test_a_table_that_there_is_not_is_an_error_with_those_there_are(
    database: str, project: Project
) -> None:
    execute(database, USERS)
    with pytest.raises(ApiwrightError, match="Did you mean project") as refused:
        on(database, lambda connection: from_table.resource(connection, project, "projects"))
    assert refused.value.status == 2


SERVED = """
import os
from fastapi.testclient import TestClient
from tests.conftest import logged_in
from app.main import app

with TestClient(app) as client:
    for email in ("ada@example.com", "bob@example.com"):
        notes = logged_in(client, email, "correct horse battery").get("/api/v1/notes")
        print([note["title"] for note in notes.json()["items"]])
"""


def test_a_table_with_rows_is_taken_over_and_given_back(
    shop: Path, place: Place, server: str
) -> None:
    """It is in the app's own database, and another login's program goes on using it until then."""

    def run(*command: str) -> str:
        environment = {**os.environ, "DATABASE_URL": url, "FASTAPI_ENV": "development"}
        done = subprocess.run(
            [str(PYTHON), *command], cwd=shop, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows() -> list[dict[str, Any]]:
        found = on(url, lambda connection: connection.exec_driver_sql(
            "SELECT * FROM notes ORDER BY id").mappings().all())  # fmt: skip
        return [dict(row) for row in found]

    project = read(shop)
    with new_database(server) as url:
        run("-m", "apiwright", "db", "upgrade")
        run("-c", REGISTERED)
        execute(url, TABLE)
        execute(url, *(
            "INSERT INTO notes (user_id, title, code, stars, at, pin_hash)"
            f" SELECT id, '{name}', 'abc', {stars}, now(), 'x' FROM \"user\""
            f" WHERE email LIKE '{name}%'"
            for stars, name in enumerate(("ada", "bob"), 1)
        ))  # fmt: skip
        before = rows()
        wanted = adopted(url, project)
        plan = resource.plan(project, wanted, place)
        checks = verify.verify(
            project,
            plan,
            resource.wanted(project, wanted),
            place,
            lambda changed: resource.plan(changed, wanted, place),
        )
        assert [(check.what, check.detail) for check in checks if not check.passed] == []
        said = "\n".join(each.what for each in plan.assumptions)
        assert "the column user_id is renamed to owner_id" in said
        assert "notes goes behind row level security" in said
        apply(plan, shop)
        assert resource.plan(read(shop), adopted(url, load(shop)), place).is_empty
        run("-m", "apiwright", "db", "upgrade")
        owned = [{"owner_id": row["user_id"], **row} for row in before]
        assert rows() == [{key: row[key] for key in row if key != "user_id"} for row in owned]
        assert run("-c", SERVED).splitlines() == ["['ada']", "['bob']"]
        assert resource.plan(read(shop), adopted(url, load(shop)), place).is_empty
        run("-m", "apiwright", "db", "downgrade", "-1")
        assert rows() == before
        run("-m", "apiwright", "db", "upgrade")
        assert len(rows()) == len(before)


REGISTERED = """
from fastapi.testclient import TestClient
from app.main import app

with TestClient(app) as client:
    for email in ("ada@example.com", "bob@example.com"):
        body = {"email": email, "password": "correct horse battery"}
        assert client.post("/api/v1/auth/register", json=body).status_code < 300
"""
