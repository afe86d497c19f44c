import pytest
from sqlalchemy import select, text

from apiwright.kit.database import Database
from apiwright.kit.problems import Unauthorized
from apiwright.kit.sqlalchemy_session import sqlalchemy_session
from tests.kit.conftest import TwoUsers
from tests.kit.models import Task, User

pytestmark = pytest.mark.anyio


async def test_the_wall_holds_in_every_transaction(database: Database, users: TwoUsers) -> None:
    async with sqlalchemy_session(database, users.bob) as session:
        bypasses = await session.scalar(
            text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        )
        assert bypasses is False
        session.add(Task(title="Bob's"))
        await session.commit()
    async with sqlalchemy_session(database, users.ada) as session:
        for _ in range(2):
            session.add(Task(title="Ada's"))
            await session.commit()
            titles = (await session.scalars(text("SELECT title FROM task"))).all()
            assert set(titles) == {"Ada's"}


async def test_what_is_not_committed_is_rolled_back(database: Database, users: TwoUsers) -> None:
    async with sqlalchemy_session(database, users.ada) as session:
        session.add(Task(title="forgotten"))
        await session.flush()
    async with sqlalchemy_session(database, users.ada) as session:
        assert (await session.scalars(select(Task))).all() == []


async def test_a_deactivated_account_is_unauthorized(database: Database, users: TwoUsers) -> None:
    async with database.session(None) as ours:
        everyone = ours.unscoped(reason="an administrator deactivates Ada")
        ada = await everyone.get_one(User, users.ada)
        ada.is_active = False
        await everyone.add(ada)
    with pytest.raises(Unauthorized):
        async with sqlalchemy_session(database, users.ada) as session:
            await session.scalars(select(Task))
