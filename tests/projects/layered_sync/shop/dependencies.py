from typing import Annotated

from fastapi import Depends, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy.orm import Session

from shop.database import get_db
from shop.models import User
from shop.repositories.users import UserRepository
from shop.schemas import Id
from shop.security import TokenService

oauth2_scheme = OAuth2PasswordBearer(tokenUrl="auth/login")


def get_current_user(
    token: str = Depends(oauth2_scheme), db: Session = Depends(get_db)
) -> User:
    user_id = TokenService().read(token, "access")
    user = UserRepository(db).get(user_id) if user_id is not None else None
    if user is None or not user.is_active:
        raise HTTPException(
            status_code=401, detail="not signed in", headers={"WWW-Authenticate": "Bearer"}
        )
    return user


def same_user(user_id: Id, user: User = Depends(get_current_user)) -> User:
    if user.id != user_id:
        raise HTTPException(status_code=404, detail="user not found")
    return user


class RoleChecker:
    def __init__(self, role: str):
        self.role = role

    def __call__(self, user: User = Depends(get_current_user)) -> User:
        if user.role != self.role:
            raise HTTPException(status_code=403, detail="not allowed")
        return user


class Paging:
    def __init__(
        self,
        skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ):
        self.skip = skip
        self.limit = limit


require_admin = RoleChecker("admin")
