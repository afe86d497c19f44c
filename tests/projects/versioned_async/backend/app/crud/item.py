from sqlalchemy.ext.asyncio import AsyncSession

from app.crud.base import CRUDBase
from app.models import Item, User
from app.schemas.item import ItemCreate


class CRUDItem(CRUDBase[Item]):
    async def create(self, session: AsyncSession, data: ItemCreate, owner: User) -> Item:
        item = Item(**data.model_dump(), owner_id=owner.id)
        session.add(item)
        await session.commit()
        return item


item = CRUDItem(Item)
