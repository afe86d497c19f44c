"""Who is asking: the dependencies that give a route its session."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.security import OAuth2PasswordBearer
from starlette.types import Scope

from apiwright.kit.headers import header
from apiwright.kit.problems import Unauthorized, may_answer
from apiwright.kit.session import Session
from apiwright.kit.settings import Settings
from apiwright.kit.tokens import AccessClaims, InvalidToken, Tokens

_CLAIMS = "apiwright.claims"  # in the ASGI scope: what the request's token says, once asked for
_BY = "apiwright.claims_by"  # in the ASGI scope: the `Tokens` that read it
_DAY = 24 * 3600


def install(app: FastAPI, settings: Settings) -> None:
    """Issue and accept the tokens of this app; they are in `app.state.tokens`. With an Ed25519
    key, the public part is served at /.well-known/jwks.json (RFC 7517)."""
    tokens = app.state.tokens = Tokens(
        settings.signing_key(),
        settings.app_name,
        settings.access_token_minutes * 60,
        previous=settings.previous_keys(),
        refresh_lifetime=settings.refresh_token_days * _DAY,
    )
    if tokens.jwks["keys"]:

        async def jwks(request: Request) -> JSONResponse:
            return JSONResponse(tokens.jwks, headers={"Cache-Control": "public, max-age=300"})

        app.add_route("/.well-known/jwks.json", jwks, include_in_schema=False)


def claims_of(scope: Scope) -> AccessClaims | None:
    """What the token of a request says, by its ASGI scope; None without a valid one."""
    tokens: Tokens | None = getattr(scope["app"].state, "tokens", None)
    if tokens is None:  # limits and others work without
        return None
    if scope.get(_BY) is not tokens:  # nor those of an app that this one is mounted in
        scope[_CLAIMS], scope[_BY] = _verified(scope, tokens), tokens
    claims: AccessClaims | None = scope[_CLAIMS]
    return claims


def _verified(scope: Scope, tokens: Tokens) -> AccessClaims | None:
    scheme, _, token = _credentials(scope).partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        return tokens.verify(token)
    except InvalidToken:
        return None


def _credentials(scope: Scope) -> str:
    return header(scope, b"authorization").decode("latin-1")


@may_answer(409, 503)
class SignedIn(OAuth2PasswordBearer):
    """One dependency instead of three (scheme, user, session): it is on every route's path."""

    async def __call__(self, request: Request) -> Session:  # type: ignore[override]  # str there
        scope = request.scope
        claims = claims_of(scope)
        if claims is None:
            if _credentials(scope)[:7].lower() == "bearer ":
                raise Unauthorized("This token is not valid (any more). Sign in again.")
            raise Unauthorized()
        session: Session = scope["app"].state.database.request_session(
            scope, claims.user_id, claims.login_id
        )
        return session


@may_answer(409, 503)
async def _anonymous(request: Request) -> Session:
    session: Session = request.app.state.database.request_session(request.scope, None)
    return session


UserSession = Annotated[
    Session, Depends(SignedIn(tokenUrl="api/v1/auth/token", scheme_name="login"))
]
"""The session of whoever is signed in; nobody: the 401 problem."""

AnonymousSession = Annotated[Session, Depends(_anonymous)]
"""A session that sees no one's rows, for routes that need no login."""


async def _tokens(request: Request) -> Tokens:
    tokens: Tokens = request.app.state.tokens
    return tokens


TokenIssuer = Annotated[Tokens, Depends(_tokens)]
"""What issues the tokens of this app, for the login routes."""
