from sqlmodel import Session

from ..errors import NotFound
from .models import Product
from .repository import ProductRepository


class ProductService:
    def __init__(self, session: Session) -> None:
        self.products = ProductRepository(session)

    def get(self, product_id: int) -> Product:
        product = self.products.get(product_id)
        if product is None:
            raise NotFound("no such product")
        return product

    def list(self, page: int, size: int) -> list[Product]:
        return self.products.list(page, size)
