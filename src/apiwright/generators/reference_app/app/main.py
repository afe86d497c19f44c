"""The app: settings, what it takes from the kit, routes."""

from apiwright.kit import database, health, web
from fastapi import FastAPI

from app.routes import auth, projects, tags, tasks, templates
from app.settings import Settings

settings = Settings()

app = FastAPI(
    title="Reference App",
    lifespan=database.lifespan(settings),
    openapi_url=settings.openapi_url,
    docs_url=None,  # the kit's docs page works without the internet
    redoc_url=None,
    generate_unique_id_function=lambda route: route.name,
)
web.install(app, settings)

# they are asked in this order: the busiest first
app.include_router(tasks.router, prefix="/api/v1")
app.include_router(tasks.nested, prefix="/api/v1")
app.include_router(projects.router, prefix="/api/v1")
app.include_router(tags.router, prefix="/api/v1")
app.include_router(templates.router, prefix="/api/v1")
app.include_router(auth.router, prefix="/api/v1")
app.include_router(health.router)
