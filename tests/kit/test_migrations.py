"""Migrations of a new project, in processes of their own: what they import stays there."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from apiwright.errors import ApiwrightError
from apiwright.generators import new
from apiwright.kit import migrations, postgres_url
from tests.postgres import execute, new_database

UPGRADE = [sys.executable, "-m", "apiwright", "db", "upgrade"]

WORDS = """
import asyncio, os
from alembic import command
from apiwright.kit import postgres_url
from apiwright.kit.migrations import config
from app.main import app

url = os.environ["DATABASE_URL"]

def upgrade(): command.upgrade(config(url), "head")
def downgrade(revision): command.downgrade(config(url), revision)
def revise(message): command.revision(config(url), message, autogenerate=True)
def nothing_is_left_to_revise(): command.check(config(url))

def execute(statement):
    async def executed():
        connection = await postgres_url.connect(url)
        await connection.execute(statement)
        await connection.close()
    asyncio.run(executed())

def start_up():
    async def started():
        async with app.router.lifespan_context(app):
            pass
    asyncio.run(started())
"""


@dataclass(frozen=True)
class Project:
    folder: Path
    url: str

    @property
    def versions(self) -> Path:
        return self.folder / "migrations" / "versions"

    def begin(self, *command: str) -> "subprocess.Popen[str]":
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "PYTHONPATH") if key in os.environ}
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=kept | {"FASTAPI_ENV": "development", "DATABASE_URL": self.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, status: int = 0) -> str:
        process = self.begin(*command)
        said = process.communicate()[0]
        assert process.returncode == status, said
        return said

    def do(self, program: str) -> str:
        return self.run(sys.executable, "-c", WORDS + program)

    def change_models(self, old: str, new: str) -> None:
        file = self.folder / "app" / "models.py"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def fetch(self, query: str) -> list[Any]:
        async def fetched() -> list[Any]:
            connection = await postgres_url.connect(self.url)
            try:
                return [row[0] for row in await connection.fetch(query)]
            finally:
                await connection.close()

        return asyncio.run(fetched())

    def tables(self) -> list[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        return self.fetch(query)


@pytest.fixture
def project(server: str, tmp_path: Path) -> Iterator[Project]:
    """A project as `apiwright new` writes it, with roles of its own on the server."""
    name = f"shop_{secrets.token_hex(4)}"
    made = new.write(name, tmp_path)
    with new_database(server) as url:
        yield Project(made.folder, url)
    asyncio.run(execute(server, f"DROP ROLE IF EXISTS {name}_user, {name}_system, {name}_login"))


def test_up_down_and_up_again_is_what_the_models_say(project: Project) -> None:
    project.do("""
upgrade()
downgrade("base")
execute("CREATE TABLE task ()")  # it can be made: nothing is left of the old one
execute("DROP TABLE task")
upgrade()
nothing_is_left_to_revise()
start_up()
""")
    assert {"alembic_version", "login", "task", "tasktag", "user"} <= set(project.tables())


def test_a_new_table_is_born_behind_its_policies_with_its_grants(project: Project) -> None:
    project.change_models(
        "class Task(",
        """\
class Invoice(Owned, table=True):
    number: str = Field(unique=True)
    task_id: "UUID" = Field(foreign_key="task.id")


class Rate(Public, table=True):
    code: str = Field(primary_key=True)


class Order(Internal, table=True):
    id: int = Field(primary_key=True)


class Task(""",
    )
    project.change_models("import Account", "import Internal, Public, Account")
    project.do("""
upgrade()
revise("add invoices")
upgrade()
nothing_is_left_to_revise()
start_up()
downgrade("-1")
upgrade()
start_up()
""")
    (file,) = project.versions.glob("*_add_invoices.py")
    migration, name = file.read_text(), project.folder.name
    for words in (
        "ALTER TABLE invoice ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY visible ON invoice TO {name}_user USING (owner_id = ",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON invoice TO {name}_user",
        f"CREATE POLICY visible ON rate TO {name}_user USING (true)",
        f"GRANT SELECT ON rate TO {name}_user",
        f'CREATE POLICY system ON "order" TO {name}_system USING (true)',
    ):
        assert words in migration
    keys = project.fetch(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'invoice'::regclass"
    )
    assert "FOREIGN KEY (owner_id, task_id) REFERENCES task(owner_id, id)" in keys
    assert "UNIQUE (owner_id, number)" in keys


def test_a_change_of_a_table_that_holds_rows_keeps_them(project: Project) -> None:
    project.change_models("done: bool = False", "done: bool = False\n    urgency: int = 3")
    project.do("""
upgrade()
execute("INSERT INTO \\"user\\" (id, email, password_hash, role)"
        " VALUES (gen_random_uuid(), 'a', '', 'member')")
execute("INSERT INTO task (id, owner_id, title, done)"
        " SELECT gen_random_uuid(), id, 'kept', false FROM \\"user\\"")
revise("add urgency")
upgrade()
nothing_is_left_to_revise()
downgrade("-1")
upgrade()
""")
    assert project.fetch("SELECT title || urgency FROM task") == ["kept3"]


def test_guards_that_were_changed_by_hand_are_mended_by_a_revision(project: Project) -> None:
    said = project.do("""
upgrade()
execute("ALTER POLICY visible ON task USING (true); DROP POLICY system ON \\"user\\"")
execute("CREATE POLICY mine ON task USING (true); ALTER TABLE task DISABLE ROW LEVEL SECURITY")
try:
    start_up()
except Exception as error:
    print(error)
revise("mend the guards")
upgrade()
start_up()
""")
    assert "is not guarded as its model says" in said


def test_a_table_that_changes_its_audience_changes_its_guards(project: Project) -> None:
    note = "class Note({}, table=True):\n    {}text: str\n\n\n"
    owned, public = note.format("Owned", ""), note.format("Public", 'id: "UUID" = KEY\n    ')
    project.change_models("import Account", "import Public, Account")
    project.change_models("class Task(", f"{owned}class Task(")
    project.do("""
upgrade()
revise("notes")
upgrade()
""")
    project.change_models(owned, public.replace("KEY", "Field(primary_key=True)"))
    project.do("""
revise("notes for everybody")
upgrade()
nothing_is_left_to_revise()
start_up()
""")


def test_a_table_that_does_not_say_who_may_see_it_gets_no_migration(project: Project) -> None:
    before = list(project.versions.glob("*.py"))
    project.change_models("from sqlmodel import", "from sqlmodel import SQLModel,")
    project.change_models(
        "class Task(",
        "class Note(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n\n\nclass Task(",
    )
    said = project.run(*UPGRADE[:-1], "revision", "-m", "add notes", status=2)
    assert "The table of Note does not say who may see it." in said
    assert "Traceback" not in said
    assert list(project.versions.glob("*.py")) == before


MIGRATION = """
from alembic import op
revision, down_revision = "0003", "0002"
def upgrade():
    op.execute("CREATE TABLE half (id int)")
    op.execute("{statement}")
def downgrade():
    pass
"""


def in_the_middle(project: Project, seconds: float) -> "subprocess.Popen[str]":
    """An upgrade that has made a table, and takes its time."""
    slow = MIGRATION.format(statement=f"SELECT pg_sleep({seconds})")
    (project.versions / "0003_slow.py").write_text(slow)
    upgrade = project.begin(*UPGRADE)
    asleep = f"SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep({seconds})'"
    while not project.fetch(asleep):
        assert upgrade.poll() is None
        time.sleep(0.05)
    return upgrade


def test_of_two_upgrades_at_once_the_second_waits_and_finds_nothing_left(
    project: Project,
) -> None:
    upgrades = [in_the_middle(project, 1.9), project.begin(*UPGRADE)]
    said = [upgrade.communicate()[0] for upgrade in upgrades]
    assert [upgrade.returncode for upgrade in upgrades] == [0, 0], said
    assert project.fetch("SELECT version_num FROM alembic_version") == ["0003"]


def test_an_upgrade_that_fails_leaves_nothing(project: Project) -> None:
    broken = project.versions / "0003_broken.py"
    broken.write_text(MIGRATION.format(statement="SELECT 1 / 0"))
    assert "division by zero" in project.run(*UPGRADE, status=1)
    assert project.tables() == []


def test_after_an_upgrade_that_was_killed_the_next_one_does_it_all(project: Project) -> None:
    upgrade = in_the_middle(project, 2.1)
    upgrade.send_signal(signal.SIGKILL)
    upgrade.communicate()
    (project.versions / "0003_slow.py").write_text(MIGRATION.format(statement="SELECT 1"))
    project.run(*UPGRADE)  # waits for what the server still does for the killed one
    assert project.fetch("SELECT version_num FROM alembic_version") == ["0003"]


def test_an_ordinary_login_that_may_make_roles_migrates_and_serves(project: Project) -> None:
    name = project.folder.name
    database = urlsplit(project.url).path[1:]
    make = f"CREATE ROLE {name}_login LOGIN CREATEROLE"
    give = f"ALTER DATABASE {database} OWNER TO {name}_login"
    asyncio.run(execute(project.url, make, give))
    ordinary = Project(project.folder, project.url.replace("postgres@", f"{name}_login@"))
    try:
        ordinary.do("""
upgrade()
from fastapi.testclient import TestClient
with TestClient(app) as client:
    user = {"email": "ada@example.com", "password": "correct horse"}
    assert client.post("/api/v1/auth/register", json=user).status_code == 201
""")
    finally:
        roles = f"{name}_user, {name}_system, {name}_login"
        asyncio.run(execute(project.url, f"DROP OWNED BY {roles} CASCADE"))


def test_alembic_itself_says_what_is_missing(project: Project) -> None:
    nowhere = Project(project.folder, "")
    said = nowhere.run(sys.executable, "-m", "alembic", "upgrade", "head", status=1)
    assert "DATABASE_URL is not set. Set it, or use `apiwright db`." in said


def two_heads(project: Project) -> str:
    """Two migrations after the project's last. What the second says it follows."""
    last = max(file.name[:4] for file in project.versions.glob("*.py"))
    for revision, name in (("0101", "invoices"), ("0102", "rates")):
        text = MIGRATION.replace('"0003", "0002"', f'"{revision}", "{last}"').replace("half", name)
        (project.versions / f"{revision}_{name}.py").write_text(text.format(statement="SELECT 1"))
    return f'"{last}"'


@pytest.mark.parametrize("action", [["upgrade"], ["downgrade", "base"], ["revision", "-m", "x"]])
def test_two_migrations_that_continue_from_the_same_one_are_refused(
    project: Project, action: list[str]
) -> None:
    two_heads(project)
    said = project.run(*UPGRADE[:-1], *action, status=2)
    assert "0101_invoices.py and 0102_rates.py are both the last" in said
    assert "down_revision" in said
    assert "alembic merge heads" in said
    assert "Traceback" not in said
    assert project.tables() == []


@pytest.mark.parametrize("merged", [False, True], ids=["one follows the other", "merged"])
def test_two_heads_become_one_as_was_said(project: Project, merged: bool) -> None:
    followed = two_heads(project)
    if merged:
        project.run(sys.executable, "-m", "alembic", "merge", "heads", "-m", "join")
    else:
        rates = project.versions / "0102_rates.py"
        rates.write_text(rates.read_text().replace(followed, '"0101"'))
    project.run(*UPGRADE)
    assert {"invoices", "rates"} <= set(project.tables())


def test_outside_a_project_it_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(ApiwrightError, match=r"There is no alembic\.ini in") as refused:
        migrations.config("postgresql://", tmp_path)
    assert "project's folder" in refused.value.todo
