"""Who is asking: the dependencies that give a route its session."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.security import OAuth2PasswordBearer

from apiwright.kit.problems import Unauthorized
from apiwright.kit.session import Session
from apiwright.kit.settings import Settings
from apiwright.kit.tokens import InvalidToken, Tokens


def install(app: FastAPI, settings: Settings) -> None:
    """Issue and accept the tokens of this app; they are in `app.state.tokens`."""
    app.state.tokens = Tokens(
        settings.signing_key(), settings.app_name, settings.access_token_minutes * 60
    )


class _SignedIn(OAuth2PasswordBearer):
    """One dependency instead of three (scheme, user, session): it is on every route's path."""

    async def __call__(self, request: Request) -> Session:  # type: ignore[override]  # str there
        given = b""
        for name, value in request.scope["headers"]:  # names are in lower case (ASGI)
            if name == b"authorization":
                given = value
                break
        scheme, _, token = given.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized()
        try:
            user_id = request.app.state.tokens.verify(token)
        except InvalidToken:
            raise Unauthorized("This token is not valid (any more). Sign in again.") from None
        session: Session = request.app.state.database.request_session(request, user_id)
        return session


async def _anonymous(request: Request) -> Session:
    session: Session = request.app.state.database.request_session(request, None)
    return session


UserSession = Annotated[Session, Depends(_SignedIn(tokenUrl="api/v1/auth/login"))]
"""The session of whoever is signed in; nobody: the 401 problem."""

AnonymousSession = Annotated[Session, Depends(_anonymous)]
"""A session that sees no one's rows, for routes that need no login."""


async def _tokens(request: Request) -> Tokens:
    tokens: Tokens = request.app.state.tokens
    return tokens


TokenIssuer = Annotated[Tokens, Depends(_tokens)]
"""What issues the tokens of this app, for the login route."""
