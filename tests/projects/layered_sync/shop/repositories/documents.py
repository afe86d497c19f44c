from typing import List, Optional

from sqlalchemy import select

from shop.models import Document
from shop.repositories.base import Repository


class DocumentRepository(Repository[Document]):
    model = Document

    def of_owner(self, document_id: int, owner_id: int) -> Optional[Document]:
        document = self.get(document_id)
        if document is None or document.owner_id != owner_id:
            return None
        return document

    def page(self, owner_id: int, skip: int, limit: int) -> List[Document]:
        query = select(Document).where(Document.owner_id == owner_id)
        return self.db.scalars(query.order_by(Document.id).offset(skip).limit(limit)).all()
