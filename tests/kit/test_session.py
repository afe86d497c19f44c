import pytest
from sqlmodel import col, select

from apiwright.kit.database import Database
from apiwright.kit.problems import NotFound
from tests.kit.conftest import TwoUsers
from tests.kit.models import Task

pytestmark = pytest.mark.anyio


async def test_what_one_adds_the_other_does_not_see(database: Database, users: TwoUsers) -> None:
    async with database.session(users.ada) as session:
        task = await session.add(Task(title="Buy milk"))
        assert task.owner_id == users.ada
    async with database.session(users.ada) as session:
        assert (await session.exec(select(Task))).all() == [task]
        assert await session.get_one(Task, task.id) == task
    async with database.session(users.bob) as session:
        assert (await session.exec(select(Task))).all() == []
        assert await session.get(Task, task.id) is None
        with pytest.raises(NotFound):
            await session.get_one(Task, task.id)
        tasks = await session.exec(select(Task).where(col(Task.id) == task.id))
        assert tasks.first() is None
