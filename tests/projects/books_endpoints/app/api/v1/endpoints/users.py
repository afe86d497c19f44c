from fastapi import APIRouter

from app.api.deps import CurrentUser, SessionDep
from app.models import User

router = APIRouter()


@router.post("/", status_code=201)
async def sign_up(name: str, session: SessionDep) -> dict[str, str]:
    session.add(User(name=name))
    await session.commit()
    return {"token": name}


@router.get("/me")
async def me(user: CurrentUser) -> dict[str, str]:
    return {"name": user.name}
