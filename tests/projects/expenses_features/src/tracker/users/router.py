from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession

from tracker.db import get_session
from tracker.users.models import User

router = APIRouter(prefix="/users")


@router.post("", status_code=201)
async def sign_up(
    name: str, session: Annotated[AsyncSession, Depends(get_session)]
) -> dict[str, str]:
    session.add(User(name=name))
    await session.commit()
    return {"token": name}
