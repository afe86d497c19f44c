from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse


class ShopError(Exception):
    status = 400


class NotFound(ShopError):
    status = 404


async def shop_error(request: Request, error: ShopError) -> JSONResponse:
    return JSONResponse({"error": str(error)}, error.status)


def install(app: FastAPI) -> None:
    app.add_exception_handler(ShopError, shop_error)
