"""What a client is told of a conflict, and what not."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlmodel import insert

from apiwright.kit.conflicts import conflict_of
from apiwright.kit.database import Database
from apiwright.kit.identifiers import uuid7
from apiwright.kit.problems import Conflict
from apiwright.kit.session import Session
from tests.kit.conftest import TwoUsers
from tests.kit.models import Hero, Project, Tag, Task, TaskTag, Team, User
from tests.postgres import execute

pytestmark = pytest.mark.anyio

TAKEN = "is taken already"
TAKEN_TOGETHER = "is taken already, together with the others named here"
NOT_THERE = "refers to something that does not exist"
IN_USE = "is still in use"


@pytest.fixture
async def session(database: Database, users: TwoUsers) -> AsyncIterator[Session]:
    """Ada's."""
    async with database.session(users.ada) as session:
        yield session


async def refused(session: Session, work: Any) -> dict[str, str]:
    """The fields that the answer names, and what it says of each."""
    with pytest.raises(Conflict) as caught:
        async with session.transaction():
            await work
    body = bytes(caught.value.response().body).decode()
    for words in ("constraint", "violates", "Key", "uq_", "fk_", "secret", "owner"):
        assert words not in body
    return {error.field: error.message for error in caught.value.errors or []}


async def test_a_value_that_is_taken_is_told_by_its_field(session: Session) -> None:
    await session.add(Tag(label="secret"))
    assert await refused(session, session.add(Tag(label="secret"))) == {"label": TAKEN}


async def test_a_key_that_is_taken_is_told_by_its_field(session: Session) -> None:
    task = await session.add(Task(title="secret"))
    again = insert(Task).values(id=task.id, title="secret")
    assert await refused(session, session.exec(again)) == {"id": TAKEN}


async def test_of_values_that_are_taken_together_each_is_named(session: Session) -> None:
    task, tag = await session.add(Task(title="a")), await session.add(Tag(label="b"))
    await session.add(TaskTag(task_id=task.id, tag_id=tag.id))
    link = TaskTag(task_id=task.id, tag_id=tag.id)
    assert await refused(session, session.add(link)) == {
        "task_id": TAKEN_TOGETHER,
        "tag_id": TAKEN_TOGETHER,
    }


async def test_that_it_is_somebody_elses_value_is_not_told(session: Session) -> None:
    everyone = session.unscoped(reason="sign-up")
    user = User(email="bob@example.com")
    assert await refused(everyone, everyone.add(user)) == {"email": TAKEN}


async def test_what_does_not_exist_is_told_by_the_field_that_refers_to_it(
    session: Session, database: Database, users: TwoUsers
) -> None:
    async with database.session(users.bob) as bobs:
        foreign = await bobs.add(Project(name="Bob's"))
    for project_id in (uuid7(), foreign.id):  # and neither is told from the other
        task = Task(title="a", project_id=project_id)
        assert await refused(session, session.add(task)) == {"project_id": NOT_THERE}
    task = await session.add(Task(title="a"))
    task.project_id = foreign.id
    assert await refused(session, session.add(task)) == {"project_id": NOT_THERE}


RESTRICT = (
    "ALTER TABLE hero DROP CONSTRAINT fk_hero_owner_id_team_id, ADD CONSTRAINT"
    " fk_hero_owner_id_team_id FOREIGN KEY (owner_id, team_id) REFERENCES team ON DELETE RESTRICT"
)
"""Since Postgres 18 another error than without."""


@pytest.mark.parametrize("change", ["SELECT", RESTRICT], ids=["no action", "restrict"])
async def test_what_is_still_referred_to_is_told_by_its_own_field(
    session: Session, url: str, change: str
) -> None:
    await execute(url, change)
    team = await session.add(Team(name="secret"))
    await session.add(Hero(name="a", secret_name="secret", team_id=team.id))
    assert await refused(session, session.delete(team)) == {"id": IN_USE}


async def test_the_owner_whom_nobody_chooses_is_not_named(session: Session) -> None:
    everyone = session.unscoped(reason="a task for nobody")
    task = Task(title="a", owner_id=uuid7())
    assert await refused(everyone, everyone.add(task)) == {}


async def test_a_constraint_that_no_model_declares_names_no_field(
    session: Session, url: str
) -> None:
    await execute(url, "CREATE UNIQUE INDEX by_title ON task (owner_id, title)")
    await session.add(Task(title="secret"))
    assert await refused(session, session.add(Task(title="secret"))) == {}


async def test_what_the_commit_finds_is_told_by_its_field(
    database: Database, users: TwoUsers, url: str
) -> None:
    name = "fk_task_owner_id_project_id"
    await execute(url, f"ALTER TABLE task ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED")
    with pytest.raises(Conflict) as caught:
        async with database.session(users.ada) as session:
            await session.add(Task(title="a", project_id=uuid7()))
    assert [error.field for error in caught.value.errors or []] == ["project_id"]


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        (
            "Aktualisieren oder Löschen in Tabelle »team« verletzt Fremdschlüssel-Constraint"
            " »fk_hero_owner_id_team_id« von Tabelle »hero«",
            "This is still in use.",
        ),
        (
            "Einfügen oder Aktualisieren in Tabelle »hero« verletzt Fremdschlüssel-Constraint"
            " »fk_hero_owner_id_team_id«",
            "This refers to something that does not exist.",
        ),
    ],
)
def test_a_server_may_speak_another_language(said: str, detail: str) -> None:
    error = asyncpg.ForeignKeyViolationError(said)
    error.message = said
    error.table_name, error.constraint_name = "hero", "fk_hero_owner_id_team_id"
    assert conflict_of(error).detail == detail
