from uuid import UUID

from apiwright.kit.pagination import Page, PageParams
from apiwright.kit.session import Session
from sqlmodel import select

from app.models import Task
from app.schemas.task import TaskCreate, TaskUpdate


async def list_tasks(session: Session, page: PageParams) -> Page[Task]:
    return await session.page(select(Task), page)


async def get_task(session: Session, task_id: UUID) -> Task:
    return await session.get_one(Task, task_id)


async def create_task(session: Session, data: TaskCreate) -> Task:
    return await session.add(Task(**data.model_dump()))


async def update_task(session: Session, task_id: UUID, data: TaskUpdate) -> Task:
    task = await session.get_one(Task, task_id)
    task.sqlmodel_update(data.model_dump(exclude_unset=True))
    return await session.add(task)


async def delete_task(session: Session, task_id: UUID) -> None:
    task = await session.get_one(Task, task_id)
    await session.delete(task)
