"""Health: is the process alive, is it ready for requests."""

import asyncio
import logging
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from apiwright.errors import ApiwrightError
from apiwright.kit.problems import MEDIA_TYPE, Problem, ProblemDetails

_PATIENCE = 5  # seconds

logger = logging.getLogger("apiwright.health")

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/live")
async def live() -> Health:
    """The process answers."""
    return Health()


@router.get(
    "/ready",
    responses={503: {"content": {MEDIA_TYPE: {}}, "model": ProblemDetails}},
)
async def ready(request: Request) -> Health:
    """The database answers, and holds what isolation rests on."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await request.app.state.database.check()
    except Exception as error:
        logger.error("not ready", exc_info=error)
        detail = "The database does not answer."
        if isinstance(error, ApiwrightError):
            detail = "The database is not in the state this version of the app needs."
        raise Problem(503, detail, headers={"Retry-After": "5"}) from error
    return Health()
