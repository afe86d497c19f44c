import mimetypes
from collections.abc import AsyncIterable
from typing import Annotated
from uuid import UUID

from apiwright.kit import knowledge
from apiwright.kit.database import AppDatabase
from apiwright.kit.knowledge import KnowledgeSearch, KnowledgeSettings, Passage
from apiwright.kit.logins import UserSession
from apiwright.kit.pagination import Page, PageParams
from fastapi import APIRouter, Depends, Query, UploadFile
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import StringConstraints

from app.models import Document
from app.schemas.document import DocumentPublic
from app.services import document_service

MOST = KnowledgeSettings().max_document_bytes + 10_000  # bytes, with what a form adds

router = APIRouter(prefix="/documents", tags=["documents"])


@router.get("", response_model=Page[DocumentPublic])
async def list_documents(session: UserSession, page: PageParams) -> Page[Document]:
    return await document_service.list_documents(session, page)


@router.post("", response_model=DocumentPublic, status_code=202, max_body_size=MOST)
async def add_document(session: UserSession, file: UploadFile) -> Document:
    title = (file.filename or "Untitled")[:200]
    return await document_service.add_document(session, title, type_of(file), await file.read())


@router.get("/search")
async def search_documents(
    session: UserSession,
    knowledge: KnowledgeSearch,
    question: Annotated[str, StringConstraints(min_length=1, max_length=1000), Query()],
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> list[Passage]:
    return await document_service.search(session, knowledge, question, limit)


@router.get("/{document_id}", response_model=DocumentPublic)
async def get_document(session: UserSession, document_id: UUID) -> Document:
    return await document_service.get_document(session, document_id)


@router.put(
    "/{document_id}/file", response_model=DocumentPublic, status_code=202, max_body_size=MOST
)
async def replace_document(session: UserSession, document_id: UUID, file: UploadFile) -> Document:
    return await document_service.replace_document(
        session, document_id, type_of(file), await file.read()
    )


@router.delete("/{document_id}", status_code=204)
async def delete_document(session: UserSession, document_id: UUID) -> None:
    await document_service.delete_document(session, document_id)


@router.get(
    "/{document_id}/progress",
    response_class=EventSourceResponse,
    dependencies=[Depends(get_document)],  # 404, before anything is sent
)
async def watch_document(
    session: UserSession, database: AppDatabase, document_id: UUID
) -> AsyncIterable[ServerSentEvent]:
    """The document whenever its state has changed, until it is indexed or has failed."""
    async for document in knowledge.progress(database, session.user_id, document_id):
        yield ServerSentEvent(data=DocumentPublic.model_validate(document, from_attributes=True))


def type_of(file: UploadFile) -> str:
    """What the file's name says, which browsers know better than they say."""
    guessed, _ = mimetypes.guess_type(file.filename or "")
    if (file.filename or "").lower().endswith((".md", ".markdown")):
        guessed = "text/markdown"
    return guessed or (file.content_type or "").partition(";")[0] or "application/octet-stream"
