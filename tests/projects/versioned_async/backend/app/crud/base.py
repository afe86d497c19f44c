from typing import Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Base

M = TypeVar("M", bound=Base)


class CRUDBase(Generic[M]):
    def __init__(self, model: type[M]) -> None:
        self.model = model

    async def get(self, session: AsyncSession, id: object) -> M | None:
        return await session.get(self.model, id)

    async def list(self, session: AsyncSession, skip: int, limit: int) -> list[M]:
        return list(await session.scalars(select(self.model).offset(skip).limit(limit)))
