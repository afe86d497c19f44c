from fastapi import APIRouter

from ..db import DbSession
from .models import Product
from .service import ProductService

router = APIRouter(prefix="/products")


@router.get("")
def list_products(session: DbSession, page: int = 1, size: int = 20) -> list[Product]:
    return ProductService(session).list(page, size)


@router.get("/{product_id}")
def get_product(session: DbSession, product_id: int) -> Product:
    return ProductService(session).get(product_id)
