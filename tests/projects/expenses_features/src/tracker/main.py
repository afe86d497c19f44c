from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from tracker.comments.router import router as comments
from tracker.db import Base, engine
from tracker.expenses import router as expenses
from tracker.users.router import router as users_router


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


def create_app() -> FastAPI:
    app = FastAPI(lifespan=lifespan)
    api = APIRouter(prefix="/api")
    api.include_router(users_router)
    api.include_router(comments)
    api.include_router(expenses.router)
    app.include_router(api)
    return app


app = create_app()
