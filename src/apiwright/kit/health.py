"""Health: is the process alive, is it ready for requests."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel

from apiwright.errors import ApiwrightError
from apiwright.kit.database import Database
from apiwright.kit.permissions import public
from apiwright.kit.problems import MEDIA_TYPE, Problem, ProblemDetails

Check = Callable[[], Awaitable[object]]
"""Raises when a part does not work: ApiwrightError when it answers, but is not as it must be."""

_PATIENCE = 5  # seconds

logger = logging.getLogger("apiwright.health")

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


def also_needs(app: FastAPI, part: str, check: Check) -> None:
    """Be ready only when this part is, too. `part` begins a sentence: "Redis" does not answer."""
    app.state.needs = {**getattr(app.state, "needs", {}), part: check}


@router.get("/live")
@public
async def live() -> Health:
    """The process answers."""
    return Health()


@router.get(
    "/ready",
    responses={503: {"content": {MEDIA_TYPE: {}}, "model": ProblemDetails}},
)
@public
async def ready(request: Request) -> Health:
    """The database answers, holds what isolation rests on, and is migrated; and so for whatever
    else the app needs."""
    state = request.app.state
    needs: dict[str, Check] = {
        "The database": lambda: _check(state.database),
        **getattr(state, "needs", {}),
    }
    wrong = await asyncio.gather(*(_wrong(part, check) for part, check in needs.items()))
    if any(wrong):
        detail = " ".join(filter(None, wrong))
        raise Problem(503, detail, headers={"Retry-After": "5"})
    return Health()


async def _wrong(part: str, check: Check) -> str:
    """What is wrong with a part, in words for everybody; the reason goes to the log."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await check()
    except Exception as error:
        logger.error("not ready", exc_info=error)
        if isinstance(error, _Behind):
            return f"{part} is behind: migrations of this version of the app are missing."
        if isinstance(error, ApiwrightError):
            return f"{part} is not in the state this version of the app needs."
        return f"{part} does not answer."
    return ""


class _Behind(ApiwrightError):
    """The database lacks migrations that this version of the app brings."""


async def _check(database: Database) -> None:
    try:
        await database.check()
    except ApiwrightError:
        await _check_migrations(database)  # a missing table may have this reason
        raise
    await _check_migrations(database)


async def _check_migrations(database: Database) -> None:
    behind = _earlier_revisions()
    if behind and (at := await database.revision()) in behind:
        raise _Behind(f"The database is at migration {at!r}.", "Run `apiwright db upgrade`.")


@lru_cache(maxsize=1)
def _earlier_revisions() -> frozenset[str]:
    """The migrations that another one follows, of those in the project's folder; read as text,
    because Alembic weighs some megabytes. A revision that is not here is of a later version of the
    app, which this one serves beside while it is being replaced."""
    text = "\n".join(file.read_text() for file in Path("migrations/versions").glob("*.py"))
    follows = "\n".join(re.findall(r"^down_revision\b.*?=(.*)$", text, re.MULTILINE))
    return frozenset(re.findall(r"[\"']([^\"'\n]+)[\"']", follows))
