import hashlib
from typing import Annotated
from uuid import UUID

import jwt
from fastapi import Depends, HTTPException, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.config import settings
from app.core.db import get_session
from app.models import Account

bearer = HTTPBearer()

SessionDep = Annotated[AsyncSession, Depends(get_session)]


def hashed(password: str) -> str:
    return hashlib.scrypt(password.encode(), salt=b"shelf", n=2, r=1, p=1).hex()


def token_for(account: Account) -> str:
    return jwt.encode({"sub": str(account.id)}, settings.SECRET_KEY, algorithm="HS256")


async def get_current_account(
    session: SessionDep, credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]
) -> Account:
    try:
        claims = jwt.decode(credentials.credentials, settings.SECRET_KEY, algorithms=["HS256"])
    except jwt.PyJWTError:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Not signed in") from None
    account = await session.get(Account, UUID(claims["sub"]))
    if account is None or not account.is_active:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Not signed in")
    return account


CurrentAccount = Annotated[Account, Depends(get_current_account)]
