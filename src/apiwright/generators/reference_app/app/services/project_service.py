from uuid import UUID

from apiwright.kit.pagination import Page, PageParams
from apiwright.kit.session import Session
from sqlmodel import select

from app.models import Project
from app.schemas.project import ProjectCreate, ProjectUpdate


async def list_projects(session: Session, page: PageParams) -> Page[Project]:
    return await session.page(select(Project), page)


async def get_project(session: Session, project_id: UUID) -> Project:
    return await session.get_one(Project, project_id)


async def create_project(session: Session, data: ProjectCreate) -> Project:
    return await session.add(Project(**data.model_dump()))


async def update_project(session: Session, project_id: UUID, data: ProjectUpdate) -> Project:
    project = await session.get_one(Project, project_id)
    project.sqlmodel_update(data.model_dump(exclude_unset=True))
    return await session.add(project)


async def delete_project(session: Session, project_id: UUID) -> None:
    """Its tasks go with it."""
    project = await session.get_one(Project, project_id)
    await session.delete(project)
