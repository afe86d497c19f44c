from typing import Annotated
from uuid import UUID

from apiwright.kit.logins import UserSession
from apiwright.kit.pagination import Page, PageParams
from fastapi import APIRouter, Query

from app.models import Tag, Task
from app.schemas.tag import TagPublic
from app.schemas.task import TaskCreate, TaskPublic, TaskQuery, TaskUpdate
from app.services import task_service

router = APIRouter(prefix="/tasks", tags=["tasks"])
nested = APIRouter(tags=["tasks"])


@router.get("", response_model=Page[TaskPublic])
async def list_tasks(session: UserSession, query: Annotated[TaskQuery, Query()]) -> Page[Task]:
    return await task_service.list_tasks(session, query)


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


@router.get("/{task_id}/tags", response_model=list[TagPublic])
async def list_task_tags(session: UserSession, task_id: UUID) -> list[Tag]:
    return await task_service.list_tags(session, task_id)


@router.put("/{task_id}/tags/{tag_id}", status_code=204)
async def tag_task(session: UserSession, task_id: UUID, tag_id: UUID) -> None:
    await task_service.tag(session, task_id, tag_id)


@router.delete("/{task_id}/tags/{tag_id}", status_code=204)
async def untag_task(session: UserSession, task_id: UUID, tag_id: UUID) -> None:
    await task_service.untag(session, task_id, tag_id)


@nested.get("/projects/{project_id}/tasks", response_model=Page[TaskPublic])
async def list_project_tasks(
    session: UserSession, project_id: UUID, page: PageParams
) -> Page[Task]:
    return await task_service.list_project_tasks(session, project_id, page)
