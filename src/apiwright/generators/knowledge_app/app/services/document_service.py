from uuid import UUID

from apiwright.kit import knowledge
from apiwright.kit.knowledge import Knowledge, Passage
from apiwright.kit.pagination import Page, PageQuery
from apiwright.kit.session import Session
from sqlmodel import select

from app.models import Document


async def list_documents(session: Session, page: PageQuery) -> Page[Document]:
    return await session.page(select(Document), page)


async def get_document(session: Session, document_id: UUID) -> Document:
    return await session.get_one(Document, document_id)


async def add_document(session: Session, title: str, media_type: str, content: bytes) -> Document:
    document = Document(title=title, media_type=media_type, size=len(content))
    return await knowledge.add(session, document, content)


async def replace_document(
    session: Session, document_id: UUID, media_type: str, content: bytes
) -> Document:
    document = await session.get_one(Document, document_id)
    document.media_type = media_type
    return await knowledge.replace(session, document, content)


async def delete_document(session: Session, document_id: UUID) -> None:
    document = await session.get_one(Document, document_id)
    await session.delete(document)


async def search(
    session: Session, knowledge: Knowledge, question: str, limit: int
) -> list[Passage]:
    return await knowledge.search(session, question, limit=limit)
