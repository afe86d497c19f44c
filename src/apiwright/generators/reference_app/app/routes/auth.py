from typing import Annotated
from uuid import UUID

from apiwright.kit.database import AppDatabase
from apiwright.kit.limits import Limit, LoginAttempts
from apiwright.kit.logins import AnonymousSession, TokenIssuer, UserSession
from apiwright.kit.pagination import Page, PageParams
from apiwright.kit.permissions import public
from apiwright.kit.problems import may_answer
from apiwright.kit.tokens import LoginTokens
from fastapi import APIRouter, Depends, Header
from fastapi.security import OAuth2PasswordRequestForm

from app.models import Login, User
from app.schemas.login import Credentials, LoginPublic, Refresh
from app.schemas.user import PasswordChange, UserCreate, UserPublic
from app.services import login_service, user_service

router = APIRouter(prefix="/auth", tags=["auth"])

UserAgent = Annotated[str, Header(include_in_schema=False)]
by_address = [Depends(Limit("60/hour", per="address"))]


@router.post("/register", response_model=UserPublic, status_code=201, dependencies=by_address)
@public
@may_answer(409)
async def register(data: UserCreate, session: AnonymousSession) -> User:
    return await user_service.register(session, data)


@router.post("/login")
@public
@may_answer(401)
async def log_in(
    data: Credentials,
    session: AnonymousSession,
    attempts: LoginAttempts,
    tokens: TokenIssuer,
    user_agent: UserAgent = "",
) -> LoginTokens:
    async with attempts.of(data.email):
        user = await user_service.authenticate(session, data.email, data.password)
    return await login_service.begin(session, tokens, user, user_agent)


@router.post("/token")
@public
@may_answer(401)
async def issue_token(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    session: AnonymousSession,
    attempts: LoginAttempts,
    tokens: TokenIssuer,
    user_agent: UserAgent = "",
) -> LoginTokens:
    """As `login`, by OAuth2's form, which the docs page sends; `username` is the e-mail."""
    async with attempts.of(form.username):
        user = await user_service.authenticate(session, form.username, form.password)
    return await login_service.begin(session, tokens, user, user_agent)


@router.post("/refresh")
@public
@may_answer(401)
async def refresh(data: Refresh, database: AppDatabase, tokens: TokenIssuer) -> LoginTokens:
    """New tokens for the refresh token, which is used up. Used twice, it ends the login."""
    return await login_service.refresh(database, tokens, data.refresh_token)


@router.post("/logout", status_code=204)
async def log_out(session: UserSession) -> None:
    if session.login_id is not None:
        await login_service.end(session, session.login_id)


@router.get("/logins", response_model=Page[LoginPublic])
async def list_logins(session: UserSession, page: PageParams) -> Page[Login]:
    return await login_service.list_logins(session, page)


@router.delete("/logins", status_code=204)
async def end_all_logins(session: UserSession) -> None:
    await login_service.end_all(session)


@router.delete("/logins/{login_id}", status_code=204)
async def end_login(session: UserSession, login_id: UUID) -> None:
    await login_service.end(session, login_id)


@router.get("/me", response_model=UserPublic)
async def me(session: UserSession) -> User:
    return await session.get_one(User, session.user_id)


@router.put("/password", status_code=204)
@may_answer(403)
async def change_password(session: UserSession, data: PasswordChange) -> None:
    await user_service.change_password(session, data)


@router.post("/deactivate", status_code=204)
async def deactivate(session: UserSession) -> None:
    await user_service.deactivate(session)
