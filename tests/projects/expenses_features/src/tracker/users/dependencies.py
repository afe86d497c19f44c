from typing import Annotated

from fastapi import Depends, Header, HTTPException
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tracker.db import get_session
from tracker.users.models import User


async def get_current_user(
    session: Annotated[AsyncSession, Depends(get_session)],
    authorization: Annotated[str, Header()] = "",
) -> User:
    name = authorization.removeprefix("Bearer ")
    user = await session.scalar(select(User).where(User.name == name))
    if user is None:
        raise HTTPException(status_code=401, detail="Sign in first")
    return user
