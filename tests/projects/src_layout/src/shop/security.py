from fastapi import HTTPException, Request

from shop.config import get_config


async def verify(request: Request) -> None:
    if request.headers.get("Authorization") != f"Bearer {get_config().api_token}":
        raise HTTPException(status_code=401)
