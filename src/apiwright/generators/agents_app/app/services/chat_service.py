from uuid import UUID

from apiwright.kit.pagination import Page, PageQuery
from apiwright.kit.session import Session
from sqlmodel import col, select

from app.models import Thread, ThreadItem
from app.schemas.chat import ThreadCreate


async def list_threads(session: Session, page: PageQuery) -> Page[Thread]:
    return await session.page(select(Thread), page)


async def create_thread(session: Session, data: ThreadCreate) -> Thread:
    return await session.add(Thread(**data.model_dump()))


async def get_thread(session: Session, thread_id: UUID) -> Thread:
    return await session.get_one(Thread, thread_id)


async def delete_thread(session: Session, thread_id: UUID) -> None:
    thread = await session.get_one(Thread, thread_id)
    await session.delete(thread)


async def list_items(session: Session, thread_id: UUID, page: PageQuery) -> Page[ThreadItem]:
    """The oldest first."""
    await session.get_one(Thread, thread_id)
    items = select(ThreadItem).where(ThreadItem.thread_id == thread_id)
    return await session.page(items.order_by(col(ThreadItem.id)), page)
