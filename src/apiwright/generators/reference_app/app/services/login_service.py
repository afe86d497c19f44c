from datetime import UTC, datetime, timedelta
from uuid import UUID

from apiwright.kit.database import Database
from apiwright.kit.pagination import Page, PageParams
from apiwright.kit.problems import Unauthorized
from apiwright.kit.session import Session
from apiwright.kit.tokens import InvalidToken, LoginTokens, RefreshClaims, Tokens
from sqlmodel import col, delete, select

from app.models import Login, User


async def begin(session: Session, tokens: Tokens, user: User, user_agent: str) -> LoginTokens:
    everyone = session.unscoped(reason="login: nobody is signed in yet")
    aged = col(Login.updated_at) < datetime.now(UTC) - timedelta(seconds=tokens.refresh_lifetime)
    await everyone.exec(delete(Login).where(col(Login.owner_id) == user.id, aged))
    login = await everyone.add(Login(owner_id=user.id, user_agent=user_agent[:400]))
    return tokens.issue_for_login(user.id, login.id, login.generation)


async def refresh(database: Database, tokens: Tokens, refresh_token: str) -> LoginTokens:
    try:
        claims = tokens.verify_refresh(refresh_token)
    except InvalidToken:
        raise Unauthorized("This token is not valid (any more). Sign in again.") from None
    # a transaction of its own: that a login ended is kept, though the answer is an error
    async with database.session(None) as session:
        login = await _use(session, claims)
    if login is None:
        raise Unauthorized("This login has ended. Sign in again.")
    return tokens.issue_for_login(login.owner_id, login.id, login.generation)


async def _use(session: Session, claims: RefreshClaims) -> Login | None:
    everyone = session.unscoped(reason="refresh: the access token may have expired")
    wanted = select(Login).where(Login.id == claims.login_id).with_for_update()
    login = (await everyone.exec(wanted)).first()
    if login is None:
        return None
    if login.generation != claims.generation:
        await everyone.delete(login)  # used before: somebody has a copy of this token
        return None
    login.generation += 1
    return await everyone.add(login)


async def list_logins(session: Session, page: PageParams) -> Page[Login]:
    return await session.page(select(Login), page)


async def end(session: Session, login_id: UUID) -> None:
    login = await session.get_one(Login, login_id)
    await session.delete(login)


async def end_all(session: Session) -> None:
    await session.exec(delete(Login))
