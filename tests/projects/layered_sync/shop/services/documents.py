from pathlib import Path
from typing import List
from uuid import uuid4

from sqlalchemy.orm import Session

from shop.config import get_settings
from shop.models import Document, User
from shop.repositories.documents import DocumentRepository
from shop.services.errors import not_found


class DocumentService:
    def __init__(self, db: Session):
        self.documents = DocumentRepository(db)
        self.folder = Path(get_settings().upload_folder)

    def page(self, user: User, skip: int, limit: int) -> List[Document]:
        return self.documents.page(user.id, skip, limit)

    def get(self, user: User, document_id: int) -> Document:
        document = self.documents.of_owner(document_id, user.id)
        if document is None:
            raise not_found("document")
        return document

    def save(self, user: User, title: str, contents: bytes) -> Document:
        self.folder.mkdir(parents=True, exist_ok=True)
        stored_as = uuid4().hex
        (self.folder / stored_as).write_bytes(contents)
        return self.documents.add(Document(owner_id=user.id, title=title, stored_as=stored_as))

    def path(self, document: Document) -> Path:
        path = self.folder / document.stored_as
        if not path.is_file():
            raise not_found("document")
        return path

    def delete(self, user: User, document_id: int) -> None:
        document = self.get(user, document_id)
        (self.folder / document.stored_as).unlink(missing_ok=True)
        self.documents.delete(document)
