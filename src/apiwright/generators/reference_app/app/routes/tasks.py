from uuid import UUID

from apiwright.kit.logins import UserSession
from apiwright.kit.pagination import Page, PageParams
from fastapi import APIRouter

from app.models import Task
from app.schemas.task import TaskCreate, TaskPublic, TaskUpdate
from app.services import task_service

router = APIRouter(prefix="/tasks", tags=["tasks"])


@router.get("", response_model=Page[TaskPublic])
async def list_tasks(session: UserSession, page: PageParams) -> Page[Task]:
    return await task_service.list_tasks(session, page)


@router.post("", response_model=TaskPublic, status_code=201)
async def create_task(session: UserSession, data: TaskCreate) -> Task:
    return await task_service.create_task(session, data)


@router.get("/{task_id}", response_model=TaskPublic)
async def get_task(session: UserSession, task_id: UUID) -> Task:
    return await task_service.get_task(session, task_id)


@router.patch("/{task_id}", response_model=TaskPublic)
async def update_task(session: UserSession, task_id: UUID, data: TaskUpdate) -> Task:
    return await task_service.update_task(session, task_id, data)


@router.delete("/{task_id}", status_code=204)
async def delete_task(session: UserSession, task_id: UUID) -> None:
    await task_service.delete_task(session, task_id)
