from uuid import UUID

from fastapi import APIRouter, HTTPException, status
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.security import CurrentAccount, SessionDep
from app.models import Account, Entry
from app.schemas.entry import EntriesAnswer, EntryAnswer, EntryCreate, EntryUpdate

router = APIRouter(prefix="/entries", tags=["entries"])


async def find(session: AsyncSession, account: Account, entry_id: UUID) -> Entry:
    query = select(Entry).where(Entry.id == entry_id, Entry.account_id == account.id)
    entry = (await session.exec(query)).first()
    if entry is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Entry not found")
    return entry


@router.get("", response_model=EntriesAnswer)
async def list_entries(
    session: SessionDep, account: CurrentAccount, page: int = 1, size: int = 20
):
    query = select(Entry).where(Entry.account_id == account.id)
    found = await session.exec(query.order_by(Entry.title).offset((page - 1) * size).limit(size))
    return {"message": "ok", "data": found.all()}


@router.post("", response_model=EntryAnswer, status_code=status.HTTP_201_CREATED)
async def create_entry(session: SessionDep, account: CurrentAccount, data: EntryCreate):
    entry = Entry(**data.model_dump(), account_id=account.id)
    session.add(entry)
    await session.commit()
    return {"message": "created", "data": entry}


@router.get("/{entry_id}", response_model=EntryAnswer)
async def get_entry(session: SessionDep, account: CurrentAccount, entry_id: UUID):
    return {"message": "ok", "data": await find(session, account, entry_id)}


@router.patch("/{entry_id}", response_model=EntryAnswer)
async def update_entry(
    session: SessionDep, account: CurrentAccount, entry_id: UUID, data: EntryUpdate
):
    entry = await find(session, account, entry_id)
    entry.sqlmodel_update(data.model_dump(exclude_unset=True))
    session.add(entry)
    await session.commit()
    return {"message": "changed", "data": entry}


@router.delete("/{entry_id}")
async def delete_entry(
    session: SessionDep, account: CurrentAccount, entry_id: UUID
) -> dict[str, str]:
    await session.delete(await find(session, account, entry_id))
    await session.commit()
    return {"message": "deleted"}
