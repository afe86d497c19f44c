from uuid import UUID

from apiwright.kit.pagination import Page, PageParams
from apiwright.kit.session import Session
from sqlmodel import col, select

from app.models import Project, Tag, Task, TaskTag
from app.schemas.task import TaskCreate, TaskQuery, TaskUpdate


async def list_tasks(session: Session, query: TaskQuery) -> Page[Task]:
    tasks = select(Task)
    if query.done is not None:
        tasks = tasks.where(Task.done == query.done)
    if query.project_id is not None:
        tasks = tasks.where(Task.project_id == query.project_id)
    if query.search is not None:
        tasks = tasks.where(col(Task.title).icontains(query.search, autoescape=True))
    return await session.page(tasks, query)


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


async def list_tags(session: Session, task_id: UUID) -> list[Tag]:
    await session.get_one(Task, task_id)
    tags = select(Tag).join(TaskTag).where(TaskTag.task_id == task_id).order_by(Tag.name)
    return (await session.exec(tags)).all()


async def tag(session: Session, task_id: UUID, tag_id: UUID) -> None:
    """Does nothing when the task has the tag already."""
    await session.get_one(Task, task_id)
    await session.get_one(Tag, tag_id)
    if await session.get(TaskTag, (task_id, tag_id)) is None:
        await session.add(TaskTag(task_id=task_id, tag_id=tag_id))


async def untag(session: Session, task_id: UUID, tag_id: UUID) -> None:
    link = await session.get_one(TaskTag, (task_id, tag_id))
    await session.delete(link)


async def list_project_tasks(session: Session, project_id: UUID, page: PageParams) -> Page[Task]:
    await session.get_one(Project, project_id)
    return await session.page(select(Task).where(Task.project_id == project_id), page)
