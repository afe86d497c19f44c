from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import get_db
from app.models import Entry, User
from app.schemas.entry import EntryCreate, EntryRead, EntryUpdate
from app.security import get_current_user

router = APIRouter(prefix="/entries", tags=["entries"])

Db = Annotated[Session, Depends(get_db)]
CurrentUser = Annotated[User, Depends(get_current_user)]


def find(entry_id: int, db: Session, user: User) -> Entry:
    entry = db.scalar(select(Entry).where(Entry.id == entry_id, Entry.owner_id == user.id))
    if entry is None:
        raise HTTPException(status_code=404, detail="Entry not found")
    return entry


@router.get("/", response_model=list[EntryRead])
def list_entries(db: Db, user: CurrentUser, skip: int = 0, limit: int = 100):
    query = select(Entry).where(Entry.owner_id == user.id)
    return db.scalars(query.order_by(Entry.id).offset(skip).limit(limit)).all()


@router.post("/", response_model=EntryRead, status_code=201)
def create_entry(data: EntryCreate, db: Db, user: CurrentUser):
    entry = Entry(**data.model_dump(), owner_id=user.id)
    db.add(entry)
    db.commit()
    return entry


@router.get("/{entry_id}", response_model=EntryRead)
def get_entry(entry_id: int, db: Db, user: CurrentUser):
    return find(entry_id, db, user)


@router.put("/{entry_id}", response_model=EntryRead)
def update_entry(entry_id: int, data: EntryUpdate, db: Db, user: CurrentUser):
    entry = find(entry_id, db, user)
    for name, value in data.model_dump(exclude_unset=True).items():
        setattr(entry, name, value)
    db.commit()
    return entry


@router.delete("/{entry_id}", status_code=204)
def delete_entry(entry_id: int, db: Db, user: CurrentUser):
    db.delete(find(entry_id, db, user))
    db.commit()
