from uuid import UUID

from apiwright.kit.logins import UserSession
from apiwright.kit.pagination import Page, PageParams
from fastapi import APIRouter

from app.models import Tag
from app.schemas.tag import TagCreate, TagPublic
from app.services import tag_service

router = APIRouter(prefix="/tags", tags=["tags"])


@router.get("", response_model=Page[TagPublic])
async def list_tags(session: UserSession, page: PageParams) -> Page[Tag]:
    return await tag_service.list_tags(session, page)


@router.post("", response_model=TagPublic, status_code=201)
async def create_tag(session: UserSession, data: TagCreate) -> Tag:
    return await tag_service.create_tag(session, data)


@router.delete("/{tag_id}", status_code=204)
async def delete_tag(session: UserSession, tag_id: UUID) -> None:
    await tag_service.delete_tag(session, tag_id)
