import logging
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse

from shop.config import get_settings
from shop.database import Base, engine
from shop.routers import admin, auth, documents, orders, products, users
from shop.schemas import Health

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("shop")


@asynccontextmanager
async def lifespan(app: FastAPI):
    Base.metadata.create_all(engine)
    logger.info("ready")
    yield


app = FastAPI(title="Shop", lifespan=lifespan)

app.add_middleware(
    CORSMiddleware,
    allow_origins=get_settings().frontend_origins,
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["Authorization", "Content-Type"],
)


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Without what was sent: it may hold a password, or what is no JSON."""
    wrong = [{"loc": list(one["loc"]), "msg": one["msg"]} for one in error.errors()]
    return JSONResponse({"detail": wrong}, status_code=422)


@app.exception_handler(Exception)
async def unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("unhandled %s on %s", type(error).__name__, request.url.path)
    return JSONResponse({"detail": "internal error"}, status_code=500)


@app.get("/health", response_model=Health)
async def health():
    return Health(status="ok")


app.include_router(auth.router)
app.include_router(users.router)
app.include_router(products.router)
app.include_router(orders.router)
app.include_router(documents.router)
app.include_router(admin.router)
