"""The app: settings, what it takes from the kit, routes."""

from apiwright.kit import database, docs, health, logins, problems
from fastapi import FastAPI

from app.routes import auth, tasks
from app.settings import Settings

settings = Settings()

app = FastAPI(
    title="Reference App",
    lifespan=database.lifespan(settings),
    openapi_url="/openapi.json" if settings.development else None,
    docs_url=None,  # the kit's docs page works without the internet
    redoc_url=None,
)
problems.install(app)
database.install(app)
logins.install(app, settings)
docs.install(app)

# they are asked in this order: the busiest first
app.include_router(tasks.router, prefix="/api/v1")
app.include_router(auth.router, prefix="/api/v1")
app.include_router(health.router)
