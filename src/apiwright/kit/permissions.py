"""Who may call a route: everybody signed in, unless it says otherwise.

A route that takes no session, asks for no permission and is not marked `public` is refused when
the app starts, as a table without an audience is. So is one that says both.
"""

import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, TypeVar

from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

from apiwright.errors import ApiwrightError
from apiwright.kit.logins import SignedIn, UserSession
from apiwright.kit.problems import Forbidden, may_answer
from apiwright.kit.tables import Account, audiences

F = TypeVar("F", bound=Callable[..., Any])

logger = logging.getLogger("apiwright.permissions")

_PUBLIC = "__apiwright_public__"
_ADD_PLAIN_ROUTES = ("fastapi.", "apiwright.kit.")


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
        # a set, as a text "has" each of its parts
        if self.permission not in set(account.permissions):
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
        for context in iter_route_contexts(app.routes):
            operations = made["paths"].get(context.path_format, {})
            for method in (context.methods or ()) if _is_public(context) else ():
                if method.lower() in operations:
                    operations[method.lower()]["security"] = []
        return made

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


@cache
def _account() -> type[Account]:
    for model in audiences().values():
        if issubclass(model, Account):
            return model
    raise ApiwrightError(
        "There is no table of users, who could have permissions.",
        "Write one: `class User(Account, table=True)`.",
    )


def check(app: FastAPI) -> None:
    """Raises ApiwrightError for a route that does not say who may call it, or says two things."""
    opened = []
    for path, context in _routes(app.routes):
        methods = sorted(set(context.methods or ()) - {"HEAD"})
        name = " ".join([*methods, path])
        signed_in, is_public = _is_signed_in(context), _is_public(context)
        if signed_in and is_public:
            raise ApiwrightError(
                f"{name} is public, and needs a login all the same.",
                "Let it take `AnonymousSession` instead of `UserSession` and `requires(…)`, its"
                " router's included; or remove `@public`.",
            )
        if not signed_in and not is_public:
            raise ApiwrightError(
                f"{name} does not say who may call it.",
                "Let its function take `session: UserSession`, which needs a login; or write"
                " `@public` (apiwright.kit.permissions) above the function.",
            )
        if is_public:
            opened.append(name)
    logger.info("public routes: %s", "; ".join(opened) or "none")


def _routes(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[tuple[str, RouteContext]]:
    """Every route with its path, those of mounted apps included."""
    for context in iter_route_contexts(routes):
        path = prefix + (context.path or "")
        below = getattr(context.original_route, "routes", None)
        if below:
            yield from _routes(below, path)
        else:
            yield (path if context.endpoint else f"{path}/*"), context


def _is_public(context: RouteContext) -> bool:
    endpoint = context.endpoint
    if endpoint is None:  # files, and apps that have no routes: nothing in them could say it
        return True
    if hasattr(inspect.unwrap(endpoint, stop=lambda one: hasattr(one, _PUBLIC)), _PUBLIC):
        return True
    # the docs page, the keys: plain routes, which the framework and the kit add by themselves
    module: str = endpoint.__module__
    return not hasattr(context, "dependant") and module.startswith(_ADD_PLAIN_ROUTES)


def _is_signed_in(context: RouteContext) -> bool:
    dependant: Dependant | None = getattr(context, "dependant", None)
    return dependant is not None and _signs_in(dependant)


def _signs_in(dependant: Dependant) -> bool:
    return isinstance(dependant.call, SignedIn) or any(map(_signs_in, dependant.dependencies))
