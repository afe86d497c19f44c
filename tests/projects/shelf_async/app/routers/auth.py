from fastapi import APIRouter, HTTPException
from sqlmodel import select

from app.core.security import SessionDep, hashed, token_for
from app.models import Account
from app.schemas.account import AccountCreate, AccountRead, Credentials

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/signup", status_code=201)
async def sign_up(session: SessionDep, data: AccountCreate) -> AccountRead:
    account = Account(
        username=data.username, password_hash=hashed(data.password), is_active=True
    )
    session.add(account)
    await session.commit()
    return AccountRead(id=account.id, username=account.username)


@router.post("/login")
async def log_in(session: SessionDep, data: Credentials) -> dict[str, dict[str, str]]:
    found = await session.exec(select(Account).where(Account.username == data.username))
    account = found.first()
    if account is None or account.password_hash != hashed(data.password):
        raise HTTPException(401, "Wrong name or password")
    return {"data": {"token": token_for(account)}}
