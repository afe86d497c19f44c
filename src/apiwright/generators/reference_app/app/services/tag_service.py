from uuid import UUID

from apiwright.kit.pagination import Page, PageParams
from apiwright.kit.session import Session
from sqlmodel import select

from app.models import Tag
from app.schemas.tag import TagCreate


async def list_tags(session: Session, page: PageParams) -> Page[Tag]:
    return await session.page(select(Tag), page)


async def create_tag(session: Session, data: TagCreate) -> Tag:
    return await session.add(Tag(**data.model_dump()))


async def delete_tag(session: Session, tag_id: UUID) -> None:
    tag = await session.get_one(Tag, tag_id)
    await session.delete(tag)
