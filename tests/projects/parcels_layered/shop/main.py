from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shop.database import Base, engine
from shop.errors import ShopError
from shop.routers import parcels_router, users_router

Base.metadata.create_all(engine)

app = FastAPI(title="Parcels")


@app.exception_handler(ShopError)
def shop_error(request: Request, error: ShopError) -> JSONResponse:
    return JSONResponse({"message": error.message, "data": None}, error.status)


for router in [users_router, parcels_router]:
    app.include_router(router, prefix="/api")
