"""SQLAlchemy's own session, for a library that insists on one: under the same role and user, so
the wall holds. The belt, the pool and the speed of `kit.session` are not there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from apiwright.kit.database import Database
from apiwright.kit.postgres_url import engine_of
from apiwright.kit.problems import Unauthorized


@asynccontextmanager
async def sqlalchemy_session(
    database: Database, user_id: UUID | None
) -> AsyncIterator[AsyncSession]:
    """As SQLAlchemy documents it: what is not committed is rolled back at the end, and attributes
    stay readable after a commit. It opens a connection of its own and closes it, which takes some
    milliseconds; its transactions are not the request's."""
    begin, _, take_on = database.scope(user_id).begin.partition("; ")
    assert begin == "BEGIN"

    class UserSession(Session):
        pass

    @event.listens_for(UserSession, "after_begin")
    def take_on_user(
        session: Session, transaction: SessionTransaction, connection: Connection
    ) -> None:
        if connection.exec_driver_sql(take_on).first() is None:
            raise Unauthorized("This account is not active.")

    engine = engine_of(database.url)
    try:
        async with AsyncSession(
            engine, sync_session_class=UserSession, expire_on_commit=False
        ) as session:
            yield session
    finally:
        await engine.dispose()
