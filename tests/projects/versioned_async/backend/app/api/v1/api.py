from fastapi import APIRouter

from app.api.v1.endpoints import admin, items, utils

api_router = APIRouter()
api_router.include_router(items.router, prefix="/items", tags=["items"])
api_router.include_router(admin.router)
api_router.include_router(utils.router, prefix="/utils")
