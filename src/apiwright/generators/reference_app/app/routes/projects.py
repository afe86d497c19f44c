from uuid import UUID

from apiwright.kit.conditional import Match
from apiwright.kit.logins import UserSession
from apiwright.kit.pagination import Page, PageParams
from fastapi import APIRouter

from app.models import Project
from app.schemas.project import ProjectCreate, ProjectPublic, ProjectUpdate
from app.services import project_service

router = APIRouter(prefix="/projects", tags=["projects"])


@router.get("", response_model=Page[ProjectPublic])
async def list_projects(session: UserSession, page: PageParams) -> Page[Project]:
    return await project_service.list_projects(session, page)


@router.post("", response_model=ProjectPublic, status_code=201)
async def create_project(session: UserSession, data: ProjectCreate) -> Project:
    return await project_service.create_project(session, data)


@router.get("/{project_id}", response_model=ProjectPublic)
async def get_project(session: UserSession, project_id: UUID, match: Match) -> Project:
    return match.tag(await project_service.get_project(session, project_id))


@router.patch("/{project_id}", response_model=ProjectPublic)
async def update_project(
    session: UserSession, project_id: UUID, data: ProjectUpdate, match: Match
) -> Project:
    await match.check(session, Project, project_id)
    return match.tag(await project_service.update_project(session, project_id, data))


@router.delete("/{project_id}", status_code=204)
async def delete_project(session: UserSession, project_id: UUID, match: Match) -> None:
    await match.check(session, Project, project_id)
    await project_service.delete_project(session, project_id)
