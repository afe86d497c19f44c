import json
import urllib.error
import urllib.request
from typing import List
from urllib.parse import quote

from fastapi import HTTPException
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shop.config import get_settings
from shop.models import Product
from shop.repositories.products import ProductRepository
from shop.schemas import ProductCreate, ProductUpdate, Stock
from shop.services.errors import conflict, not_found


class ProductService:
    def __init__(self, db: Session):
        self.db = db
        self.products = ProductRepository(db)

    def get(self, product_id: int) -> Product:
        product = self.products.get(product_id)
        if product is None:
            raise not_found("product")
        return product

    def page(self, skip: int, limit: int, sort: str) -> List[Product]:
        return self.products.page(skip, limit, sort)

    def search(self, words: str, limit: int) -> List[Product]:
        return self.products.search(words, limit)

    def create(self, data: ProductCreate) -> Product:
        try:
            return self.products.add(Product(**data.model_dump()))
        except IntegrityError:
            self.db.rollback()
            raise conflict("this sku is taken")

    def update(self, product_id: int, data: ProductUpdate) -> Product:
        product = self.get(product_id)
        return self.products.update(product, data.model_dump(exclude_unset=True))

    def delete(self, product_id: int) -> None:
        product = self.get(product_id)
        try:
            self.products.delete(product)
        except IntegrityError:
            self.db.rollback()
            raise conflict("orders refer to this product")

    def stock(self, product_id: int) -> Stock:
        """As the supplier says; which supplier is the operator's choice."""
        product = self.get(product_id)
        url = f"{get_settings().supplier_url}/stock/{quote(product.sku)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                available = json.load(answer)["available"]
        except (OSError, ValueError, KeyError):
            raise HTTPException(status_code=502, detail="the supplier does not answer")
        return Stock(sku=product.sku, available=bool(available))
