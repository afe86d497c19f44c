"""Who may call a route: everybody signed in, unless it says otherwise.

A route that takes no session, asks for no permission and is not marked `public` is refused when
the app starts, as a table without an audience is.
"""

import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from apiwright.errors import ApiwrightError
from apiwright.kit.logins import SignedIn, UserSession
from apiwright.kit.problems import Forbidden, may_answer
from apiwright.kit.tables import Account, audiences

F = TypeVar("F", bound=Callable[..., Any])

logger = logging.getLogger("apiwright.permissions")

_PUBLIC = "__apiwright_public__"


def public(function: F) -> F:
    """Stands above a route's function, below its decorator: everybody may call it."""
    setattr(function, _PUBLIC, True)
    return function


@may_answer(403)
class Requires:
    """A dependency that refuses whoever lacks a permission; `requires` makes one."""

    def __init__(self, permission: str) -> None:
        self.permission = permission

    async def __call__(self, session: UserSession) -> None:
        account = await session.get_one(_account(), session.user_id)
        if self.permission not in account.permissions:
            raise Forbidden()


def requires(permission: str) -> Any:
    """For a route: `dependencies=[requires("catalogue:edit")]`. Who lacks the permission gets the
    403 problem. Asked in the database each time, so that what is taken away is gone at once."""
    return Depends(Requires(permission))


def install(app: FastAPI) -> None:
    """Refuse to start while a route does not say who may call it; the OpenAPI document says which
    are public, and so does a line in the log."""
    serve = app.router.lifespan_context

    @asynccontextmanager
    async def serving(app: FastAPI) -> AsyncIterator[Any]:
        check(app)
        async with serve(app) as state:
            yield state

    app.router.lifespan_context = serving
    document = app.openapi

    def openapi() -> dict[str, Any]:
        made = document()
        for context, _ in _routes(app):
            if _is_public(context) and context.methods and context.include_in_schema:
                for method in context.methods or ():
                    made["paths"][context.path_format][method.lower()]["security"] = []
        return made

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _account() -> type[Account]:
    for model in audiences().values():
        if issubclass(model, Account):
            return model
    raise ApiwrightError(
        "There is no table of users, who could have permissions.",
        "Write one: `class User(Account, table=True)`.",
    )


def _routes(app: FastAPI) -> Iterator[tuple[RouteContext, Dependant]]:
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context, "dependant", None)
        if dependant is not None:  # otherwise a plain Starlette route: the docs page, files
            yield context, dependant


def check(app: FastAPI) -> None:
    """Raises ApiwrightError for a route that does not say who may call it."""
    opened = []
    for context, dependant in _routes(app):
        name = f"{', '.join(sorted(context.methods or ['WEBSOCKET']))} {context.path}"
        if _is_public(context):
            opened.append(name)
        elif not _signed_in(dependant):
            raise ApiwrightError(
                f"{name} does not say who may call it.",
                "Let its function take `session: UserSession`, which needs a login; or write"
                " `@public` (apiwright.kit.permissions) above the function.",
            )
    logger.info("public routes: %s", "; ".join(opened) or "none")


def _is_public(context: RouteContext) -> bool:
    return context.endpoint is not None and hasattr(inspect.unwrap(context.endpoint), _PUBLIC)


def _signed_in(dependant: Dependant) -> bool:
    return isinstance(dependant.call, SignedIn) or any(map(_signed_in, dependant.dependencies))
