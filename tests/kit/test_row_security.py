"""What `check` refuses: each change is made in a transaction, which is rolled back."""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from apiwright.errors import ApiwrightError
from apiwright.kit import postgres_url, row_security, settings
from tests.kit.conftest import tables
from tests.postgres import execute, new_database


@dataclass(frozen=True)
class App:
    """A database behind its wall. Its roles, which belong to the server, are its own."""

    name: str
    url: str

    @property
    def user(self) -> str:
        return f"{self.name}_user"

    @property
    def system(self) -> str:
        return f"{self.name}_system"

    def check(self, change: str = "", login: str = "postgres") -> None:
        class Settings(settings.Settings):
            app_name: ClassVar[str] = self.name

        async def checked() -> None:
            connection = await postgres_url.connect(self.url.replace("postgres@", f"{login}@"))
            try:
                await connection.execute(f"BEGIN; {change}")
                await row_security.check(connection, Settings(fastapi_env="development"))
            finally:
                await connection.close()

        asyncio.run(checked())

    def refused(self, change: str = "", login: str = "postgres") -> str:
        """Why; it is also what the log of a failed start-up says."""
        with pytest.raises(ApiwrightError) as refused:
            self.check(change, login)
        assert refused.value.todo
        return refused.value.happened


@pytest.fixture(scope="module")
def app(server: str) -> Iterator[App]:
    made = App(f"wall_{secrets.token_hex(4)}", "")
    roles = f"{made.user}, {made.system}, {made.name}_login"
    with new_database(server) as url:
        statements = (statement.replace("kit_tests", made.name) for statement in tables())
        asyncio.run(execute(url, *statements, f"CREATE ROLE {made.name}_login LOGIN"))
        yield App(made.name, url)
    asyncio.run(execute(server, f"DROP ROLE {roles}"))


def test_a_wall_as_migrations_build_it_is_accepted(app: App) -> None:
    app.check()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("DROP TABLE task CASCADE", "no table 'task'"),
        ("ALTER TABLE task RENAME TO tasks", "no table 'task'"),
        ("CREATE SCHEMA other; ALTER TABLE task SET SCHEMA other", "no table 'task'"),
        ("ALTER TABLE task DISABLE ROW LEVEL SECURITY", "'task' is not guarded"),
        ("ALTER TABLE \"user\" DISABLE ROW LEVEL SECURITY", "'user' is not guarded"),
        ("DROP POLICY visible ON task", "policy visible"),
        ("DROP POLICY system ON task", "policy system"),
        ("ALTER POLICY visible ON task USING (true)", "policy visible"),
        ("ALTER POLICY visible ON task USING (owner_id IS NOT NULL)", "policy visible"),
        ("ALTER POLICY visible ON task TO PUBLIC", "policy visible"),
        ("ALTER POLICY visible ON task TO {user}, {system}", "policy visible"),
        ("ALTER POLICY system ON task TO {user}", "policy system"),
        ("ALTER POLICY system ON task USING (false)", "policy system"),
        ("ALTER POLICY visible ON task RENAME TO seen", "policy seen"),
        ("CREATE POLICY all_of_it ON task TO {user} USING (true)", "policy all_of_it"),
        ("CREATE POLICY reading ON task FOR SELECT USING (true)", "policy reading"),
        ("CREATE POLICY visible ON notice TO {user} USING (true)", "'notice'"),
        (
            "DROP POLICY visible ON task; CREATE POLICY visible ON task AS RESTRICTIVE"
            " TO {user} USING (owner_id = nullif(current_setting('apiwright.user_id', true), '')"
            "::uuid)",
            "policy visible",
        ),
        (
            "ALTER POLICY visible ON task USING (owner_id = nullif(current_setting("
            "'apiwright.user', true), '')::uuid)",
            "policy visible",
        ),
        (
            "ALTER POLICY visible ON task USING (owner_id = nullif(current_setting("
            "'apiwright.user_id', true), '')::uuid OR done)",
            "policy visible",
        ),
        ("ALTER TABLE task OWNER TO {user}", "may SELECT, INSERT, UPDATE, DELETE, TRUNCATE"),
        ("ALTER TABLE task OWNER TO {system}", "belongs to the role"),
        ("CREATE VIEW seen AS TABLE task; GRANT SELECT ON seen TO {user}", "view 'seen'"),
        ("CREATE VIEW seen AS TABLE task; GRANT SELECT ON seen TO PUBLIC", "view 'seen'"),
        (
            "ALTER TABLE project ADD UNIQUE (id); ALTER TABLE task ADD CONSTRAINT short"
            " FOREIGN KEY (project_id) REFERENCES project (id)",
            "foreign key 'short'",
        ),
    ],
)  # fmt: skip
def test_a_table_that_is_not_guarded_as_its_model_says_is_refused(
    app: App, change: str, reason: str
) -> None:
    assert reason in app.refused(change.format(user=app.user, system=app.system))


@pytest.mark.parametrize(
    "change",
    [
        "ALTER POLICY visible ON task WITH CHECK (true)",  # rows could be given away
        "ALTER POLICY system ON task WITH CHECK (false)",
        "DROP POLICY system ON task;"
        " CREATE POLICY system ON task FOR SELECT TO {system} USING (true)",
        "GRANT TRUNCATE ON task TO {user}",  # no policy is asked
        "GRANT INSERT ON country TO {user}",  # its policy lets everything pass
        'GRANT UPDATE ON "user" TO PUBLIC',
        "GRANT SELECT ON notice TO {user}",
        "REVOKE SELECT ON task FROM {user}",
        'GRANT UPDATE (is_active) ON "user" TO {user}',
    ],
)
def test_a_table_that_may_be_used_otherwise_than_its_model_says_is_refused(
    app: App, change: str
) -> None:
    assert "not guarded" in app.refused(change.format(user=app.user, system=app.system))


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE stray (id int); GRANT SELECT ON stray TO {user}",
        "CREATE TABLE stray (id int); GRANT INSERT ON stray TO PUBLIC",
    ],
)
def test_a_table_that_no_model_declares_is_refused_once_requests_may_use_it(
    app: App, change: str
) -> None:
    assert "the table 'stray', which no model declares" in app.refused(change.format(user=app.user))
    app.check("CREATE TABLE stray (id int)")


def test_what_is_unique_for_everybody_would_tell_of_somebody_elses_row(app: App) -> None:
    assert "'by_title'" in app.refused("CREATE UNIQUE INDEX by_title ON task (title)")
    app.check("CREATE UNIQUE INDEX by_title ON task (owner_id, title)")
    app.check("CREATE INDEX by_title ON task (title)")


FUNCTION = "CREATE FUNCTION count_all() RETURNS {returns} LANGUAGE {language} AS $$ {body} $$"
COUNTS = FUNCTION.format(returns="bigint", language="sql", body="SELECT count(*) FROM task")
TRIGGERED = FUNCTION.format(returns="trigger", language="plpgsql", body="BEGIN RETURN NULL; END")
DEFINER = f"{COUNTS} SECURITY DEFINER"


@pytest.mark.parametrize(
    "change",
    [
        DEFINER,
        f"{COUNTS}; ALTER FUNCTION count_all SECURITY DEFINER",
        f"{DEFINER}; REVOKE EXECUTE ON FUNCTION count_all FROM PUBLIC;"
        " GRANT EXECUTE ON FUNCTION count_all TO {user}",
        f"{DEFINER}; ALTER FUNCTION count_all OWNER TO {{system}}",
        f"{DEFINER}; CREATE ROLE {{name}}_group BYPASSRLS;"
        " GRANT CREATE ON SCHEMA public TO {name}_group;"
        " ALTER FUNCTION count_all OWNER TO {name}_group",
        f"{DEFINER}; CREATE ROLE {{name}}_group; GRANT CREATE ON SCHEMA public TO {{name}}_group;"
        " ALTER FUNCTION count_all OWNER TO {name}_group; ALTER TABLE task OWNER TO {name}_group",
        f"{DEFINER}; CREATE ROLE {{name}}_group IN ROLE {{system}};"
        " GRANT CREATE ON SCHEMA public TO {name}_group;"
        " ALTER FUNCTION count_all OWNER TO {name}_group",
    ],
)
def test_a_function_that_works_as_one_whom_policies_do_not_bind_is_refused(
    app: App, change: str
) -> None:
    named = change.format(user=app.user, system=app.system, name=app.name)
    assert "The function count_all() works as " in app.refused(named)


@pytest.mark.parametrize(
    "change",
    [
        COUNTS,
        f"{DEFINER}; REVOKE EXECUTE ON FUNCTION count_all FROM PUBLIC",
        f"{TRIGGERED} SECURITY DEFINER",
        f"{DEFINER}; CREATE ROLE {{name}}_group; GRANT CREATE ON SCHEMA public TO {{name}}_group;"
        " ALTER FUNCTION count_all OWNER TO {name}_group",
        # as if CREATE EXTENSION had made it
        f"{DEFINER}; INSERT INTO pg_depend SELECT 'pg_proc'::regclass, 'count_all'::regproc, 0,"
        " 'pg_extension'::regclass, oid, 0, 'e' FROM pg_extension LIMIT 1",
    ],
    ids=["invoker", "nobody may call it", "trigger", "plain owner", "of an extension"],
)
def test_other_functions_are_accepted(app: App, change: str) -> None:
    app.check(change.format(name=app.name))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER ROLE {role} BYPASSRLS", "get around"),
        ("ALTER ROLE {role} SUPERUSER", "get around"),
        ("ALTER ROLE {role} CREATEROLE", "get around"),
        ("CREATE ROLE {name}_group; GRANT {name}_group TO {role}", "get around"),
        ("GRANT pg_read_all_data TO {role}", "get around"),
        ("GRANT {other} TO {role}", "get around"),
        ("DROP OWNED BY {role}; DROP ROLE {role}", "no role"),
        ("ALTER ROLE {role} RENAME TO {name}_group", "no role"),
    ],
)
@pytest.mark.parametrize("which", ["user", "system"])
def test_a_role_that_could_see_more_or_is_missing_is_refused(
    app: App, which: str, change: str, reason: str
) -> None:
    role, other = (app.user, app.system) if which == "user" else (app.system, app.user)
    refused = app.refused(change.format(role=role, other=other, name=app.name))
    assert reason in refused
    assert role in refused


def test_a_login_that_may_not_take_on_the_roles_is_refused(app: App) -> None:
    login = f"{app.name}_login"
    assert f"may not take on the role '{app.user}'" in app.refused(login=login)
    asyncio.run(execute(app.url, f"GRANT {app.user} TO {login}"))
    assert f"may not take on the role '{app.system}'" in app.refused(login=login)
    asyncio.run(execute(app.url, f"GRANT {app.system} TO {login}"))
    app.check(login=login)


def test_since_16_a_member_is_not_yet_one_who_may_take_on_a_role(app: App) -> None:
    login = f"{app.name}_login"

    async def version() -> int:
        connection = await postgres_url.connect(app.url)
        try:
            return connection.get_server_version().major
        finally:
            await connection.close()

    if asyncio.run(version()) >= 16:
        grant = f"GRANT {app.user}, {app.system} TO {login} WITH SET FALSE"
        asyncio.run(execute(app.url, grant))
        assert "may not take on the role" in app.refused(login=login)


def test_the_reason_does_not_tell_the_policies(app: App) -> None:
    change = "ALTER POLICY visible ON task USING (title = 'hunter22')"
    assert "hunter22" not in app.refused(change)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            "class Note(SQLModel, table=True):\n    id: int = Field(primary_key=True)",
            "The table of Note does not say who may see it.",
        ),
        (
            "class Note(Timestamps, table=True):\n    id: int = Field(primary_key=True)",
            "The table of Note does not say who may see it.",
        ),
        (
            "class Note(Audience, table=True):\n    id: int = Field(primary_key=True)",
            "The table of Note does not say who may see it.",
        ),
        (
            "Table('note', SQLModel.metadata, Column('id', Integer, primary_key=True))",
            "The table 'note' has no model that says who may see it.",
        ),
    ],
    ids=["nothing", "timestamps", "audience", "core"],
)
def test_a_table_that_does_not_say_who_may_see_it_is_refused(model: str, reason: str) -> None:
    # in a process of its own: SQLModel has one registry for all models
    program = f"""\
from apiwright.errors import ApiwrightError
from apiwright.kit.tables import Account, Audience, Timestamps, audiences, stored
from sqlalchemy import Column, Integer, Table
from sqlmodel import Field, SQLModel

class User(Account, table=True):
    pass

{model}

for asked in (audiences, stored):
    try:
        asked()
    except ApiwrightError as error:
        print(error.happened)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.splitlines() == [reason, reason]
