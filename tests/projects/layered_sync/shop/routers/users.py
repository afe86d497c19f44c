from typing import List

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session

from shop.database import get_db
from shop.dependencies import Paging, get_current_user, same_user
from shop.models import User
from shop.repositories.orders import OrderRepository
from shop.schemas import OrderOut, PasswordChange, UserOut, UserUpdate
from shop.services.auth import AuthService

router = APIRouter(prefix="/users", tags=["users"])


@router.get("/me", response_model=UserOut)
def read_me(user: User = Depends(get_current_user)):
    return user


@router.patch("/me", response_model=UserOut)
def update_me(
    data: UserUpdate, user: User = Depends(get_current_user), db: Session = Depends(get_db)
):
    return AuthService(db).update(user, data)


@router.put("/me/password", status_code=204)
def change_password(
    data: PasswordChange, user: User = Depends(get_current_user), db: Session = Depends(get_db)
):
    AuthService(db).change_password(user, data)


@router.get("/{user_id}/orders", response_model=List[OrderOut])
def orders_of_user(
    user: User = Depends(same_user), paging: Paging = Depends(), db: Session = Depends(get_db)
):
    return OrderRepository(db).page(user.id, paging.skip, paging.limit)
