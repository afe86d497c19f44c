from pathlib import Path
from typing import Annotated, List

from fastapi import APIRouter, Depends, Form, HTTPException, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from sqlalchemy.orm import Session

from shop.config import get_settings
from shop.database import get_db
from shop.dependencies import Paging, get_current_user
from shop.models import User
from shop.schemas import DocumentOut, Id, Name
from shop.services.documents import DocumentService

router = APIRouter(prefix="/documents", tags=["documents"])

LARGEST = 1_000_000


@router.get("", response_model=List[DocumentOut])
def list_documents(
    user: User = Depends(get_current_user),
    paging: Paging = Depends(),
    db: Session = Depends(get_db),
):
    return DocumentService(db).page(user, paging.skip, paging.limit)


@router.post("", response_model=DocumentOut, status_code=201)
async def upload_document(
    title: Annotated[Name, Form()],
    file: UploadFile,
    user: User = Depends(get_current_user),
    db: Session = Depends(get_db),
):
    contents = await file.read(LARGEST + 1)
    if len(contents) > LARGEST:
        raise HTTPException(status_code=413, detail="the file is too large")
    return await run_in_threadpool(DocumentService(db).save, user, title, contents)


@router.get("/manuals/{name}", response_class=FileResponse)
def download_manual(name: str, user: User = Depends(get_current_user)):
    """A file of the folder of manuals, and nothing outside of it."""
    folder = Path(get_settings().manuals_folder).resolve()
    if "\x00" in name:
        raise HTTPException(status_code=404, detail="manual not found")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise HTTPException(status_code=404, detail="manual not found")
    return FileResponse(path)


@router.get("/{document_id}", response_model=DocumentOut)
def get_document(
    document_id: Id, user: User = Depends(get_current_user), db: Session = Depends(get_db)
):
    return DocumentService(db).get(user, document_id)


@router.get("/{document_id}/file", response_class=FileResponse)
def download_document(
    document_id: Id, user: User = Depends(get_current_user), db: Session = Depends(get_db)
):
    service = DocumentService(db)
    document = service.get(user, document_id)
    return FileResponse(service.path(document), filename=f"document-{document.id}")


@router.delete("/{document_id}", status_code=204)
def delete_document(
    document_id: Id, user: User = Depends(get_current_user), db: Session = Depends(get_db)
):
    DocumentService(db).delete(user, document_id)
