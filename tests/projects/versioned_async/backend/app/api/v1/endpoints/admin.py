from fastapi import APIRouter, Depends

from app.api.deps import RoleChecker

router = APIRouter(prefix="/admin", dependencies=[Depends(RoleChecker("admin"))])


@router.get("/stats")
async def stats() -> dict[str, int]:
    return {}
