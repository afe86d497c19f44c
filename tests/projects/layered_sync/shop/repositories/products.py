from typing import List

from sqlalchemy import select, text

from shop.models import Product
from shop.repositories.base import Repository

SORTS = {"name": Product.name, "price": Product.price, "id": Product.id}


class ProductRepository(Repository[Product]):
    model = Product

    def page(self, skip: int, limit: int, sort: str) -> List[Product]:
        query = select(Product).order_by(SORTS[sort], Product.id).offset(skip).limit(limit)
        return self.db.scalars(query).all()

    def search(self, words: str, limit: int) -> List[Product]:
        statement = text(
            "SELECT id, sku, name, price FROM products WHERE name LIKE :pattern ORDER BY id LIMIT :limit"
        )
        rows = self.db.execute(statement, {"pattern": f"%{words}%", "limit": limit})
        return [Product(**row._mapping) for row in rows]
