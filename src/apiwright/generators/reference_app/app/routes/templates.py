"""The catalogue: everybody signed in reads it, who has the permission writes it."""

from apiwright.kit.logins import UserSession
from apiwright.kit.pagination import Page, PageParams
from apiwright.kit.permissions import requires
from fastapi import APIRouter

from app.models import Template
from app.permissions import Permission
from app.schemas.template import TemplateCreate, TemplatePublic
from app.services import template_service

router = APIRouter(prefix="/templates", tags=["templates"])

editors = [requires(Permission.EDIT_CATALOGUE)]


@router.get("", response_model=Page[TemplatePublic])
async def list_templates(session: UserSession, page: PageParams) -> Page[Template]:
    return await template_service.list_templates(session, page)


@router.post("", response_model=TemplatePublic, status_code=201, dependencies=editors)
async def create_template(session: UserSession, data: TemplateCreate) -> Template:
    return await template_service.create_template(session, data)


@router.delete("/{template_id}", status_code=204, dependencies=editors)
async def delete_template(session: UserSession, template_id: int) -> None:
    await template_service.delete_template(session, template_id)
