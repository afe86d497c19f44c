from typing import List

from fastapi import Depends
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shop.database import get_db
from shop.dependencies import get_current_user
from shop.models import Order, OrderItem, User
from shop.repositories.orders import ItemRepository, OrderRepository
from shop.repositories.products import ProductRepository
from shop.schemas import ItemCreate, OrderCreate, OrderUpdate
from shop.services.errors import conflict, not_found


class OrderService:
    """The orders of one customer."""

    def __init__(self, db: Session, customer: User):
        self.db = db
        self.customer = customer
        self.orders = OrderRepository(db)
        self.items = ItemRepository(db)
        self.products = ProductRepository(db)

    def get(self, order_id: int) -> Order:
        order = self.orders.of_customer(order_id, self.customer.id)
        if order is None:
            raise not_found("order")
        return order

    def page(self, skip: int, limit: int) -> List[Order]:
        return self.orders.page(self.customer.id, skip, limit)

    def search(self, words: str, limit: int) -> List[Order]:
        return self.orders.search(self.customer.id, words, limit)

    def create(self, data: OrderCreate) -> Order:
        return self.orders.add(Order(customer_id=self.customer.id, note=data.note))

    def update(self, order_id: int, data: OrderUpdate) -> Order:
        order = self.get(order_id)
        return self.orders.update(order, data.model_dump(exclude_unset=True))

    def delete(self, order_id: int) -> None:
        order = self.get(order_id)
        self.orders.delete(order)

    def delete_many(self, ids: List[int]) -> int:
        return self.orders.delete_many(self.customer.id, ids)

    def add_item(self, order: Order, data: ItemCreate) -> OrderItem:
        if self.products.get(data.product_id) is None:
            raise not_found("product")
        try:
            return self.items.add(OrderItem(order_id=order.id, **data.model_dump()))
        except IntegrityError:
            self.db.rollback()
            raise conflict("the order has this product already")

    def remove_item(self, order: Order, item_id: int) -> None:
        item = self.items.in_order(item_id, order.id)
        if item is None:
            raise not_found("item")
        self.items.delete(item)

    def packing_slip(self, order_id: int) -> str:
        order = self.get(order_id)
        lines = [f"{item.quantity} x {item.product.name}" for item in order.items]
        return "\n".join([f"Order {order.id}", *lines])


def get_order_service(
    db: Session = Depends(get_db), user: User = Depends(get_current_user)
) -> OrderService:
    return OrderService(db, user)
