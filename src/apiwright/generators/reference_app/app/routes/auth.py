from typing import Annotated

from apiwright.kit.logins import AnonymousSession, TokenIssuer, UserSession
from apiwright.kit.tokens import AccessToken
from fastapi import APIRouter, Depends
from fastapi.security import OAuth2PasswordRequestForm

from app.models import User
from app.schemas.user import UserCreate, UserPublic
from app.services import user_service

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/register", response_model=UserPublic, status_code=201)
async def register(data: UserCreate, session: AnonymousSession) -> User:
    return await user_service.register(session, data)


@router.post("/login")
async def login(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    session: AnonymousSession,
    tokens: TokenIssuer,
) -> AccessToken:
    """Log in with an e-mail address, in the field `username`, and a password."""
    user = await user_service.authenticate(session, form.username, form.password)
    return tokens.issue(user.id)


@router.get("/me", response_model=UserPublic)
async def me(session: UserSession) -> User:
    return await session.get_one(User, session.user_id)
