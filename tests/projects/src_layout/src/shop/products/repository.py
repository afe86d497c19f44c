from sqlmodel import Session, select

from .models import Product


class ProductRepository:
    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, product_id: int) -> Product | None:
        return self.session.get(Product, product_id)

    def list(self, page: int, size: int) -> list[Product]:
        return list(self.session.exec(select(Product).offset((page - 1) * size).limit(size)))
