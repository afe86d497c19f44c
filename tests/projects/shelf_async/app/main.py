from fastapi import FastAPI

from app.core.config import settings
from app.routers import auth, entries

app = FastAPI(title="Shelf")
app.include_router(auth.router, prefix=settings.API_PREFIX)
app.include_router(entries.router, prefix=settings.API_PREFIX)
