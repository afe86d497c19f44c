from typing import Annotated

from fastapi import Depends, Header, HTTPException
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.db import get_session
from app.models import User

SessionDep = Annotated[AsyncSession, Depends(get_session)]


async def get_current_user(
    session: SessionDep, authorization: Annotated[str, Header()] = ""
) -> User:
    name = authorization.removeprefix("Bearer ")
    user = (await session.exec(select(User).where(User.name == name))).first()
    if user is None:
        raise HTTPException(status_code=401, detail="Sign in first")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]
