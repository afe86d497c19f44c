from fastapi import FastAPI

from shop import errors
from shop.config import get_config
from shop.orders import router as orders
from shop.products.router import router as products_router


def include_all(app: FastAPI) -> None:
    for router in [products_router, orders.router]:
        app.include_router(router, prefix=get_config().api_prefix)


def create_app() -> FastAPI:
    app = FastAPI()
    errors.install(app)
    include_all(app)

    @app.get("/health", include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app
