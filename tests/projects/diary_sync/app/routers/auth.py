from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.security import OAuth2PasswordRequestForm
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import get_db
from app.models import User
from app.schemas.user import Token, UserCreate, UserRead
from app.security import hashed, token_for

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/register", response_model=UserRead, status_code=201)
def register(data: UserCreate, db: Annotated[Session, Depends(get_db)]) -> User:
    if db.scalar(select(User).where(User.email == data.email)):
        raise HTTPException(status_code=409, detail="Email is taken")
    user = User(email=data.email, hashed_password=hashed(data.password))
    db.add(user)
    db.commit()
    return user


@router.post("/token", response_model=Token)
def sign_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], db: Annotated[Session, Depends(get_db)]
) -> Token:
    user = db.scalar(select(User).where(User.email == form.username))
    if user is None or user.hashed_password != hashed(form.password):
        raise HTTPException(status_code=401, detail="Wrong email or password")
    return Token(access_token=token_for(user))
