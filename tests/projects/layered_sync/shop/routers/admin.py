from typing import List

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session

from shop.database import get_db
from shop.dependencies import Paging, require_admin
from shop.repositories.orders import OrderRepository
from shop.repositories.users import UserRepository
from shop.schemas import Id, RoleUpdate, Stats, UserOut
from shop.services.auth import AuthService

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[Depends(require_admin)])


@router.get("/users", response_model=List[UserOut])
def list_users(paging: Paging = Depends(), db: Session = Depends(get_db)):
    return UserRepository(db).page(paging.skip, paging.limit)


@router.put("/users/{user_id}/role", response_model=UserOut)
def set_role(user_id: Id, data: RoleUpdate, db: Session = Depends(get_db)):
    return AuthService(db).set_role(user_id, data.role)


@router.get("/stats", response_model=Stats, include_in_schema=False)
def stats(db: Session = Depends(get_db)):
    return Stats(users=UserRepository(db).count(), orders=OrderRepository(db).count())
